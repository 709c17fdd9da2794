"""A worker process that empties a loaded queue: the rate, its cost, and its shape over time."""

import time
from contextlib import ExitStack
from itertools import pairwise

from harness.bench import wait_finished


def drain(bench, peer, name, count, extra=None, how="bulk", first=None):
    """Measures one drain of `count` tasks; with `first`, the worker is frozen when that many handlers have run."""
    extra = {**(extra or {}), **bench.overrides}
    database = bench.loaded(peer, name, extra, how, count)
    session = bench.session(database)
    session.ask(peer.any_unfinished())
    cost = bench.cost(database)
    with peer.work(bench.server.url(database), name, extra, first or count) as worker:
        end = worker.reached()
        end = worker.freeze() if first else wait_finished(session, peer)
        used, memory = worker.used()
        # Read before the count, which costs the server more than the tasks did if most of them are left.
        cost.read(used)
        finished = count - int(session.ask(peer.unfinished())) if first else count
        said = worker.end()
    session.close()
    runs = {"rss_mb": round(memory), "handlers": said["count"]}
    rate = finished / ((end - worker.ready) / 1e9)
    bench.record(peer, name, rate, "tasks/s", **runs, **cost.per_task(finished))
    bench.server.drop(database)


def drain_together(bench, peer, name, count, extra, processes):
    """Measures one drain by several worker processes: what was left when all were ready, until none is left."""
    extra = {**extra, **bench.overrides}
    database = bench.loaded(peer, name, extra, "bulk", count)
    session, url = bench.session(database), bench.server.url(database)
    session.ask(peer.any_unfinished())
    cost = bench.cost(database)
    with ExitStack() as stack:
        # All are started before the first is waited for, as they take some time to begin.
        started = [peer.work(url, name, extra, 0) for _ in range(processes)]
        workers = [stack.enter_context(worker) for worker in started]
        left, begun = int(session.ask(peer.unfinished())), time.monotonic_ns()
        end = wait_finished(session, peer)
        used = [worker.used() for worker in workers]
        cost.read(sum(seconds for seconds, _ in used))
        handlers = [worker.end()["count"] for worker in workers]
    session.close()
    runs = {"rss_mb": round(sum(memory for _, memory in used)), "handlers": sum(handlers), "each": handlers}
    bench.record(peer, name, left / ((end - begun) / 1e9), "tasks/s", **runs, **cost.per_task(left))
    bench.server.drop(database)


def shape(bench, peer, name, count, extra):
    """One drain under a snapshot that another session holds: how the last quarter compares with the first.

    The quarters are timed by handler runs, which are ahead of the database by no more than the worker's claims. The
    database shows whether all tasks were finished.
    """
    extra = {**extra, **bench.overrides}
    database = bench.loaded(peer, name, extra, "bulk", count)
    session, holder = bench.session(database), bench.session(database)
    holder.ask("begin isolation level repeatable read; select count(*) from pg_class")
    cost = bench.cost(database)
    with peer.work(bench.server.url(database), name, extra, count) as worker:
        worker.reached()
        end = wait_finished(session, peer)
        used, memory = worker.used()
        cost.read(used)
        said = worker.end()
    holder.close()
    session.close()
    marks, every, quarter = said["marks"], said["every"], count // 4
    at = [worker.ready] + [marks[min(len(marks), part * quarter // every) - 1] for part in (1, 2, 3, 4)]
    rates = [quarter / ((after - before) / 1e9) for before, after in pairwise(at)]
    total = round(count / ((end - worker.ready) / 1e9))
    whole = {"total": total, "rss_mb": round(memory), **cost.per_task(count)}
    bench.record(peer, f"{name}-first", rates[0], "tasks/s", **whole)
    bench.record(peer, f"{name}-last", rates[3], "tasks/s", ratio=round(rates[3] / rates[0], 2), others=whole["others"])
    bench.server.drop(database)
