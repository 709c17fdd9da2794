"""One run of a worker: its run queues, and the Rust worker that fills them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from omniq import _omniq, _spawned
from omniq._given import a_number, a_text, check_options, shown, texts
from omniq._loop import bridge_of, run
from omniq.errors import ConfigError
from omniq.worker import runners
from omniq.worker.coroutines import Coroutines
from omniq.worker.processes import Processes
from omniq.worker.threads import Threads

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["Run", "WorkerOptions"]


class WorkerOptions(TypedDict, total=False):
    """The options of a worker, given to `AsyncOmniQ.worker`."""

    #: The queues, served in this order: a queue is served only if nothing is ready in those before it. Default: those
    #: that the application's tasks name, in the order of their definition.
    queues: Sequence[str]
    #: How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
    concurrency: int
    #: How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
    threads: int
    #: How many tasks may run at once in processes. Default: the number of processors.
    processes: int
    #: The most tasks that are claimed beyond the free slots, 0 to 10,000; 0 turns it off. Only what is expected to
    #: begin within 20 ms is claimed ahead, and nothing if runs take longer than that. Default: 1000.
    prefetch: int
    #: The worker's name in results and events. Default: ``host:pid``.
    name: str
    #: How long claims hold without a heartbeat, in seconds or as `timedelta`, at least 0.1 seconds. Default: the
    #: queue's, which is 10 seconds unless set.
    lease: float | timedelta
    #: How long runs may go on after a stop before they are asked to stop, in seconds or as `timedelta`. Default: 30
    #: seconds.
    grace: float | timedelta
    #: How often an idle worker claims without a notification, in seconds or as `timedelta`. Default: 0.5 seconds.
    poll: float | timedelta
    #: How often each maintenance step runs, in seconds or as `timedelta`: the rescue of tasks of lost workers, the
    #: expiry and removal of tasks, and the upkeep of queue, results and events. Default: 2 seconds; each wait differs
    #: at random by up to a quarter.
    maintenance_interval: float | timedelta


#: The largest `concurrency` and `prefetch` that the Rust side accepts.
_MOST = 10_000
_OURS = ("threads", "processes")

#: How long to wait for a run after it was asked to stop, by its timeout, a cancel or the loss of the lease, before its
#: slot is given to another run; in seconds.
PATIENCE = 5.0


class Run:
    """One run of a worker on the running event loop."""

    def __init__(self, app: BaseApp, options: WorkerOptions, ends_process: bool = False) -> None:
        _spawned.check()
        check_options(options, WorkerOptions.__annotations__, "a worker")
        self._loop = loop = _loop()
        bridge = bridge_of(loop)
        settings: dict[str, Any] = dict(options)
        for name, first in (("concurrency", 1), ("prefetch", 0)):
            if name in settings:
                a_number(settings[name], name, first, _MOST)
        if "name" in settings:
            a_text(settings["name"], "name")
        threads = settings.pop("threads", settings.setdefault("concurrency", 100))
        processes = settings.pop("processes", os.cpu_count() or 1)
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
        functions = [(task.name, *self._place(task)) for task in app.functions.values()]
        self.core = _omniq.Worker(app._core, functions, settings)

    def _place(self, task: Any) -> tuple[Any, _omniq.RunQueue]:
        if task.process:
            # Made here too, so that errors in the task are raised here and not in the process.
            task.plan()
            _ = task.arguments
            return task, self._processes.run_queue
        if task.is_async:
            return runners.coroutine(task), self._coroutines.run_queue
        return runners.blocking(task, self._wait), self._threads.run_queue

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine on the loop, and waits for it in the calling thread, which is not the loop's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def until_stopped(self, until_idle: bool = False) -> None:
        """Runs until it is stopped, or with `until_idle` until nothing is left to claim.

        If cancelled, it stops gracefully before it ends; if cancelled again, it stops at once.
        """
        running = asyncio.ensure_future(run(self.core.run(until_idle)))
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
        finally:
            await self._coroutines.close()
            self._threads.close()
            self._processes.close()
            await _joined(self._threads, self._processes)
        if cancelled:
            raise asyncio.CancelledError

    def stop(self) -> None:
        """Stops gracefully: it claims no more, and runs have the grace time to end. Callable from any thread."""
        self.core.stop()

    def stop_now(self) -> None:
        """Stops without the grace time: asks the runs to stop too. Callable from any thread."""
        self.core.stop_now()


async def _joined(*pools: Threads) -> None:
    """Waits up to a second for the threads of each pool to end. A thread that its task keeps busy is left."""
    for pool in pools:
        if pool.is_ending:
            await asyncio.to_thread(pool.join, 1.0)


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
    named = [task._options.get("queue") or "default" for task in app.functions.values()]
    return list(dict.fromkeys(named)) or ["default"]
