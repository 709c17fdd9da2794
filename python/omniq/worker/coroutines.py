"""Runs ``async def`` tasks on an event loop, by long-lived coroutines: a coroutine for each run costs three times as
much."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import TYPE_CHECKING

from omniq import _omniq
from omniq._log_context import CURRENT
from omniq.worker.run import WORKER, Host, answer_anyway, is_cancelled

if TYPE_CHECKING:
    from omniq._omniq import Bridge

#: After this many runs in a row, a coroutine yields to the loop.
_BURST = 64


class Coroutines:
    """The coroutines of one worker. All methods run on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bridge: Bridge) -> None:
        self._loop = loop
        self.run_queue = _omniq.RunQueue(bridge, "coroutines", self._woken)
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        # A coroutine was woken or started and does not run yet. It will wake the next one.
        self._is_waking = False

    def belong_to(self, worker: Host) -> None:
        """Tells runs their worker."""
        self._context.run(WORKER.set, worker)

    def _woken(self) -> None:
        if len(self.run_queue) and not self._is_waking:
            self._wake_one()

    def _wake_one(self) -> None:
        self._is_waking = True
        while self._idle:
            sleeper = self._idle.pop()
            if not sleeper.done():
                sleeper.set_result(None)
                return
        self._start()

    def _start(self) -> None:
        if sys.version_info >= (3, 11):
            task = self._loop.create_task(self._work(), context=self._context.copy())
        else:
            task = self._context.copy().run(self._loop.create_task, self._work())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a coroutine of the worker failed", "task": task})
        self._woken()

    async def _work(self) -> None:
        self._is_waking = False
        task = asyncio.current_task()
        assert task is not None
        take, waiting = self.run_queue.take, self.run_queue.__len__
        before = contextvars.copy_context()
        burst = 0
        while True:
            taken = take(task)
            if taken is None:
                burst = 0
                sleeper = self._loop.create_future()
                self._idle.append(sleeper)
                await sleeper
                self._is_waking = False
                continue
            runner, run, data, codec = taken
            if not self._is_waking and waiting():
                # While this run waits, another coroutine takes the next runs.
                self._wake_one()
            token = CURRENT.set(run)
            try:
                await runner(run, data, codec)
            except BaseException as error:
                answer_anyway(run, error)
                raise
            CURRENT.reset(token)
            del token, taken, runner, run, data
            if is_cancelled(task) or contextvars.copy_context() != before:
                # The next run must see neither a cancel that comes with the next await, nor context variables that this one has set.
                return
            burst += 1
            if burst >= _BURST:
                burst = 0
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Ends the coroutines that wait for work. Those in a run that does not end are left to the loop."""
        for sleeper in self._idle:
            sleeper.cancel()
        self._idle.clear()
        await asyncio.sleep(0)
