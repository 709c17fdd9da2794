"""The process of a supervisor: starts the worker's processes, waits for what happens, and tells the supervisor."""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from omniq.cli.supervisor import Supervisor

_log = logging.getLogger("omniq.supervisor")

#: Signals within this time are one, in seconds: `timeout` of coreutils sends one to the process and one to its group.
_TOGETHER = 0.1
#: How often to look what the processes do, in seconds; their messages, ends and signals come at once.
_LOOK = 0.5
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Process:
    """A process with a worker, and the socket by which it says how it is. If the supervisor dies the socket is closed,
    and the worker stops."""

    def __init__(self, arguments: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "omniq", "worker", *arguments, "--supervised", str(theirs.fileno())]
            # In a new session, so that a signal to the group reaches it only once, passed on by the supervisor.
            self._process = subprocess.Popen(command, start_new_session=True, pass_fds=(theirs.fileno(),))
        ours.setblocking(False)
        self.socket = ours
        #: Whether the socket may say more.
        self.is_open = True
        self._rest = b""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        self._process.send_signal(number)

    def messages(self) -> list[str]:
        """The messages since the last call."""
        with contextlib.suppress(BlockingIOError):
            while self.is_open:
                part = self.socket.recv(1024)
                self._rest += part
                self.is_open = part != b""
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode() for line in lines]


def supervise(
    arguments: Sequence[Sequence[str]], changed: Callable[[], str | None] | None = None, look: float = _LOOK
) -> int:
    """Keeps processes of ``omniq worker`` at work until a signal stops it; returns the exit code. SIGHUP reloads them.

    Args:
        arguments: Those of each process.
        changed: Called at intervals; if it gives a text, the processes are reloaded because of that. Default: they are
            not.
        look: The interval, in seconds.
    """
    open_: list[Process] = []

    def start(number: int) -> Process:
        open_.append(Process(arguments[number]))
        return open_[-1]

    with _Signals() as signals:
        supervisor = Supervisor(len(arguments), start, lasting=changed is not None)
        while True:
            pause = supervisor.step()
            open_ = [one for one in open_ if one.is_open]
            if supervisor.is_over:
                return supervisor.code
            pause = look if pause is None else min(look, pause)
            for number in signals.wait([one.socket for one in open_], pause):
                if number == signal.SIGHUP:
                    _log.info("SIGHUP: the processes are reloaded")
                    supervisor.reload()
                else:
                    supervisor.stop(number)
            if changed is not None and (what := changed()) is not None:
                _log.warning("%s, starting anew", what)
                supervisor.reload()


class _Signals:
    """The signals of this process, read from a descriptor."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._last = -_TOGETHER

    def __enter__(self) -> _Signals:
        for number in (*_STOPS, signal.SIGHUP, signal.SIGCHLD):
            # A program that is started by nohup goes on at the end of its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _only_written)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def wait(self, others: Sequence[socket.socket], pause: float) -> list[int]:
        """Waits for signals, for input of these sockets, or until the time is over. Returns the signals that count."""
        ready, _, _ = select.select([self._reader, *others], [], [], pause)
        counted: list[int] = []
        if self._reader in ready:
            for number in self._reader.recv(1024):
                if number == signal.SIGHUP:
                    counted.append(number)
                elif number in _STOPS:
                    now = time.monotonic()
                    if number == signal.SIGQUIT or now - self._last >= _TOGETHER:
                        counted.append(number)
                    self._last = now
        return counted


def _only_written(*_: object) -> None:
    pass
