"""Writes from the records of a run: results.csv, README.md (tables, bars) and the plots, in one folder."""

import csv
import json
import statistics
from pathlib import Path

from harness import bars, plot
from harness.measure import NOISY

COSTS = ("server_us", "client_us", "wal_bytes", "dead_rows", "rss_mb", "total", "enqueued", "ratio")
LEGEND = (
    "Median of the runs, and the lowest and highest in brackets. Costs are per task: CPU of the server (all its processes)",
    "and of the measured program in microseconds, WAL in bytes, row versions left dead by updates and deletes. A star marks",
    "figures during which other programs used more than 0.3 cores.",
)
ENOUGH = 3  # if there are this many quiet runs, the runs under other load are left out


def read(raw):
    """The records by (workload, peer), in the order of each pair's first record."""
    groups = {}
    for line in Path(raw).read_text().splitlines():
        row = json.loads(line)
        groups.setdefault((row["workload"], row["peer"]), []).append(row)
    return groups


def summary(rows):
    """Median, spread, and median of each cost, of the quiet runs if there are enough."""
    quiet = [row for row in rows if row.get("others", 0) <= NOISY]
    rows = quiet if len(quiet) >= ENOUGH else rows
    values = [row["value"] for row in rows]
    line = {
        "peer": rows[0]["peer"],
        "version": rows[0]["version"],
        "workload": rows[0]["workload"],
        "unit": rows[0]["unit"],
        "median": round(statistics.median(values), 3),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
        "others": max((row.get("others", 0) for row in rows), default=0),
    }
    for cost in COSTS:
        found = [row[cost] for row in rows if cost in row]
        line[cost] = round(statistics.median(found), 2) if found else ""
    return line


def write(raw, folder, about):
    """Writes everything; `about` is a text on how the run was made."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [summary(rows) for rows in read(raw).values()]
    with open(folder / "results.csv", "w", newline="") as file:
        out = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(lines)
    medians = {(line["workload"], line["peer"]): line["median"] for line in lines}
    for line in lines:
        medians |= {(line["workload"], line["peer"], cost): line[cost] for cost in COSTS if line[cost] != ""}
    disturbed = {line["workload"] for line in lines if line["others"] > NOISY}
    plots = plot.write(lines, folder)
    (folder / "README.md").write_text(markdown(lines, bars.check(medians, disturbed), plots, about))


def markdown(lines, verdicts, plots, about):
    text = ["# Benchmarks", "", about, ""]
    text += [
        "## Bars",
        "",
        "A star: others used the machine during these runs, so that the verdict is not to be relied on.",
        "",
        *_bars(verdicts),
        "",
    ]
    text += ["## Results", "", *LEGEND, ""]
    for workload in dict.fromkeys(line["workload"] for line in lines):
        rows = [line for line in lines if line["workload"] == workload]
        text += [f"### {workload}", "", *_table(rows), ""]
    text += ["## Plots", "", *(f"![{name}]({file})\n" for name, file in plots)]
    return "\n".join(text).rstrip() + "\n"


def _bars(verdicts):
    rows = ["| bar | asked | figure | |", "|---|---|---|---|"]
    return rows + [f"| {what} | {bar} | {figure} | {verdict} |" for what, bar, figure, verdict in verdicts]


def _table(rows):
    unit = rows[0]["unit"]
    order = sorted(rows, key=lambda row: row["median"], reverse=unit not in ("ms", "s"))
    shown = [cost for cost in COSTS if any(row[cost] != "" for row in rows)]
    titles = {
        "server_us": "server µs",
        "client_us": "client µs",
        "wal_bytes": "WAL B",
        "dead_rows": "dead rows",
        "rss_mb": "memory MB",
        "total": "whole, tasks/s",
        "enqueued": "enqueued/s",
        "ratio": "last to first",
    }
    head = ["queue", unit, "runs", *(titles[cost] for cost in shown)]
    text = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in order:
        star = " *" if row["others"] > NOISY else ""
        value = f"{_number(row['median'])} ({_number(row['min'])}–{_number(row['max'])}){star}"
        cells = [f"{row['peer']} {row['version']}", value, str(row["runs"])]
        text.append("| " + " | ".join(cells + [_number(row[cost]) for cost in shown]) + " |")
    return text


def _number(value):
    if value == "":
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
