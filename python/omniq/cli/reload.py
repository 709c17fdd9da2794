"""Restarts a worker when a Python file below the working folder changes; for development."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

#: How often files are checked, in seconds.
_LOOK = 0.5
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "target", "venv"}


def supervise(arguments: Sequence[str]) -> int:
    """Runs ``omniq worker`` with these arguments in a child process until a signal stops it; returns its exit code."""
    stopped = threading.Event()
    seen = _files()
    worker = _start(arguments)

    signalled: set[int] = set()

    def stop(*_: object) -> None:
        stopped.set()
        signalled.add(worker.pid)
        # Each signal is passed on: the worker stops at once at the second one.
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopped.wait(_LOOK):
        now = _files()
        if now != seen:
            changed = sorted(str(path) for path, _ in now ^ seen)
            print(f"omniq worker: {changed[0]} has changed, starting anew", file=sys.stderr)
            seen = now
            _stop(worker)
            worker = _start(arguments)
        # A worker that has failed is restarted only after the next change, which is likely to repair it.
    return worker.wait() if worker.pid in signalled else _stop(worker)


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # In a new session, so that Ctrl-C does not reach it directly but only once, passed on by this process.
    command = [sys.executable, "-m", "omniq", "worker", *arguments]
    return subprocess.Popen(command, start_new_session=True)


def _stop(worker: subprocess.Popen[bytes]) -> int:
    if worker.poll() is None:
        worker.send_signal(signal.SIGTERM)
    return worker.wait()


def _files() -> set[tuple[Path, int]]:
    found: set[tuple[Path, int]] = set()
    for folder, inner, names in os.walk(Path.cwd()):
        inner[:] = [name for name in inner if name not in _SKIPPED and not name.startswith(".")]
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                try:
                    found.add((path, path.stat().st_mtime_ns))
                except OSError:
                    continue
    return found
