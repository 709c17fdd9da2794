"""The workloads. Each is a function (bench, peer) that measures once and records; WORKLOADS names them in order."""

import time
from functools import partial

from harness.bench import wait_finished
from harness.drain import drain, drain_together, shape
from harness.programs import PYTHON

DRAIN = 100_000
PACED, PACE_MS = 300, 20
CALLERS = 32


def bulk(bench, peer, prefix=""):
    """Bulk enqueue of 100,000 tasks by the queue's bulk call, in chunks of 5,000 (or what it takes best)."""
    # Python peers have their smaller count only in the Python part, so that a plain run does not wait for them.
    count = bench.count(DRAIN, peer if prefix else None)
    database = bench.empty(peer, "bulk", {})
    cost = bench.cost(database)
    said = peer.run(bench.server.url(database), "bulk", bench.overrides, "bulk", count)
    cost.read(said["cpu"])
    bench.record(peer, f"{prefix}bulk", said["jobs"] / said["seconds"], "tasks/s", **cost.per_task(count))
    bench.server.drop(database)


def unique(bench, peer):
    """Bulk enqueue of 100,000 tasks with a key each, of which none is held. For queues that have keys."""
    if "unique" not in peer.variants:
        return
    count = bench.count(DRAIN, peer)
    extra = {"UNIQUE": 1, **bench.overrides}
    database = bench.empty(peer, "bulk", {"UNIQUE": 1})
    cost = bench.cost(database)
    said = peer.run(bench.server.url(database), "bulk", extra, "bulk", count)
    cost.read(said["cpu"])
    bench.record(peer, "unique", said["jobs"] / said["seconds"], "tasks/s", **cost.per_task(count))
    bench.server.drop(database)


def single(bench, peer, prefix="", numbers=(1, CALLERS)):
    """Single enqueues, each durable when it returns, from 1 and from 32 callers in one process."""
    for callers in numbers:
        database = bench.empty(peer, "single", {})
        cost = bench.cost(database)
        url = bench.server.url(database)
        said = peer.run(url, "single", bench.overrides, "single", callers, bench.seconds)
        cost.read(said["cpu"])
        rate = said["jobs"] / said["seconds"]
        bench.record(peer, f"{prefix}single-{callers}", rate, "tasks/s", **cost.per_task(said["jobs"]))
        bench.server.drop(database)


def drain_bulk(bench, peer):
    """Drain of 100,000 tasks loaded in bulk, until the database shows all of them finished."""
    drain(bench, peer, "drain", bench.count(DRAIN, peer))


def drain_variants(bench, peer):
    """The drain with results stored, and of tasks that were enqueued one by one. Peers keep one row a task either way."""
    count = bench.count(DRAIN, peer)
    if peer.name == "omniq":
        drain(bench, peer, "drain-results", count, {"RESULTS": 1})
        drain(bench, peer, "drain-single", count, how="load")
        drain(bench, peer, "drain-single-results", count, {"RESULTS": 1}, how="load")


def path(bench, peer):
    """The whole cost of a task on the bulk path: 100,000 enqueued in bulk, and drained in the same database.

    Nothing is copied and no checkpoint is made in between, as in a queue whose tasks do not wait for long.
    """
    count = bench.count(DRAIN, peer)
    database = bench.empty(peer, "drain", bench.overrides)
    url = bench.server.url(database)
    cost = bench.cost(database)
    said = peer.run(url, "bulk", bench.overrides, "bulk", count)
    session = bench.session(database)
    with peer.work(url, "drain", bench.overrides, count) as worker:
        worker.reached()
        end = wait_finished(session, peer)
        used, memory = worker.used()
        cost.read(said["cpu"] + used)
        worker.end()
    session.close()
    seconds = said["seconds"] + (end - worker.ready) / 1e9
    bench.record(peer, "path", count / seconds, "tasks/s", rss_mb=round(memory), **cost.per_task(count))
    bench.server.drop(database)


