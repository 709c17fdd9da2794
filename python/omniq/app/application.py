"""The two kinds of application: `AsyncOmniQ` for event loops, `OmniQ` for blocking code."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from omniq._loop import run, wait
from omniq.app.base import BaseApp
from omniq.app.context import Context
from omniq.app.decorator import AsyncDecorator, Decorator
from omniq.app.function import AsyncTaskFunction, TaskFunction, TaskOptions
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.worker import AsyncWorker, Worker, WorkerOptions

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["AsyncOmniQ", "OmniQ"]

P = ParamSpec("P")
R = TypeVar("R")


class _App(BaseApp):
    """What both can do whatever they are called from."""

    def run_worker(self, *, loop: str = "asyncio", **options: Unpack[WorkerOptions]) -> None:
        """Runs a worker on this thread, which must be the main one, until SIGTERM or SIGINT stops it; then closes the
        application.

        The first signal stops it gracefully: what runs has the grace time. A second one stops it at once; signals within a
        tenth of a second are one. If runs go on a second after that although they were told to stop, their tasks are handed
        back and the process ends with exit code 0; otherwise this returns.

        Args:
            loop: ``"asyncio"`` or ``"uvloop"``.
            queues (Sequence[str]): The queues, served in this order: one is looked at only when nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            processes (int): How many tasks may run at once in processes. Default: one for each processor.
            prefetch (int): How many tasks are claimed beyond those that run, at most. Only what is expected to begin
                within 20 ms is claimed. Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: as set for the queue, which is 10 seconds.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker looks for tasks although no notification came, in seconds
                or as `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often tasks of lost workers and what has expired are looked
                for, in seconds or as `timedelta`. Default: 2 seconds.

        Raises:
            OmniQError: What no waiting can mend, such as `PermissionDeniedError`, and `ConfigError` for a bad option or task.
        """
        from omniq.worker.service import serve

        serve(self, options, loop)


class AsyncOmniQ(_App):
    """An application for event loops: its tasks, and where they are kept.

    >>> app = AsyncOmniQ("postgresql://localhost/app")
    >>> @app.task(max_retries=5)
    ... async def greet(name: str, *, loud: bool = False) -> str:
    ...     return f"HELLO {name}" if loud else f"Hello {name}"
    >>> async def main() -> None:
    ...     async with app, app.worker():
    ...         handle = await greet.enqueue("Ann", loud=True)
    ...         print(await handle.result(timeout=10))

    It connects on entry of its ``with`` block, by `connect`, or at first use, and can be used again after it was closed.
    Methods with ``_sync`` names serve code without an event loop.
    """

    _backend_class = AsyncPostgresBackend
    _function_class = AsyncTaskFunction

    @property
    def backend(self) -> AsyncPostgresBackend:
        """The backend, for all verbs of the queue, the results and the events."""
        return cast(AsyncPostgresBackend, self._backend)

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> AsyncTaskFunction[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTaskFunction[P, Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> AsyncTaskFunction[Concatenate[Context, P], R, P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> AsyncTaskFunction[P, R, P, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> AsyncDecorator: ...
    def task(self, function: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
        """Makes a task of a function: ``@app.task``, or ``@app.task(queue="mail", max_retries=5)``.

        The function stays what it is when it is called; ``await f.enqueue(…)`` leaves the call to a worker. An
        ``async def`` function runs on the worker's event loop, a ``def`` function in a thread, or with ``process=True`` in a
        process.

        Args:
            name (str): The name under which workers know it, in every language. Default: the function's own name.
            queue (str): The queue. Default: ``"default"``.
            priority (int): Higher first, -32768 to 32767. Default: 0.
            max_retries (int): How many times a task that fails is run again, 0 to 1,000,000: 3 allows 4 runs. Default:
                3.
            backoff (Backoff): The wait before a retry. Default: 1 second, doubled each time, at most an hour, plus up
                to 20 % at random.
            timeout (float | timedelta): The longest that one run may take, in seconds or as `timedelta`: then an
                ``async def`` function is cancelled, one in a process is ended, and one in a thread is notified by its
                `Context`. Default: no limit.
            ttl (float | timedelta): The task expires if no worker has begun it within this span, in seconds or as
                `timedelta`, from the later of creation and start time. Default: it never does.
            metadata (dict[str, Any]): A dict that travels with the task, at most 64 KiB as JSON. Default: an empty one.
            codec (str): How arguments and value are written. Default: as the application was made, which is ``"json"``
                unless said otherwise.
            process (bool): Whether a ``def`` function runs in a process of its own: for work that needs the processor,
                and for timeouts that end it whatever it does. The program needs a main guard, as with
                `multiprocessing`. Default: false.

        Raises:
            ConfigError: For a name that is taken, or an option that does not exist.
            InvalidError: For a value that is refused.
        """
        if function is not None:
            return self._register(function, options, 2)
        return lambda function: self._register(function, options, 2)

    def worker(self, **options: Unpack[WorkerOptions]) -> AsyncWorker:
        """A worker on the running event loop: ``async with app.worker(): …``, or ``await app.worker().run()``.

        Args:
            queues (Sequence[str]): The queues, served in this order: one is looked at only when nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            processes (int): How many tasks may run at once in processes. Default: one for each processor.
            prefetch (int): How many tasks are claimed beyond those that run, at most. Only what is expected to begin
                within 20 ms is claimed. Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: as set for the queue, which is 10 seconds.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker looks for tasks although no notification came, in seconds
                or as `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often tasks of lost workers and what has expired are looked
                for, in seconds or as `timedelta`. Default: 2 seconds.
        """
        return AsyncWorker(self, options)

    async def drain(self, **options: Unpack[WorkerOptions]) -> None:
        """Runs tasks until nothing is left to claim and nothing runs any more; tasks that are to start later are left, such
        as retries after a wait.

        Args:
            options: As for `worker`.
        """
        await AsyncWorker(self, options).run_until_idle()

    async def connect(self) -> Self:
        """Connects, unless that is done already; starts the embedded server if it is to be used.

        Raises:
            UnavailableError: If the server cannot be reached or started.
        """
        await run(self._core.connect())
        return self

    async def close(self) -> None:
        """Closes the connections. A later use opens new ones."""
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


class OmniQ(_App):
    """An application for blocking code: its tasks, and where they are kept. Usable from any thread.

    >>> app = OmniQ("postgresql://localhost/app")
    >>> @app.task
    ... def add(a: int, b: int = 1) -> int:
    ...     return a + b
    >>> def main() -> None:
    ...     with app, app.worker():
    ...         print(add.enqueue(1, b=2).result(timeout=10))

    It connects on entry of its ``with`` block, by `connect`, or at first use, and can be used again after it was closed. Each
    blocking method has its plain name, and one with ``_sync`` behind it.
    """

    _backend_class = PostgresBackend
    _function_class = TaskFunction

    @property
    def backend(self) -> PostgresBackend:
        """The backend, for all verbs of the queue, the results and the events."""
        return cast(PostgresBackend, self._backend)

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> TaskFunction[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> TaskFunction[Concatenate[Context, P], R, P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R, P, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> Decorator: ...
    def task(self, function: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
        """Makes a task of a function; see `AsyncOmniQ.task`. ``f.enqueue(…)`` blocks here.

        Args:
            name (str): The name under which workers know it, in every language. Default: the function's own name.
            queue (str): The queue. Default: ``"default"``.
            priority (int): Higher first, -32768 to 32767. Default: 0.
            max_retries (int): How many times a task that fails is run again, 0 to 1,000,000: 3 allows 4 runs. Default:
                3.
            backoff (Backoff): The wait before a retry. Default: 1 second, doubled each time, at most an hour, plus up
                to 20 % at random.
            timeout (float | timedelta): The longest that one run may take, in seconds or as `timedelta`: then an
                ``async def`` function is cancelled, one in a process is ended, and one in a thread is notified by its
                `Context`. Default: no limit.
            ttl (float | timedelta): The task expires if no worker has begun it within this span, in seconds or as
                `timedelta`, from the later of creation and start time. Default: it never does.
            metadata (dict[str, Any]): A dict that travels with the task, at most 64 KiB as JSON. Default: an empty one.
            codec (str): How arguments and value are written. Default: as the application was made, which is ``"json"``
                unless said otherwise.
            process (bool): Whether a ``def`` function runs in a process of its own: for work that needs the processor,
                and for timeouts that end it whatever it does. The program needs a main guard, as with
                `multiprocessing`. Default: false.
        """
        if function is not None:
            return self._register(function, options, 2)
        return lambda function: self._register(function, options, 2)

    def worker(self, **options: Unpack[WorkerOptions]) -> Worker:
        """A worker in a thread of its own: ``with app.worker(): …``; or on this one: ``app.worker().run()``.

        Args:
            queues (Sequence[str]): The queues, served in this order: one is looked at only when nothing is ready in
                those before it. Default: those that the application's tasks name, in the order of their definition.
            concurrency (int): How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
            threads (int): How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
            processes (int): How many tasks may run at once in processes. Default: one for each processor.
            prefetch (int): How many tasks are claimed beyond those that run, at most. Only what is expected to begin
                within 20 ms is claimed. Default: 1000.
            name (str): The worker's name in results and events. Default: ``host:pid``.
            lease (float | timedelta): How long claims hold without a heartbeat, in seconds or as `timedelta`, at least
                0.1 seconds. Default: as set for the queue, which is 10 seconds.
            grace (float | timedelta): How long runs may go on after a stop before they are asked to stop, in seconds or
                as `timedelta`. Default: 30 seconds.
            poll (float | timedelta): How often an idle worker looks for tasks although no notification came, in seconds
                or as `timedelta`. Default: 0.5 seconds.
            maintenance_interval (float | timedelta): How often tasks of lost workers and what has expired are looked
                for, in seconds or as `timedelta`. Default: 2 seconds.
        """
        return Worker(self, options)

    def drain_sync(self, **options: Unpack[WorkerOptions]) -> None:
        """Runs tasks until nothing is left to claim; see `AsyncOmniQ.drain`. Blocks this thread.

        Args:
            options: As for `worker`.
        """
        Worker(self, options).run_until_idle_sync()

    def connect_sync(self) -> Self:
        """Connects, unless that is done already; see `AsyncOmniQ.connect`."""
        wait(self._core.connect())
        return self

    def close_sync(self) -> None:
        """Closes the connections. A later use opens new ones."""
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
