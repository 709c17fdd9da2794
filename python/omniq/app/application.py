"""The two kinds of application: `AsyncOmniQ` for event loops, `OmniQ` for blocking code."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from omniq._checks import an_id_or_text
from omniq._loop import run, wait
from omniq.app.base import BaseApp
from omniq.app.define import AsyncDefines, Defines
from omniq.app.function import AsyncTaskFunction, TaskFunction
from omniq.app.group import AsyncTaskGroup, TaskGroup
from omniq.app.handle import AsyncHandle, Handle
from omniq.app.mapping import AsyncMaps, Maps
from omniq.app.schedules import AsyncSchedules, Schedules
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.worker import AsyncWorker, Worker, WorkerOptions
from omniq.worker.service import serve

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["AsyncOmniQ", "OmniQ"]


class _App(BaseApp):
    """The methods that both classes share."""

    def run_worker(self, *, loop: str = "asyncio", **options: Unpack[WorkerOptions]) -> None:
        """Runs a worker on this thread, which must be the main thread, until SIGTERM or SIGINT stops it; then closes
        the application.

        The first signal stops it gracefully: runs have the grace time to end. A second signal stops it at once; signals
        within a tenth of a second are one. If runs go on a second after they were asked to stop, their tasks are
        released, the attempt not counted, and the process exits with code 0; otherwise this returns.

        Args:
            loop: The event loop, ``"asyncio"`` or ``"uvloop"``. Default: ``"asyncio"``.
            queues (Sequence[str]): The queues, served in this order: a queue is served only if nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            task_processes (int): How many ``process=True`` tasks may run at once, each in a process of its own.
                Default: the number of processors.
            prefetch (int): The most tasks that are claimed beyond the free slots, 0 to 10,000; 0 turns it off. Only
                what is expected to begin within 20 ms is claimed ahead, and nothing if runs take longer than that.
                Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: the queue's, which is 10 seconds unless set.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker claims without a notification, in seconds or as
                `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often each maintenance step runs, in seconds or as
                `timedelta`: the rescue of tasks of lost workers, the expiry and removal of tasks, and the upkeep of
                queue, results and events. Default: 2 seconds; each wait differs at random by up to a quarter.
            max_tasks (int): After how many runs the worker stops gracefully, at least 1; those that have begun by then
                end as usual. Default: it does not stop by itself.
            log_errors (Literal['type', 'message', 'trace']): What the log shows of the exception of a failed run:
                ``"type"``, ``"message"`` (with the type), or ``"trace"`` (the traceback as well). Default: the
                environment's ``OMNIQ_LOG_ERRORS``, else the message, and the traceback too if the log's level is info
                or lower.

        Raises:
            ConfigError: For a bad option or task, and on another thread than the main one.
            OmniQError: An error that does not pass by waiting, such as `PermissionDeniedError`.
        """
        serve([self], options, loop)


class AsyncOmniQ(_App, AsyncDefines, AsyncMaps):
    """An application for event loops: its tasks, and the backend that keeps them.

    >>> app = AsyncOmniQ("postgresql://localhost/app")
    >>> @app.task(max_retries=5)
    ... async def greet(name: str, *, loud: bool = False) -> str:
    ...     return f"HELLO {name}" if loud else f"Hello {name}"
    >>> async def main() -> None:
    ...     async with app, app.worker():
    ...         handle = await greet.enqueue("Ann", loud=True)
    ...         print(await handle.result(timeout=10))

    It connects on entry of its ``with`` block, by `connect`, or at first use, and can be used again after `close`. The
    methods with ``_sync`` names are for code without an event loop.
    """

    _backend_class = AsyncPostgresBackend
    _function_class = AsyncTaskFunction

    @property
    def backend(self) -> AsyncPostgresBackend:
        """The backend, with all verbs of the queue, the results and the events."""
        return cast(AsyncPostgresBackend, self._backend)

    @property
    def schedules(self) -> AsyncSchedules:
        """The schedules of the queue: tasks that are enqueued at set times. Those that stand in the application's code are
        declared by `schedule`, and by ``@app.task(cron=…)``."""
        return AsyncSchedules(self)

    def include(self, *groups: AsyncTaskGroup) -> None:
        """Adds the tasks of groups, also those that are defined in them later. A group that another application has
        included leaves it.

        Args:
            groups: The groups.

        Raises:
            ConfigError: For a name that another function has; no group is included then.
        """
        self._include(groups, sys._getframe(1).f_globals.get("__name__"))

    def handle(self, id: UUID | str) -> AsyncHandle[Any]:
        """The handle of any task that was enqueued before, also elsewhere. Its value is decoded by the return annotation
        of the task's function if the application has that function, else as the codec gives it.

        Args:
            id: The task's id, or the text of it, such as ``str(handle.id)`` gave.

        Raises:
            InvalidError: For anything else. Whether there is such a task is not looked up.
        """
        return AsyncHandle(self, an_id_or_text(id))

    def worker(self, **options: Unpack[WorkerOptions]) -> AsyncWorker:
        """A worker on the running event loop: ``async with app.worker(): …``, or ``await app.worker().run()``.

        Args:
            queues (Sequence[str]): The queues, served in this order: a queue is served only if nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            task_processes (int): How many ``process=True`` tasks may run at once, each in a process of its own.
                Default: the number of processors.
            prefetch (int): The most tasks that are claimed beyond the free slots, 0 to 10,000; 0 turns it off. Only
                what is expected to begin within 20 ms is claimed ahead, and nothing if runs take longer than that.
                Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: the queue's, which is 10 seconds unless set.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker claims without a notification, in seconds or as
                `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often each maintenance step runs, in seconds or as
                `timedelta`: the rescue of tasks of lost workers, the expiry and removal of tasks, and the upkeep of
                queue, results and events. Default: 2 seconds; each wait differs at random by up to a quarter.
            max_tasks (int): After how many runs the worker stops gracefully, at least 1; those that have begun by then
                end as usual. Default: it does not stop by itself.
            log_errors (Literal['type', 'message', 'trace']): What the log shows of the exception of a failed run:
                ``"type"``, ``"message"`` (with the type), or ``"trace"`` (the traceback as well). Default: the
                environment's ``OMNIQ_LOG_ERRORS``, else the message, and the traceback too if the log's level is info
                or lower.
        """
        return AsyncWorker(self, options)

    async def drain(self, **options: Unpack[WorkerOptions]) -> None:
        """Runs tasks until nothing is left to claim and nothing runs any more. Tasks that start later are left, among
        them retries after a wait.

        Args:
            options: As for `worker`.
        """
        await AsyncWorker(self, options).run_until_idle()

    async def connect(self) -> Self:
        """Connects unless it is connected. Starts the private server if a part needs one, because the settings name no
        database.

        Raises:
            UnavailableError: If the server cannot be reached or started.
        """
        await run(self._core.connect())
        return self

    async def close(self) -> None:
        """Closes the connections. The next use opens new ones."""
        await self._close_async()

    def connect_sync(self) -> Self:
        """Connects, blocking; see `connect`."""
        wait(self._core.connect())
        return self

    def close_sync(self) -> None:
        """Closes the connections, blocking; see `close`."""
        closing = self._close()
        if closing is not None:
            wait(closing)

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class OmniQ(_App, Defines, Maps):
    """An application for blocking code: its tasks, and the backend that keeps them. Usable from any thread.

    >>> app = OmniQ("postgresql://localhost/app")
    >>> @app.task
    ... def add(a: int, b: int = 1) -> int:
    ...     return a + b
    >>> def main() -> None:
    ...     with app, app.worker():
    ...         print(add.enqueue(1, b=2).result(timeout=10))

    It connects on entry of its ``with`` block, by `connect`, or at first use, and can be used again after `close`. Each
    blocking method has two names: the plain one, and one with the suffix ``_sync``.
    """

    _backend_class = PostgresBackend
    _function_class = TaskFunction

    @property
    def backend(self) -> PostgresBackend:
        """The backend, with all verbs of the queue, the results and the events."""
        return cast(PostgresBackend, self._backend)

    @property
    def schedules(self) -> Schedules:
        """The schedules of the queue; see `AsyncOmniQ.schedules`."""
        return Schedules(self)

    def include(self, *groups: TaskGroup) -> None:
        """Adds the tasks of groups; see `AsyncOmniQ.include`."""
        self._include(groups, sys._getframe(1).f_globals.get("__name__"))

    def handle(self, id: UUID | str) -> Handle[Any]:
        """The handle of any task that was enqueued before, also elsewhere; see `AsyncOmniQ.handle`."""
        return Handle(self, an_id_or_text(id))

    def worker(self, **options: Unpack[WorkerOptions]) -> Worker:
        """A worker in a new thread: ``with app.worker(): …``; or on this thread: ``app.worker().run()``.

        Args:
            queues (Sequence[str]): The queues, served in this order: a queue is served only if nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            task_processes (int): How many ``process=True`` tasks may run at once, each in a process of its own.
                Default: the number of processors.
            prefetch (int): The most tasks that are claimed beyond the free slots, 0 to 10,000; 0 turns it off. Only
                what is expected to begin within 20 ms is claimed ahead, and nothing if runs take longer than that.
                Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: the queue's, which is 10 seconds unless set.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker claims without a notification, in seconds or as
                `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often each maintenance step runs, in seconds or as
                `timedelta`: the rescue of tasks of lost workers, the expiry and removal of tasks, and the upkeep of
                queue, results and events. Default: 2 seconds; each wait differs at random by up to a quarter.
            max_tasks (int): After how many runs the worker stops gracefully, at least 1; those that have begun by then
                end as usual. Default: it does not stop by itself.
            log_errors (Literal['type', 'message', 'trace']): What the log shows of the exception of a failed run:
                ``"type"``, ``"message"`` (with the type), or ``"trace"`` (the traceback as well). Default: the
                environment's ``OMNIQ_LOG_ERRORS``, else the message, and the traceback too if the log's level is info
                or lower.
        """
        return Worker(self, options)

    def drain_sync(self, **options: Unpack[WorkerOptions]) -> None:
        """Runs tasks until nothing is left to claim; see `AsyncOmniQ.drain`. Blocks this thread.

        Args:
            options: As for `worker`.
        """
        Worker(self, options).run_until_idle_sync()

    def connect_sync(self) -> Self:
        """Connects unless it is connected; see `AsyncOmniQ.connect`."""
        wait(self._core.connect())
        return self

    def close_sync(self) -> None:
        """Closes the connections. The next use opens new ones."""
        closing = self._close()
        if closing is not None:
            wait(closing)

    drain = drain_sync
    connect = connect_sync
    close = close_sync

    def __enter__(self) -> Self:
        return self.connect_sync()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_sync()
