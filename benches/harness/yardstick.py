"""The yardstick: pgbench inserts single rows like a task's into a plain table of the same server."""

import re
import subprocess
import tempfile

TABLE = """create table tasks (id bigint generated always as identity primary key, queue text not null,
    state smallint not null default 0, run_at timestamptz not null default now(), payload jsonb not null)"""
INSERT = """insert into tasks (queue, payload) values ('default',
    '{"t": 0, "i": 1, "pad": "the quick brown fox jumps over the lazy dog, and on to the end of it."}');\n"""


class Plain:
    """Takes the place of a queue in the records."""

    name = "pgbench"

    def __init__(self, version):
        self.version = version


def yardstick(bench):
    """One record for 1 and one for 32 clients; none if pgbench is not installed."""
    program = bench.server.program("pgbench")
    if not program:
        print("pgbench is not installed: no yardstick")
        return
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    plain = Plain(said.split()[2])
    for clients in (1, 32):
        database = "yardstick"
        bench.server.drop(database)
        bench.server.sql(f"create database {database}")
        bench.server.sql(TABLE, database)
        bench.server.sql("checkpoint")
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(INSERT)
            script.flush()
            seconds = str(max(2, round(bench.seconds)))
            options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", seconds, "-f", script.name]
            done = subprocess.run(
                [program, *options, bench.server.url(database)], capture_output=True, text=True, check=True
            )
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        if not found:
            raise RuntimeError(f"pgbench with {clients} clients gave no rate: {done.stdout[-500:]}")
        rate = float(found.group(1))
        bench.record(plain, f"single-{clients}", rate, "tasks/s")
        bench.server.drop(database)
