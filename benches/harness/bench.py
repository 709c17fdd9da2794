"""One run of the benchmark: its server, its databases and its records."""

import json
import time

from harness.measure import NOISY, Cost, busy
from harness.server import Server, Session

PATIENCE = 300  # seconds that may pass after the last handler until the database shows every task finished


class Bench:
    """Makes databases for measurements, and writes each record at once."""

    def __init__(self, work, out, scale=1.0, seconds=5.0, patience=30, overrides=None):
        self.server = Server(work)
        self.out, self.scale, self.seconds, self.patience = out, scale, seconds, patience
        self.overrides = overrides or {}
        self.made = set()
        self.others = 0.0  # the most cores that other programs used during a record of this turn

    def close(self):
        self.server.stop()

    def count(self, wanted, peer=None):
        """How many tasks a workload of `wanted` tasks has in this run."""
        limit = peer.drain_count if peer and peer.drain_count else wanted
        return max(1_000, int(min(wanted, limit) * self.scale))

    def empty(self, peer, workload, extra):
        """A fresh database with the queue's schema."""
        name = f"{peer.name}-empty-{extra.get('RESULTS', 0)}-{extra.get('QUEUES', 1)}"
        if name not in self.made:
            self.server.drop(name)
            self.server.sql(f'create database "{name}"')
            peer.run(self.server.url(name), workload, {**extra, **self.overrides}, "setup")
            self.made.add(name)
        return self._copy(peer, name)

    def loaded(self, peer, workload, extra, how, count):
        """A fresh copy of a database with `count` tasks, which the queue's own calls enqueued (`bulk` or `load`)."""
        name = f"{peer.name}-{how}-{count}-{extra.get('RESULTS', 0)}-{extra.get('QUEUES', 1)}"
        if name not in self.made:
            start = self.empty(peer, workload, extra)
            peer.run(self.server.url(start), workload, {**extra, **self.overrides}, how, count, limit=3_600)
            found = int(self.server.sql(peer.unfinished(), start))
            if found != count:
                raise RuntimeError(f"{peer.name}: {found} of {count} tasks were loaded")
            self.server.sql("vacuum (analyze)", start)
            self.server.drop(name)
            self.server.sql(f'alter database "{start}" rename to "{name}"')
            self.made.add(name)
        return self._copy(peer, name)

    def forget(self, peer, count):
        """Drops the databases of a big backlog."""
        for name in [name for name in self.made if name.startswith(f"{peer.name}-") and f"-{count}-" in name]:
            self.server.drop(name)
            self.made.discard(name)

    def session(self, database):
        return Session(self.server, database)

    def cost(self, database):
        self.server.sql("checkpoint")
        self._quiet()
        return Cost(self.server, database)

    def record(self, peer, workload, value, unit, **more):
        line = {
            "peer": peer.name,
            "version": peer.version,
            "workload": workload,
            "value": round(value, 3),
            "unit": unit,
            **more,
            "at": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        self.others = max(self.others, more.get("others", 0))
        with open(self.out, "a") as file:
            file.write(json.dumps(line) + "\n")
        shown = " ".join(f"{key}={value}" for key, value in more.items())
        print(f"{workload:<24}{peer.name:<20}{value:>12,.1f} {unit:<8} {shown}", flush=True)

    def _quiet(self):
        """Waits until other programs leave the machine alone, or until the patience is over."""
        for _ in range(self.patience):
            before = busy()
            time.sleep(0.5)
            if busy() - before < NOISY / 2:
                return

    def _copy(self, peer, template):
        name = f"{peer.name}-now"
        self.server.copy(name, template)
        return name


def wait_finished(session, peer):
    """Waits until the database holds no unfinished task; returns the time of that."""
    limit = time.monotonic() + PATIENCE
    while session.ask(peer.any_unfinished()) == "t":
        if time.monotonic() > limit:
            raise RuntimeError(f"{peer.name}: tasks are still unfinished {PATIENCE} s after the last handler")
        time.sleep(0.003)
    return time.monotonic_ns()
