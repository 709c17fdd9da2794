"""The bars that OmniQ must meet: ratios of medians of one run. `check` reports each as met, missed or not measured."""

JOB_QUEUES_NOT = ("omniq", "pgmq", "pgbench")  # pgmq is a message queue: it has no jobs, retries or workers
OURS = ("omniq", "omniq-python")
LOWER, HIGHER = "at most", "at least"


def check(medians, disturbed=()):
    """Rows of (what, bar, figure, verdict) from {(workload, peer): median}; costs have the key (workload, peer, cost).

    A verdict gets a star if it uses a workload that was disturbed.
    """
    rows = []
    for bar in BARS:
        what, asked, figure, verdict = bar(medians)
        rows.append((what, asked, figure, verdict + (" *" if verdict and figure and bar.uses & set(disturbed) else "")))
    return rows


def _uses(bar, *workloads):
    bar.uses = set(workloads)
    return bar


def _best(medians, workload, peers=None, lowest=False, cost=None):
    found = {}
    for key, value in medians.items():
        name, rest = key[1], key[2:]
        if key[0] == workload and rest == ((cost,) if cost else ()) and (peers is None or name in peers):
            if name not in (*OURS, "pgbench") or peers:
                found[name] = value
    if not found:
        return None, None
    name = (min if lowest else max)(found, key=found.get)
    return found[name], name


def _row(what, sense, bar, value, other, against):
    if value is None or not other:
        return what, f"{sense} {bar}", "", "not measured"
    ratio = value / other
    met = ratio >= bar if sense == HIGHER else ratio <= bar
    figure = f"{ratio:.2f} ({_figure(value)} to {_figure(other)}, {against})"
    return what, f"{sense} {bar}", figure, "met" if met else "missed"


