"""Soft timeouts: `SoftTimeout` is raised inside a run, so that it can save its work before its timeout ends it.

In a coroutine it is thrown where the coroutine waits; in a thread it is raised by the interpreter between two
instructions, after the system call that the thread may be in; in the main thread of a process by a signal, which
interrupts system calls.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any

from omniq.app.exceptions import SoftTimeout
from omniq.worker.hold import hold

if TYPE_CHECKING:
    from typing_extensions import Self

    from omniq.worker.run import Run

__all__ = ["Alarm", "alarm", "softly"]


class Alarm:
    """Surrounds the call of a ``def`` function without a soft timeout."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()

    def disarm(self) -> float | None:
        """Ends it, and returns the seconds that are left; ``None`` if there is no soft timeout."""
        return None


def alarm(seconds: float | None) -> Alarm:
    """The alarm for a call in this thread."""
    if seconds is None:
        return Alarm()
    is_main = threading.current_thread() is threading.main_thread()
    return _SignalAlarm(seconds) if is_main else _ThreadAlarm(seconds)


class _ThreadAlarm(Alarm):
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._thread = ctypes.c_ulong(threading.get_ident())
        self._lock = threading.Lock()
        self._has_rung = self._is_over = False
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def _ring(self) -> None:
        with self._lock:
            if not self._is_over:
                self._has_rung = True
                self._set(ctypes.py_object(SoftTimeout))

    def disarm(self) -> float:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._has_rung:
                # It may not have been raised yet, and must not be raised in the thread's next run.
                self._set(None)
        return max(0.0, self._end - time.monotonic())

    def _set(self, exception: ctypes.py_object[type[SoftTimeout]] | None) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, exception)


class _SignalAlarm(Alarm):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> Self:
        self._end = time.monotonic() + self._seconds
        self._before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def _ring(self, *_: object) -> None:
        if not self._is_over:
            self._is_over = True
            hold.raise_soon(SoftTimeout)

    def disarm(self) -> float:
        self._is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        return max(0.0, self._end - time.monotonic())


class softly:
    """Awaits something, and raises `SoftTimeout` inside it once these seconds have passed, unless the run has been asked
    to stop by then."""

    def __init__(self, awaitable: Awaitable[Any], seconds: float, run: Run) -> None:
        self._awaitable = awaitable
        self._seconds = seconds
        self._run = run
        self._has_rung = False

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        inner = self._awaitable.__await__()
        timer = asyncio.get_running_loop().call_later(self._seconds, self._ring, task)
        thrown: BaseException | None = None
        value = None
        try:
            while True:
                try:
                    awaited = inner.send(value) if thrown is None else inner.throw(thrown)
                except StopIteration as end:
                    return end.value
                try:
                    value, thrown = (yield awaited), None
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as error:
                    thrown = self._instead_of(error, task)
                else:
                    if self._has_rung:
                        # What the coroutine waited for has swallowed the cancel.
                        thrown = self._raised(task)
        finally:
            timer.cancel()

    def _ring(self, task: asyncio.Task[Any]) -> None:
        if self._run.stop_reason is None:
            # Only a cancel wakes a coroutine wherever it waits. On its way in, `SoftTimeout` takes its place.
            self._has_rung = True
            task.cancel()

    def _instead_of(self, error: BaseException, task: asyncio.Task[Any]) -> BaseException:
        if not (self._has_rung and isinstance(error, asyncio.CancelledError)) or self._run.stop_reason is not None:
            return error
        return self._raised(task)

    def _raised(self, task: asyncio.Task[Any]) -> SoftTimeout:
        self._has_rung = False
        if sys.version_info >= (3, 11):
            task.uncancel()
        return SoftTimeout()
