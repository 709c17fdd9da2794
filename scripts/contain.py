#!/usr/bin/env python3
"""Runs a command, and ends every process that it has started, however it ends: contain.py COMMAND [ARGUMENT…]

Servers, daemons and separate process groups are found as well: a process that loses its parent becomes a child of this
program (Linux). Ctrl-C gives the command ten seconds to end by itself; a second Ctrl-C ends all at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
#: Seconds for the command to end after a signal, and for the rest to end after SIGTERM.
GRACE = float(os.environ.get("CONTAIN_GRACE", "10"))
REST = GRACE / 2


def descendants() -> dict[int, str]:
    """The descendants of this process: their ids and names, without those that have ended."""
    parents: dict[int, tuple[int, str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if state not in "ZX":
            parents[int(stat.parent.name)] = (int(parent), name)
    found: dict[int, str] = {}
    grown = True
    while grown:
        more = {pid: name for pid, (parent, name) in parents.items() if parent == os.getpid() or parent in found}
        grown, found = len(more) > len(found), more
    return found


def send(number: int) -> None:
    for pid in descendants():
        with contextlib.suppress(OSError):
            os.kill(pid, number)


class Command:
    """The running command, with all its descendants."""

    def __init__(self, arguments: list[str]) -> None:
        self.asked: list[float] = []
        self.status: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.ask)
        self.pid = os.posix_spawnp(arguments[0], arguments, os.environ)

    def ask(self, number: int, _: object) -> None:
        self.asked.append(time.monotonic())
        # A terminal sends Ctrl-C to the command as well; the other signals reach only this program.
        if number != signal.SIGINT and self.status is None:
            os.kill(self.pid, signal.SIGTERM)

    def reap(self) -> bool:
        """Collects the children that have ended. Returns whether any are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.pid:
                self.status = os.waitstatus_to_exitcode(status)

    def wait(self) -> None:
        """Waits until the command has ended, or its time is over."""
        while self.reap() and self.status is None:
            if len(self.asked) > 1 or (self.asked and time.monotonic() > self.asked[0] + GRACE):
                return
            time.sleep(0.05)

    def end_the_rest(self) -> None:
        number, until = signal.SIGTERM, time.monotonic() + REST
        while self.reap():
            if len(self.asked) > 1 or time.monotonic() > until:
                number = signal.SIGKILL
            send(number)
            time.sleep(0.1)


def main() -> int:
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").splitlines()[0])
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit(f"contain.py needs Linux: {os.strerror(ctypes.get_errno())}")
    command = Command(sys.argv[1:])
    command.wait()
    left = descendants()
    if left and not command.asked:
        print(f"still running, and ended now: {', '.join(sorted(set(left.values())))}", file=sys.stderr)
    command.end_the_rest()
    if command.asked or command.status is None:
        return 130
    return command.status if command.status >= 0 else 128 - command.status


if __name__ == "__main__":
    sys.exit(main())
