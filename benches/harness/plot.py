"""Bar charts as SVG, written by hand: small, readable in a browser and in a diff, and no plotting library to install."""

from html import escape

WIDTH, BAR, GAP, LEFT, RIGHT = 720, 22, 8, 170, 90
COLOURS = {"omniq": "#1f77b4", "omniq-python": "#1f77b4", "pgbench": "#999999"}
OTHER = "#c9a26b"
TITLES = {
    "bulk": "Bulk enqueue of 100,000 tasks",
    "single-1": "Single enqueue, 1 caller",
    "single-32": "Single enqueue, 32 callers",
    "drain": "Drain of 100,000 tasks loaded in bulk",
    "latency-p50": "Latency of an idle worker, median",
    "latency-p99": "Latency of an idle worker, 99th percentile",
    "mixed": "32 producers and a worker together: finished tasks",
    "python-bulk": "Python: bulk enqueue",
    "python-single-100": "Python: single enqueue, 100 callers",
    "python-drain": "Python: drain of async def tasks",
    "python-drain-def": "Python: drain of def tasks",
    "python-latency-p50": "Python: latency of an idle worker, median",
}


def write(lines, folder):
    """One chart for each workload that was measured for more than one queue, and one for OmniQ's own variants."""
    made = []
    for workload, title in TITLES.items():
        rows = [(line["peer"], line) for line in lines if line["workload"] == workload]
        made += _save(folder, workload, title, rows)
    for family in ("drain", "backlog", "snapshot", "queues", "slots"):
        own = [line for line in lines if line["peer"] == "omniq" and line["workload"].split("-")[0] == family]
        made += _save(folder, f"omniq-{family}", f"OmniQ: {family}", [(line["workload"], line) for line in own])
    return made


def _save(folder, name, title, rows):
    if len(rows) < 2:
        return []
    (folder / f"{name}.svg").write_text(chart(title, rows))
    return [(title, f"{name}.svg")]


def chart(title, rows):
    """Horizontal bars of the medians, with the spread as a thin line."""
    unit = rows[0][1]["unit"]
    by_median = sorted(rows, key=lambda row: row[1]["median"], reverse=unit != "ms")
    order = rows if title.startswith("OmniQ") else by_median
    most = max(line["max"] for _, line in order) or 1
    height = 50 + len(order) * (BAR + GAP)

    def x(value):
        return LEFT + value / most * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="15">{escape(title)} ({unit})</text>',
    ]
    for place, (label, line) in enumerate(order):
        y = 38 + place * (BAR + GAP)
        middle = y + BAR / 2
        colour = COLOURS.get(line["peer"], OTHER)
        value = f"{line['median']:,.0f}" if line["median"] >= 100 else f"{line['median']:.2f}"
        parts += [
            f'<text x="{LEFT - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{x(line["median"]) - LEFT:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{x(line["min"]):.1f} {middle}H{x(line["max"]):.1f}" stroke="black" stroke-width="1.5"/>',
            f'<text x="{x(line["max"]) + 6:.1f}" y="{middle + 4:.0f}">{value}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
