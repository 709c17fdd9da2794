"""A worker's process that a supervisor has started: it says when it is ready and when it stops by itself, and stops when
the supervisor is gone or its memory is used up."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omniq.errors import ConfigError

if TYPE_CHECKING:
    from omniq.worker.running import RunningWorker

_log = logging.getLogger("omniq.worker")

#: How often it is looked whether the workers are ready, or stop by themselves, and how often for the memory; in seconds.
_LOOK, _LOOK_FOR_MEMORY = 0.1, 0.5
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Link:
    """The process's side of its socket to the supervisor. `max_memory`: the most memory of this process, in bytes."""

    def __init__(self, descriptor: int, max_memory: int | None) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._max_memory = max_memory

    def follow(self, workers: Sequence[RunningWorker]) -> None:
        """Follows these workers in a thread, so that a task that keeps the event loop busy does not delay it.

        Raises:
            ConfigError: If the process takes more memory than it may before it has run anything.
        """
        used = memory()
        if self._max_memory is not None and used > self._max_memory:
            words = f"the process takes {_shown(used)} before its first run; give more"
            raise ConfigError(f"--max-memory {_shown(self._max_memory)} is refused: {words}")
        threading.Thread(target=self._follow, args=(list(workers),), name="omniq-supervised", daemon=True).start()

    def _follow(self, workers: list[RunningWorker]) -> None:
        is_ready, until_memory, reason = False, 0.0, "retiring"
        while not any(one.core.is_stopping for one in workers):
            if not is_ready and all(one.opened.is_set() for one in workers):
                is_ready = True
                self._say("ready")
            if is_ready and self._max_memory is not None:
                until_memory -= _LOOK
                if until_memory <= 0:
                    until_memory = _LOOK_FOR_MEMORY
                    used = memory()
                    if used > self._max_memory:
                        words = "the process takes %s, more than the %s of --max-memory: it is replaced"
                        _log.warning(words, _shown(used), _shown(self._max_memory))
                        reason = "too large"
                        break
            if select.select([self._socket], [], [], _LOOK)[0]:
                _log.warning("the supervisor is gone: stopping")
                break
        self._say(reason)
        # By the signal the process is also ended in time, whatever hangs in it.
        os.kill(os.getpid(), signal.SIGTERM)

    def _say(self, word: str) -> None:
        # The supervisor may be gone.
        with contextlib.suppress(OSError):
            self._socket.sendall(f"{word}\n".encode())


def memory() -> int:
    """How many bytes of memory this process takes now. Where the system does not tell: the most that it has taken."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def size(text: str) -> int:
    """The bytes of a size such as ``512M`` or ``2 GiB``.

    Raises:
        ConfigError: For anything else, such as a number without a unit.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT])(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise ConfigError(f"--max-memory {text} is refused: give a size such as 512M or 2G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _shown(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"