def _figure(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _against(what, workload, bar, against, of=None, sense=HIGHER, jobs=False, peers=None, cost=None):
    def rows(medians):
        allowed = peers
        if jobs:
            allowed = {key[1] for key in medians} - set(JOB_QUEUES_NOT)
        other, name = _best(medians, against, allowed, sense == LOWER, cost)
        key = (of or workload, "omniq") + ((cost,) if cost else ())
        return _row(what, sense, bar, medians.get(key), other, name)

    return _uses(rows, workload, against)


def _half(what, workload, cost):
    """One half of the bulk path: a figure without a verdict, because the bar is for the whole path."""
    bar = _against(f"of that, {what}, best job queue", workload, 1, workload, sense=LOWER, jobs=True, cost=cost)

    def rows(medians):
        named, _, figure, verdict = bar(medians)
        return named, "", figure, "" if figure else verdict

    return _uses(rows, workload)


def _itself(what, workload, base, bar, peer="omniq", sense=HIGHER):
    def rows(medians):
        value, other = medians.get((workload, peer)), medians.get((base, peer))
        return _row(what, sense, bar, value, other, f"its own {base}")

    return _uses(rows, workload, base)


def _python(what, workload, bar, instead=None, sense=HIGHER):
    """OmniQ's Python package to the best Python peer. A peer without this workload is compared by `instead`."""

    def rows(medians):
        found = {}
        for of in (instead, workload):
            found |= {key[1]: value for key, value in medians.items() if key[0] == f"python-{of}" and len(key) == 2}
        found = {name: value for name, value in found.items() if name not in OURS}
        best = (min if sense == LOWER else max)(found, key=found.get, default=None)
        return _row(
            f"Python: {what}", sense, bar, medians.get((f"python-{workload}", "omniq-python")), found.get(best), best
        )

    return _uses(rows, *(f"python-{of}" for of in (workload, instead) if of))


def _fixed(what, workload, bar, ideal, peer="omniq", sense=HIGHER, against="ideal"):
    def rows(medians):
        return _row(what, sense, bar, medians.get((workload, peer)), ideal, against)

    return _uses(rows, workload)


BARS = [
    _against("bulk enqueue, best peer", "bulk", 5, "bulk"),
    _against("unique enqueue in bulk, best peer", "unique", 3, "unique"),
    _against("single enqueue, 32 callers, best peer", "single-32", 10, "single-32"),
    _against("single enqueue, 32 callers, pgbench", "single-32", 3, "single-32", peers=("pgbench",)),
    _against("single enqueue, 1 caller, best peer", "single-1", 1, "single-1"),
    _against("single enqueue, 1 caller, pgbench", "single-1", 0.6, "single-1", peers=("pgbench",)),
    _against("drain, loaded in bulk, fastest job queue", "drain", 5, "drain", jobs=True),
    _against("drain, loaded in bulk, pgmq", "drain", 3.5, "drain", peers=("pgmq",)),
    _against("drain with results, fastest job queue", "drain-results", 3, "drain", jobs=True),
    _against("drain, loaded one by one, fastest job queue", "drain-single", 1.5, "drain", jobs=True),
    _against("producers and workers together, best peer", "mixed", 5, "mixed"),
    _against("latency, median, best peer", "latency-p50", 0.7, "latency-p50", sense=LOWER),
    _against("latency, 99th percentile, best peer", "latency-p99", 0.7, "latency-p99", sense=LOWER),
    _itself("result round trip, median, to the start", "round-trip-p50", "round-trip-start-p50", 2, sense=LOWER),
    _fixed("results of 10,000 tasks collected, beside the work", "collect", 1, 1, sense=LOWER, against="a second"),
    _itself("backlog of 1 million, to 100,000", "backlog-1000000", "backlog-100000", 0.9),
    _itself("backlog of 10 million, to 100,000", "backlog-10000000", "backlog-100000", 0.9),
    *(
        _itself(
            f"held snapshot, claims of {claim}: last quarter to first",
            f"snapshot-{claim}-last",
            f"snapshot-{claim}-first",
            0.9,
        )
        for claim in (10, 100, 1_000)
    ),
    _itself("32 queues, to 1", "queues-32", "queues-1", 0.75),
    _fixed("4 slots of 1 ms tasks, to the ideal", "slots-4", 0.85, 4_000),
    _fixed("100 slots of 1 ms tasks, to the ideal (or the machine is full)", "slots-100", 0.8, 100_000),
    _against(
        "bulk path: server CPU per task, best job queue", "path", 0.2, "path", sense=LOWER, jobs=True, cost="server_us"
    ),
    _against("bulk path: WAL per task, best job queue", "path", 0.34, "path", sense=LOWER, jobs=True, cost="wal_bytes"),
    _half("the drain alone: server CPU per task", "drain", "server_us"),
    _half("the drain alone: WAL per task", "drain", "wal_bytes"),
    _half("the enqueue alone: server CPU per task", "bulk", "server_us"),
    _half("the enqueue alone: WAL per task", "bulk", "wal_bytes"),
    _python("bulk enqueue", "bulk", 3),
    _python("single enqueue, 100 callers", "single-100", 10),
    _python("drain of async def tasks", "drain", 5),
    _python("drain of def tasks", "drain-def", 5, "drain"),
    _python("drain with results", "drain-results", 3, "drain"),
    _python("latency, median", "latency-p50", 1, sense=LOWER),
    _python("latency, 99th percentile", "latency-p99", 1, sense=LOWER),
    _python("result round trip, median", "round-trip-p50", 1, sense=LOWER),
    _itself(
        "Python: result round trip, median, to the start",
        "python-round-trip-p50",
        "python-round-trip-start-p50",
        2,
        "omniq-python",
        LOWER,
    ),
    _fixed(
        "Python: values of 10,000 tasks collected, beside the work",
        "python-gather",
        1,
        1,
        "omniq-python",
        LOWER,
        "a second",
    ),
    _itself(
        "Python: def tasks over 2 processes, to 1", "python-processes-2", "python-processes-1", 1.6, "omniq-python"
    ),
]
