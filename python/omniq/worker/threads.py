"""Runs ``def`` tasks in threads, which are started on demand and end with the worker."""

from __future__ import annotations

import atexit
import contextvars
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from omniq import _omniq
from omniq._log_context import CURRENT
from omniq.worker.run import answer_anyway

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
        # The thread that was lent to the worker, and whether it is between two runs, or about to come.
        self._lent: int | None = None
        self._is_lent_free = False
        _open.add(self)

    def _woken(self) -> None:
        # Starts a thread if a run waits and no thread is idle. Threads whose runs were given
        # up do not count, because they take no runs.
        if (
            len(self.run_queue)
            and not self.run_queue.idle
            and not self._is_lent_free
            and len(self._threads) < self._most + self.run_queue.given_up
        ):
            with self._lock:
                self._count += 1
                # A daemon, because a function that does not end must not prevent the end of the process.
                thread = threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True)
                self._threads.append(thread)
            thread.start()

    def expect(self) -> None:
        """Leaves the first run to a thread that will come by `work_here`."""
        self._is_lent_free = True

    def work_here(self) -> None:
        """Takes runs in this thread, which is lent to the worker, until the worker stops."""
        self._lent = threading.get_ident()
        self._work()

    def _work(self) -> None:
        wait, context, is_lent = self.run_queue.wait, self._context, threading.get_ident() == self._lent
        while True:
            taken = wait(None)
            if taken is None:
                return
            if is_lent:
                self._is_lent_free = False
                # What came before this was known waits for this thread.
                self._woken()
            runner, run, data, codec = taken
            # Each run gets a copy of the context, so that the next one does not see its context variables.
            try:
                context.copy().run(_run, runner, run, data, codec)
            except BaseException as error:
                # The thread goes on, because other runs wait for it.
                answer_anyway(run, error)
                _log.exception("a run could not be answered as it should have been")
            del taken, runner, run, data
            if is_lent:
                self._is_lent_free = True
            elif self._is_surplus():
                return

    def _is_surplus(self) -> bool:
        """Whether this thread returns from a run that was given up, and another thread has replaced it."""
        if len(self._threads) <= self._most:
            return False
        with self._lock:
            if len(self._threads) <= self._most + self.run_queue.given_up:
                return False
            self._threads.remove(threading.current_thread())
            return True

    def close(self) -> None:
        """Ends the threads that wait for work. A thread in a run ends after the run."""
        self.run_queue.close()

    @property
    def is_ending(self) -> bool:
        """Whether some of the threads are still alive."""
        return any(thread.is_alive() for thread in list(self._threads))

    def join(self, timeout: float) -> None:
        """Waits until the threads have ended, at most `timeout` seconds for all together."""
        end = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))


def _run(runner: Any, run: Any, data: bytes, codec: str) -> None:
    CURRENT.set(run)
    runner(run, data, codec)


@atexit.register
def _close_all() -> None:
    # A thread that waits on the Rust side must not wake after the interpreter is finalized.
    for threads in list(_open):
        threads.close()
        threads.join(1.0)
