"""The cost of work: CPU of server and client, WAL, dead row versions, memory; and the load by other programs."""

import os
import time
from pathlib import Path

NOISY = 0.3  # cores that other programs used, above which a figure is not reliable
TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def tree(pid):
    """The process and all its descendants that are alive."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def cpu(pid):
    """CPU seconds of a process, its descendants, and the children that they have waited for."""
    fields = [fields for one in tree(pid) if (fields := _stat(one))]
    return sum(int(value) for one in fields for value in one[11:15]) / TICK


def peak_mb(pid):
    """The peak resident memory of a process, in megabytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def busy():
    """CPU seconds that the whole machine has used."""
    values = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / TICK


class Cost:
    """The cost of the work on this database, from the creation of this object to `read`."""

    def __init__(self, server, database):
        self.server, self.database = server, database
        self.pid = server.postmaster()
        self.wal = self._wal()
        self.dead = self._dead()
        self.cpu, self.busy, self.began = cpu(self.pid), busy(), time.monotonic()

    def read(self, client_cpu):
        """Call it at the end of the timed part; `client_cpu` is what the measured programs used in it."""
        server_cpu = cpu(self.pid) - self.cpu
        took = max(time.monotonic() - self.began, 0.001)
        others = max(0.0, (busy() - self.busy - server_cpu - client_cpu) / took)
        self.taken = {
            "server_cpu": server_cpu,
            "client_cpu": client_cpu,
            "wal": self._wal() - self.wal,
            "others": round(others, 2),
        }

    def per_task(self, tasks):
        """The cost per task. Call it after the programs have ended, because only then are their row counts complete."""
        tasks = max(tasks, 1)
        return {
            "server_us": round(self.taken["server_cpu"] / tasks * 1e6, 2),
            "client_us": round(self.taken["client_cpu"] / tasks * 1e6, 2),
            "wal_bytes": round(self.taken["wal"] / tasks),
            "dead_rows": round((self._dead() - self.dead) / tasks, 2),
            "others": self.taken["others"],
        }

    def _wal(self):
        return int(self.server.sql("select pg_current_wal_insert_lsn() - '0/0'").split(".")[0])

    def _dead(self):
        # Versions that updates and deletes have left, even if they were removed since then.
        query = "select coalesce(sum(n_tup_upd + n_tup_del), 0)::bigint from pg_stat_user_tables"
        return int(self.server.sql(query, self.database))
