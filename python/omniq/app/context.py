"""The context of a run: facts about the run, and what a task can do besides its work."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from omniq._checks import a_text, beyond, refused
from omniq._loop import run, wait
from omniq._omniq import Pending
from omniq.app.values import value_of
from omniq.errors import InvalidError
from omniq.models.predecessor import Predecessors
from omniq.transaction import execute_in, execute_in_sync
from omniq.transaction.connections import accept
from omniq.transaction.send import blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

    from omniq.app.values import Value
    from omniq.models import Task, TaskResult
    from omniq.transaction.send import InTest
    from omniq.worker.run import Run, StopReason

__all__ = ["Context"]


_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class Completion:
    """The completion of a task in a test, whose transaction of the user has no database to write to."""

    def __init__(self, data: bytes | None, codec: str) -> None:
        self.data, self.codec = data, codec
        self.is_committed = False

    def commit(self) -> None:
        self.is_committed = True


async def _nothing() -> None:
    pass


class Context:
    """The run of a task, as its function sees it: passed as the argument that is annotated with ``Context``.

    >>> @app.task  # doctest: +SKIP
    ... async def crawl(context: Context, url: str) -> int:
    ...     context.log_event("begun", url=url)
    ...     return context.attempt
    """

    __slots__ = ("__dict__", "_codec", "_completion", "_is_async", "_returns", "_returns_of", "_run", "_test")

    def __init__(
        self,
        run: Run,
        codec: str,
        returns: Value,
        is_async: bool,
        test: InTest | None,
        returns_of: Callable[[str], Value] | None,
    ) -> None:
        self._run = run
        # How the values of other functions of the application are read.
        self._returns_of = returns_of
        self._test = test
        # In a test: the completion in a transaction of the user.
        self._completion: Completion | None = None
        self._codec = codec
        self._returns = returns
        self._is_async = is_async

    @cached_property
    def task(self) -> Task:
        """The task with its id, queue, attempt, metadata and all other fields."""
        return self._run.task()

    @property
    def id(self) -> UUID:
        """The task's id."""
        return self._run.id

    @property
    def func(self) -> str:
        """The name of the function."""
        return self._run.func

    @property
    def queue(self) -> str:
        """The queue that the task came from."""
        return self._run.queue

    @property
    def attempt(self) -> int:
        """The number of this run, from 1."""
        return self._run.attempt

    @property
    def may_retry(self) -> bool:
        """Whether a failure of this run would be followed by another."""
        return self._run.may_retry

    @property
    def worker(self) -> str:
        """The name of the worker."""
        return self._run.worker

    @property
    def metadata(self) -> dict[str, Any]:
        """The user's data that the task was enqueued with."""
        return self.task.metadata

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that has enqueued the task, also by hand; ``None``: none has."""
        return self._ticked[0]

    @property
    def tick(self) -> datetime | None:
        """The time of the schedule's tick, in UTC: the time for which the task is, however late it runs. ``None`` for a task
        that no schedule has enqueued."""
        return self._ticked[1]

    @cached_property
    def _ticked(self) -> tuple[str, datetime] | tuple[None, None]:
        name, tick = (self.metadata.get(key) for key in ("schedule", "tick"))
        try:
            # Other tasks may have these keys in metadata of their own.
            return msgspec.convert(name, str), msgspec.convert(tick, _Aware)
        except msgspec.ValidationError:
            return None, None

    @property
    def time_left(self) -> float | None:
        """Seconds until the run's timeout is over, 0 after it; ``None`` if the run has no timeout."""
        return self._run.time_left

    @property
    def is_cancelled(self) -> bool:
        """Whether the run should stop. A long-running ``def`` task checks it at intervals.

        True if the task was cancelled, its timeout is over, the worker has lost its lease, or the worker is stopping
        and its grace time is over. Always false in a process, which is ended from outside instead.
        """
        return self._run.stop_reason is not None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the run should stop; ``None`` if it should not. Always ``None`` in a process."""
        return self._run.stop_reason

    async def cancelled(self) -> StopReason:
        """Waits until the run should stop, and returns why.

        An ``async def`` task is cancelled at about the same time, so this is for tasks of asyncio that it has started.

        Raises:
            InvalidError: In a process, which is ended from outside instead.
        """
        return await run(self._run.cancelled())

    def predecessors(self) -> Coroutine[Any, Any, Predecessors]:
        """The tasks that this one runs after, in the order in which they were given, with their results where these are kept;
        to be awaited.

        >>> @app.task  # doctest: +SKIP
        ... async def report(context: Context) -> int:
        ...     found = await context.predecessors()
        ...     return sum(found.values())

        Raises:
            InvalidError: In a ``def`` task, which calls `predecessors_sync`.
        """
        if asyncio._get_running_loop() is None:
            raise InvalidError("a def task gets what it runs after by context.predecessors_sync()")
        return self._predecessors()

    async def _predecessors(self) -> Predecessors:
        pending = self._run.predecessors()
        # In a process it is asked for by a pipe.
        found = await run(pending) if isinstance(pending, Pending) else pending.wait()
        return Predecessors.of(found, self._value_of)

    def predecessors_sync(self) -> Predecessors:
        """The same for ``def`` tasks: it blocks the thread."""
        found = wait(self._run.predecessors())
        return Predecessors.of(found, self._value_of)

    def _value_of(self, result: TaskResult) -> Any:
        if self._returns_of is None:
            return result.value
        return value_of(result, self._returns_of(result.func))

    def complete(self, result: Any = None, *, connection: Any) -> Any:
        """Completes the task in your transaction: the completion is committed together with the transaction's other
        work.

        An ``async def`` task awaits it; a ``def`` task calls it on a blocking connection. End the transaction before
        the function ends. After a commit, the function's return value or exception is ignored. After a rollback, also
        by a crash, the task runs again as after a failure. Result and event become visible with the commit.

        Args:
            result: The value of the task. Default: ``None``.
            connection: A connection of asyncpg, psycopg, SQLAlchemy or Django, in a transaction on the queue's database
                at the isolation level read committed.

        Raises:
            InvalidError: If the queue is not on PostgreSQL (in a test it may be in memory), if results or events are kept elsewhere than the queue,
                if the value is too large, and for a connection of another kind or to another database.
            CodecError: If the result cannot be encoded, or does not fit the function's annotation. Nothing is sent
                then.
            Exception: The driver's error, with SQLSTATE ``OQ001``, if the task is not held any more: the transaction
                has failed.
        """
        codec = "json" if self._codec == "raw" else self._codec
        data = self._returns.write(result, codec)
        if self._test is not None:
            (accept if self._is_async else blocking)(connection)
            self._completion = completion = Completion(data, codec)
            self._test.after_commit(connection, completion.commit)
            return _nothing() if self._is_async else None
        pending, take_back = self._run.completion(data, codec), self._run.completion_refused
        if self._is_async:
            return self._complete_async(connection, pending, take_back)
        execute_in_sync(connection, pending, take_back)
        return None

    async def _complete_async(self, connection: Any, pending: Any, take_back: Any) -> None:
        await execute_in(connection, pending, take_back)

    def log_event(self, kind: str, **data: Any) -> None:
        """Logs an event about this run. Returns at once.

        It is written soon, at the latest with the end of the run, best effort. It is dropped if events are off, if
        their storage fails, if a thousand events of the run are waiting, or if the process crashes.

        Args:
            kind: A user-defined kind, 1 to 128 bytes.
            data: Values that JSON can represent.

        Raises:
            InvalidError: For a bad kind, such as one that OmniQ logs itself, or for bad data.
        """
        self._run.log_event(a_text(kind, "kind"), data)

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Logs the progress of the run, as an event of kind ``progress``; see `log_event`.

        Args:
            fraction: The share of the work that is done, from 0 to 1.
            message: A text about it. Default: none.

        Raises:
            InvalidError: For a fraction outside 0 to 1.
        """
        remedy = "give a number from 0 to 1"
        if not isinstance(fraction, int | float):
            raise refused("fraction", fraction, remedy)
        if not 0 <= fraction <= 1:
            raise beyond("fraction", fraction, remedy)
        self.log_event("progress", fraction=fraction, **({} if message is None else {"message": message}))

    def __repr__(self) -> str:
        return f"<Context task={self.id} func={self.func!r} attempt={self.attempt}>"