def latency(bench, peer, prefix=""):
    """From the start of the enqueue call to the start of the handler, one task each 20 ms, the worker idle in between."""
    database = bench.empty(peer, "latency", {})
    url = bench.server.url(database)
    cost = bench.cost(database)
    with peer.work(url, "latency", bench.overrides, 0) as worker:
        time.sleep(2)
        said = peer.run(url, "latency", bench.overrides, "paced", PACED, PACE_MS)
        session = bench.session(database)
        wait_finished(session, peer)
        session.close()
        cost.read(worker.used()[0] + said["cpu"])
        times = sorted(value / 1e6 for value in worker.end()["latencies"])
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        value = times[min(len(times) - 1, int(part * len(times)))]
        bench.record(peer, f"{prefix}latency-{name}", value, "ms", **cost.per_task(len(times)))
    bench.server.drop(database)


def round_trip(bench, peer, prefix=""):
    """From the start of the enqueue call to the result, one task each 20 ms, the worker idle in between; beside it the
    time to the start of the same tasks' handlers. For queues with a call that waits for a result."""
    if "round-trip" not in peer.variants:
        return
    extra = {"RESULTS": 1, **bench.overrides}
    database = bench.empty(peer, "latency", {"RESULTS": 1})
    url = bench.server.url(database)
    cost = bench.cost(database)
    with peer.work(url, "latency", extra, 0) as worker:
        time.sleep(2)
        said = peer.run(url, "latency", extra, "round-trip", PACED, PACE_MS)
        cost.read(worker.used()[0] + said["cpu"])
        starts = worker.end()["latencies"]
    for name, times in (("round-trip", said["latencies"]), ("round-trip-start", starts)):
        times = sorted(value / 1e6 for value in times)
        bench.record(peer, f"{prefix}{name}-p50", times[len(times) // 2], "ms", **cost.per_task(PACED))
    bench.server.drop(database)


def collect(bench, peer):
    """How much longer 10,000 tasks take if `wait_many` collects their results meanwhile. OmniQ alone: peers have no such
    call, or keep no results."""
    if peer.name == "omniq":
        count = bench.count(10_000)
        database = bench.empty(peer, "drain", {"RESULTS": 1})
        said = peer.run(bench.server.url(database), "drain", {"RESULTS": 1, **bench.overrides}, "collect", count)
        bench.record(peer, "collect", said["seconds"], "s")
        bench.server.drop(database)


def mixed(bench, peer):
    """32 producers of single tasks and one worker at once: the tasks finished in the database when the time was up."""
    database = bench.empty(peer, "mixed", {})
    url = bench.server.url(database)
    session = bench.session(database)
    cost = bench.cost(database)
    with peer.work(url, "mixed", bench.overrides, 0) as worker:
        said = peer.run(url, "mixed", bench.overrides, "single", CALLERS, bench.seconds)
        unfinished = int(session.ask(peer.unfinished()))
        used, memory = worker.used()
        cost.read(used + said["cpu"])
        worker.end()
    session.close()
    finished = said["jobs"] - unfinished
    rates = {"enqueued": round(said["jobs"] / said["seconds"]), "rss_mb": round(memory)}
    bench.record(peer, "mixed", finished / said["seconds"], "tasks/s", **rates, **cost.per_task(finished))
    bench.server.drop(database)


def backlog(bench, peer, sizes=(100_000, 1_000_000)):
    """The first 50,000 tasks of a backlog: the tasks finished in the database when that many handlers had run."""
    for size in sizes:
        count = bench.count(size)
        drain(bench, peer, f"backlog-{count}", count, first=min(50_000, count // 2))
        if count > 100_000 and peer.name != "omniq":
            bench.forget(peer, count)


def backlog_10m(bench, peer):
    """The same with 10 million, and with 100,000 in turn: rates of different minutes cannot be compared."""
    backlog(bench, peer, (100_000, 10_000_000))


def snapshot(bench, peer, size=200_000):
    """Drain while another session holds a snapshot: rates of the first and the last quarter."""
    claims = (10, 100, 1_000) if peer.name == "omniq" else (0,)
    for claim in claims:
        extra = {"PREFETCH": claim, "SLOTS": min(claim, 64)} if claim else {}
        name = f"snapshot-{claim}" if claim else "snapshot"
        shape(bench, peer, name, bench.count(size, peer), extra)


def snapshot_2m(bench, peer):
    """The same with 2 million."""
    snapshot(bench, peer, 2_000_000)


def queues(bench, peer):
    """Drain of 100,000 tasks spread over 1, 4 and 32 queues by one worker that serves them all."""
    for number in (1, 4, 32) if peer.queues else ():
        drain(bench, peer, f"queues-{number}", bench.count(DRAIN, peer), {"QUEUES": number})


def slots(bench, peer):
    """Tasks of 1 ms on 1, 4, 10 and 100 slots, for about five seconds of the ideal rate."""
    for number in (1, 4, 10, 100) if peer.slots else ():
        extra = {"SLEEP_MS": 1, **dict.fromkeys(peer.slots, number)}
        drain(bench, peer, f"slots-{number}", bench.count(number * 5_000, peer), extra)


def python_drain(bench, peer):
    """The drain of `async def` tasks; also of `def` tasks and with results stored, if the queue has that."""
    count = bench.count(DRAIN, peer)
    drain(bench, peer, f"{PYTHON}drain", count)
    if "def" in peer.variants:
        drain(bench, peer, f"{PYTHON}drain-def", count, {"HANDLER": "def"})
    if "results" in peer.variants:
        drain(bench, peer, f"{PYTHON}drain-results", count, {"RESULTS": 1})


def python_gather(bench, peer):
    """How much longer 10,000 tasks take if `omniq.gather` collects their values meanwhile. OmniQ alone: peers have no
    such call, or keep no results."""
    if peer.name == "omniq-python":
        count = bench.count(10_000)
        database = bench.empty(peer, "drain", {"RESULTS": 1})
        said = peer.run(bench.server.url(database), "drain", {"RESULTS": 1, **bench.overrides}, "gather", count)
        bench.record(peer, f"{PYTHON}gather", said["seconds"], "s")
        bench.server.drop(database)


def python_processes(bench, peer):
    """The drain of `def` tasks by one process and by two, from when all of them are ready. OmniQ alone."""
    for number in (1, 2) if peer.name == "omniq-python" else ():
        drain_together(bench, peer, f"{PYTHON}processes-{number}", bench.count(DRAIN), {"HANDLER": "def"}, number)


WORKLOADS = {
    "bulk": bulk,
    "unique": unique,
    "single": single,
    "drain": drain_bulk,
    "drain-variants": drain_variants,
    "path": path,
    "latency": latency,
    "round-trip": round_trip,
    "collect": collect,
    "mixed": mixed,
    "backlog": backlog,
    "snapshot": snapshot,
    "queues": queues,
    "slots": slots,
    "snapshot-2m": snapshot_2m,
    "backlog-10m": backlog_10m,
    f"{PYTHON}bulk": partial(bulk, prefix=PYTHON),
    f"{PYTHON}single": partial(single, prefix=PYTHON, numbers=(100,)),
    f"{PYTHON}drain": python_drain,
    f"{PYTHON}latency": partial(latency, prefix=PYTHON),
    f"{PYTHON}round-trip": partial(round_trip, prefix=PYTHON),
    f"{PYTHON}gather": python_gather,
    f"{PYTHON}processes": python_processes,
}
QUICK = (
    "bulk",
    "unique",
    "single",
    "drain",
    "drain-variants",
    "path",
    "latency",
    "round-trip",
    "collect",
    "mixed",
    *(name for name in WORKLOADS if name.startswith(PYTHON)),
)
FULL = tuple(name for name in WORKLOADS if name not in ("backlog-10m",))
