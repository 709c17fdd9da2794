"""The two kinds of worker: `AsyncWorker` on a running event loop, `Worker` with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from omniq.errors import ClosedError
from omniq.worker.running import RunningWorker

if TYPE_CHECKING:
    from typing_extensions import Self

    from omniq.app.base import BaseApp
    from omniq.worker.options import WorkerOptions

__all__ = ["AsyncWorker", "Worker"]


class AsyncWorker:
    """A worker on the running event loop of asyncio or uvloop; made by `AsyncOmniQ.worker`.

    ``async with app.worker():`` runs it during the block, and stops it gracefully at the end: runs have the grace time
    to end. After it, ``async def`` tasks are cancelled, processes are ended, threads are notified by their `Context`,
    and the tasks are released.

    If the worker crashes before a task is settled, another worker takes the task back within about 15 seconds (by
    default: 10 of the lease, up to 2.5 until the next maintenance); the attempt counts. Functions thus run at least
    once, and must tolerate another run.
    """

    def __init__(self, app: BaseApp, options: WorkerOptions) -> None:
        self._app = app
        self._options = options
        self._running: RunningWorker | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Runs until `stop`. If its task is cancelled, it stops gracefully before it ends; if cancelled again, it stops
        at once. An outage of the server is waited out.

        Raises:
            OmniQError: An error that does not pass by waiting, such as `PermissionDeniedError` or `ConfigError`.
            ClosedError: If this worker has run already.
        """
        await self._begin().until_stopped()

    async def run_until_idle(self) -> None:
        """Runs until nothing is left to claim and nothing runs any more. Tasks that start later are left, among them
        retries after a wait. Errors are those of `run`."""
        await self._begin().until_stopped(until_idle=True)

    def _begin(self, ends_process: bool = False) -> RunningWorker:
        if self._running is not None:
            raise ClosedError("this worker has run already: make another by app.worker()")
        self._running = RunningWorker(self._app, self._options, ends_process)
        return self._running

    def stop(self) -> None:
        """Stops it gracefully; `run` returns when it has stopped. Callable from any thread."""
        if self._running is not None:
            self._running.stop()

    def stop_now(self) -> None:
        """Stops it without the grace time. Callable from any thread."""
        if self._running is not None:
            self._running.stop_now()

    async def __aenter__(self) -> Self:
        running = self._begin()
        self._task = asyncio.create_task(running.until_stopped(), name="omniq-worker")
        opened = asyncio.ensure_future(running.opened.wait())
        try:
            await asyncio.wait({self._task, opened}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.stop_now()
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        finally:
            opened.cancel()
        if not running.opened.is_set():
            # A lifespan has failed.
            await self._task
        return self

    async def _ended(self) -> None:
        """Waits until it has stopped by itself or by `stop`."""
        assert self._task is not None
        await asyncio.wait({self._task})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self.stop()
        await self._task


class Worker:
    """A worker with its own event loop, in a new thread or, by `run`, in the caller's; made by `OmniQ.worker`.

    ``with app.worker():`` runs it in a new thread during the block, and stops it gracefully at the end; see
    `AsyncWorker`.
    """

    def __init__(self, app: BaseApp, options: WorkerOptions) -> None:
        self._inner = AsyncWorker(app, options)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def run_sync(self) -> None:
        """Runs until `stop` is called from another thread; see `AsyncWorker.run`. Blocks this thread."""
        asyncio.run(self._inner.run())

    def run_until_idle_sync(self) -> None:
        """Runs until nothing is left to claim; see `AsyncWorker.run_until_idle`. Blocks this thread."""
        asyncio.run(self._inner.run_until_idle())

    run = run_sync
    run_until_idle = run_until_idle_sync

    def stop(self) -> None:
        """Stops it gracefully. Callable from any thread."""
        self._inner.stop()

    def stop_now(self) -> None:
        """Stops it without the grace time. Callable from any thread."""
        self._inner.stop_now()

    def _run_in_thread(self) -> None:
        async def go() -> None:
            async with self._inner as worker:
                self._ready.set()
                await worker._ended()

        try:
            asyncio.run(go())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run_in_thread, name="omniq-worker", daemon=True)
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:
            # For example Ctrl-C while a lifespan waits.
            self._inner.stop_now()
            self._thread.join()
            raise
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert self._thread is not None
        self._thread.join()
        if self._error is not None:
            raise self._error
