"""A worker from its start to its stop: its run queues, and the Rust worker that fills them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from omniq import _log_context, _main_guard, _omniq
from omniq._checks import a_number, a_text, check_options, shown, texts
from omniq._loop import bridge_of, loop_of_worker
from omniq.errors import ConfigError
from omniq.worker.coroutines import Coroutines
from omniq.worker.options import WorkerOptions
from omniq.worker.processes import Processes
from omniq.worker.run import Host
from omniq.worker.threads import Threads

if TYPE_CHECKING:
    from omniq.app.base import BaseApp
    from omniq.app.call_plan import CallPlan, Needs

__all__ = ["RunningWorker"]

#: The largest `concurrency` and `prefetch` that the Rust side accepts.
_MOST = 10_000
_OURS = ("threads", "task_processes")

#: How long to wait for a run after it was asked to stop, by its timeout, a cancel or the loss of the lease, before its
#: slot is given to another run; in seconds.
PATIENCE = 5.0


class RunningWorker:
    """A worker that has begun, on the event loop of this thread."""

    def __init__(self, app: BaseApp, options: WorkerOptions, ends_process: bool = False) -> None:
        _main_guard.check()
        _log_context.install()
        check_options(options, WorkerOptions.__annotations__, "a worker")
        self._loop = loop = _loop()
        bridge = bridge_of(loop)
        settings: dict[str, Any] = dict(options)
        for name, first, last in (("concurrency", 1, _MOST), ("prefetch", 0, _MOST), ("max_tasks", 1, 2**63)):
            if name in settings:
                a_number(settings[name], name, first, last)
        for name in ("name", "log_errors"):
            if name in settings:
                a_text(settings[name], name)
        threads = settings.pop("threads", settings.setdefault("concurrency", 100))
        processes = settings.pop("task_processes", os.cpu_count() or 1)
        for name in _OURS:
            most = options.get(name, 1)
            if not isinstance(most, int) or most < 1:
                words = f"{name} = {shown(most) or type(most).__name__} is refused: give a whole number, at least 1"
                raise ConfigError(words)
        settings["patience"], settings["ends_process"] = PATIENCE, ends_process
        settings["queues"] = _queues(app, settings.get("queues"))
        self._coroutines = Coroutines(loop, bridge)
        self._threads = Threads(bridge, threads)
        self._processes = Processes(bridge, processes)
        self._lifespan = app._new_lifespan()
        self._working = app._working
        self._has_lasting = bool(app._lifespans)
        grace = options.get("grace", 30.0)
        self._grace: float = grace.total_seconds() if isinstance(grace, timedelta) else grace
        self._plans: list[CallPlan] = []
        #: Set once the values of the worker's scope are made.
        self.opened = asyncio.Event()
        if not app.functions:
            raise ConfigError(
                "the application has no tasks: a worker runs those that are defined, included or imported before it starts"
            )
        functions = [(task.name, *self._place(task)) for task in app.functions.values()]
        self.core = _omniq.Worker(app._core, functions, settings, app.name, app._schedules_in_code())

    def _place(self, task: Any) -> tuple[Any, _omniq.RunQueue]:
        if task.process:
            # Made here too, so that errors in the task are raised here and not in the process.
            self._has_lasting |= _lasts(task.plan({}).needs)
            _ = task.arguments
            return task, self._processes.run_queue
        plan = task.plan(self._lifespan.values)
        self._plans.append(plan)
        self._has_lasting |= _lasts(plan.needs)
        if task.is_async:
            return task.make_async_runner(plan), self._coroutines.run_queue
        return task.make_runner(plan, self._wait), self._threads.run_queue

    def expect_thread(self) -> None:
        """Leaves the first ``def`` task to a thread that will come by `work_here`."""
        self._threads.expect()

    def work_here(self) -> None:
        """Runs ``def`` tasks in this thread, besides the worker's own threads, until the worker has stopped."""
        self._threads.work_here()

    def close_threads(self) -> None:
        """Ends the threads that wait for work, among them those in `work_here`."""
        self._threads.close()

    async def _open(self) -> None:
        await self._lifespan.open()
        for plan in self._plans:
            await self._lifespan.open_for(plan.needs)
        self.opened.set()

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine on the loop, and waits for it in the calling thread, which is not the loop's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def until_stopped(self, until_idle: bool = False) -> None:
        """Runs until it is stopped, or with `until_idle` until nothing is left to claim.

        If cancelled, it stops gracefully before it ends; if cancelled again, it stops at once.
        """
        with loop_of_worker(self._loop):
            self._working.add(self)
            try:
                if await self._opened():
                    await self._run(until_idle)
            finally:
                self._working.discard(self)
                await self._lifespan.close()

    async def _opened(self) -> bool:
        """Makes the values of the worker's scope. Returns false if it was stopped meanwhile."""
        task = asyncio.current_task()
        assert task is not None
        # Made in this task, in which they are torn down as well: scopes of anyio ask for that.
        watcher = asyncio.ensure_future(self._watch(task))
        try:
            await self._open()
            if watcher.done():
                # Its cancel comes now, and not in the tear-down.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not watcher.done():
                raise
            if sys.version_info >= (3, 11):
                task.uncancel()
        finally:
            watcher.cancel()
        return not self.core.is_stopping

    async def _watch(self, task: asyncio.Task[Any]) -> None:
        """Cancels this task once a stop is asked for."""
        # A signal stops the Rust side, which has no event of asyncio to set.
        while not self.core.is_stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        task.cancel()

    @property
    def tear_down(self) -> float:
        """How long the end of the process may be delayed by what the worker's scope has to tear down, in seconds."""
        return self._grace if self._has_lasting else 0.0

    async def _run(self, until_idle: bool) -> None:
        self._coroutines.belong_to(Host(asyncio.current_task(), self.stop))
        # No task, as the end of the loop cancels all tasks, and this one would take the worker away before it has stopped.
        running: asyncio.Future[None] = self._loop.create_future()
        pending = self.core.run(until_idle)
        bridge_of(self._loop).start(pending, running)
        cancelled = 0
        try:
            while True:
                try:
                    await asyncio.shield(running)
                    break
                except asyncio.CancelledError:
                    if running.cancelled():
                        raise
                    cancelled += 1
                    if cancelled == 1:
                        self.stop()
                    else:
                        self.stop_now()
        except BaseException:
            pending.abort()
            raise
        finally:
            await self._coroutines.close()
            self._threads.close()
            self._processes.close()
            await _joined(self._threads, 1.0)
            await _joined(self._processes, PATIENCE + 1.0)
        if cancelled:
            raise asyncio.CancelledError

    def stop(self) -> None:
        """Stops gracefully: it claims no more, and runs have the grace time to end. Callable from any thread."""
        self.core.stop()

    def stop_now(self) -> None:
        """Stops without the grace time: asks the runs to stop too. Callable from any thread."""
        self.core.stop_now()


def _lasts(needs: Needs) -> bool:
    """Whether some of these dependencies are of the worker's scope."""
    return any(need.scope == "worker" or _lasts(need.needs) for need, _ in needs.values())


async def _joined(pool: Threads, timeout: float) -> None:
    """Waits for the threads of a pool to end, up to `timeout` seconds. A thread that its task keeps busy is left."""
    if pool.is_ending:
        await asyncio.to_thread(pool.join, timeout)


def _loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        kind = "trio" if "trio" in sys.modules else "no event loop"
        message = f"a worker runs on an event loop of asyncio or uvloop, and here is {kind}"
        raise ConfigError(f"{message}: use asyncio.run, or OmniQ.run_worker") from None


def _queues(app: BaseApp, given: Any) -> list[str]:
    if isinstance(given, str):
        raise ConfigError(f"queues = {given!r} is refused: give a list of names")
    if given is not None:
        return texts(given, "queues")
    named = [task.queue_name() for task in app.functions.values()]
    return list(dict.fromkeys(named)) or ["default"]
