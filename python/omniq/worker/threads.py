"""Runs ``def`` tasks in threads, which are started as they are needed and end with the worker."""

from __future__ import annotations

import atexit
import contextvars
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

from omniq import _omniq
from omniq.worker.report import answer_anyway

if TYPE_CHECKING:
    from omniq._omniq import Bridge

_log = logging.getLogger("omniq")

_open: weakref.WeakSet[Threads] = weakref.WeakSet()


class Threads:
    """The threads of one worker."""

    def __init__(self, bridge: Bridge, most: int, name: str = "omniq-task", kind: str = "threads") -> None:
        self.run_queue = _omniq.RunQueue(bridge, kind, self._woken)
        self._context = contextvars.copy_context()
        self._most = most
        self._name = name
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._count = 0
        _open.add(self)

    def _woken(self) -> None:
        # On the loop's thread: something waits, and no thread sleeps that could take it. One that was given up takes nothing.
        if len(self.run_queue) and not self.run_queue.idle and len(self._threads) < self._most + self.run_queue.given_up:
            self._count += 1
            # Daemons: a function that does not end must not keep the process from ending.
            thread = threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True)
            with self._lock:
                self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        wait, context = self.run_queue.wait, self._context
        while True:
            taken = wait(None)
            if taken is None:
                return
            runner, job, data, codec = taken
            # Context variables that a run leaves behind end with it.
            try:
                context.copy().run(runner, job, data, codec)
            except BaseException as error:
                # The thread goes on: others wait for it.
                answer_anyway(job, error)
                _log.exception("a run could not be answered as it should have been")
            del taken, runner, job, data
            if self._is_surplus():
                return

    def _is_surplus(self) -> bool:
        """Whether this thread comes back from a run that was given up, and another has its place."""
        if len(self._threads) <= self._most:
            return False
        with self._lock:
            if len(self._threads) <= self._most + self.run_queue.given_up:
                return False
            self._threads.remove(threading.current_thread())
            return True

    def close(self) -> None:
        """Ends the threads that wait for work. One in a run ends once that does."""
        self.run_queue.close()

    @property
    def is_ending(self) -> bool:
        """Whether threads are still there."""
        return any(thread.is_alive() for thread in list(self._threads))

    def join(self, timeout: float) -> None:
        """Waits until the threads have ended, at most so many seconds for all."""
        end = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))


@atexit.register
def _close_all() -> None:
    # A thread that sleeps on the Rust side must not wake into an interpreter that is gone.
    for threads in list(_open):
        threads.close()
        threads.join(1.0)
