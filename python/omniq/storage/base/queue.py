"""The task queue's interface, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from omniq import _omniq
from omniq._given import a_text, an_id, many_ids
from omniq._loop import run
from omniq.models import Backoff, Cancelled, NewTask, QueueStats, Task, TaskFilter, TaskState, TaskUpdate
from omniq.storage.base.common import new_tasks, required, to_new_task
from omniq.storage.base.worker_verbs import AsyncWorkerVerbs

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncTaskQueue"]


class AsyncTaskQueue(AsyncWorkerVerbs):
    """A queue of tasks.

    Every call is durable once it has returned, and has no effect if it fails, except that a call whose connection broke
    (`UnavailableError`) may or may not have been carried out. Bulk calls are all or nothing. Time is the storage's own:
    the database's clock decides what is due and what has expired. Spans are seconds or `timedelta`; times are
    `datetime` with a time zone, in UTC if they come from the queue.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom queue, write a subclass with
    the methods that are marked as required; the others are made from them. Its `wake` makes idle workers look at once.
    """

    def _custom(self) -> _omniq.Queue:
        return _omniq.Queue.custom(self, True, "json", False)

    async def connect(self) -> Self:
        """Connects unless it is connected, and returns the queue itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        await run(self._core.connect())
        return self

    async def enqueue(
        self,
        task: NewTask | str,
        args: Any = None,
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        ttl: float | timedelta | None = None,
        max_retries: int | None = None,
        backoff: Backoff | None = None,
        timeout: float | timedelta | None = None,
        metadata: dict[str, Any] | None = None,
        id: UUID | None = None,
        codec: str | None = None,
    ) -> UUID:
        """Adds a task and returns its id. The task is durable once this returns. Calls that arrive while one is under
        way are sent together in the next statement.

        Args:
            task: The name of the function, or a `NewTask`, whose values apply to arguments that are not given here.
            args: The function's arguments: any value that the codec can represent.
            queue: The queue. Default: ``"default"``.
            priority: Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
            run_at: The earliest start time, with a time zone. Default: at once. Refused together with `delay`.
            delay: The earliest start, as a span from now by the database's clock: at most 100 years.
            ttl: The task expires if no worker has begun it within this span from the later of creation and start time.
                More than zero, at most 100 years. Default: no end.
            max_retries: How many times the task may be retried: 3 allows 4 runs. At most 1,000,000. Default: 3.
            backoff: The wait before a retry. Default: 1 second, doubled each time up to 1 hour, with jitter.
            timeout: The longest that one run may take: more than zero, at most 100 years. Default: no limit.
            metadata: The user's data about the task: a dict of at most 64 KiB as JSON.
            id: The id. Default: a new UUIDv7.
            codec: The codec of the arguments: ``"json"``, ``"msgpack"``, ``"raw"``, ``"pickle"``, ``"dill"`` or a
                custom one. Default: that of the queue, which is ``"json"`` unless set.

        Raises:
            InvalidError: For bad input.
            CodecError: For arguments that the codec cannot represent.
            DuplicateError: If the id is in use; nothing is written then.
        """
        options = {
            "id": id,
            "queue": queue,
            "priority": priority,
            "run_at": run_at,
            "delay": delay,
            "ttl": ttl,
            "max_retries": max_retries,
            "backoff": backoff,
            "timeout": timeout,
            "metadata": metadata,
            "codec": codec,
        }
        return await run(self._core.enqueue(to_new_task(task, args, options)))

    @required
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order. Required.

        Raises:
            OmniQError: As `enqueue`; nothing is written then.
        """
        return await run(self._core.enqueue_many(new_tasks(tasks)))

    async def cancel(self, id: UUID) -> Cancelled:
        """Cancels a task: a waiting one leaves the queue, a running one is asked to stop."""
        return await run(self._core.cancel(an_id(id)))

    @required
    async def cancel_many(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Cancels tasks; one answer for each in the same order. Required."""
        return await run(self._core.cancel_many(many_ids(ids)))

    @required
    async def get(self, id: UUID) -> Task | None:
        """The task, or ``None`` if the queue does not hold it (any more). Required."""
        return await run(self._core.get(an_id(id)))

    @required
    async def update(
        self,
        id: UUID,
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        args: Any = msgspec.UNSET,
        max_retries: int | None = None,
        metadata: dict[str, Any] | None = None,
        codec: str | None = None,
    ) -> Task:
        """Changes a task that no worker holds and returns it. Required.

        Args:
            id: The task's id.
            queue: Another queue. Default: unchanged, as for the other arguments.
            priority: Another priority.
            run_at: Another start time; a time that has passed means at once.
            args: Other arguments.
            max_retries: Another number of retries.
            metadata: Another metadata object, which replaces the old one.
            codec: The codec of `args`. Default: that of the queue.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running or ended.
            InvalidError: For bad input.
        """
        change = TaskUpdate(
            queue=queue,
            priority=priority,
            run_at=run_at,
            args=args,
            max_retries=max_retries,
            metadata=metadata,
            codec=codec,
        )
        return await run(self._core.update(an_id(id), change))

    async def retry(self, id: UUID) -> None:
        """Makes a dead or scheduled task ready at once; a dead one starts anew with attempt 0.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running or completed.
        """
        await run(self._core.retry(an_id(id)))

    @required
    async def retry_many(self, ids: Sequence[UUID]) -> None:
        """The same as `retry` for several tasks, all or none. Errors are those of `retry`. Required."""
        await run(self._core.retry_many(many_ids(ids)))

    async def delete(self, id: UUID) -> None:
        """Removes a task that is not running.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running.
        """
        await run(self._core.delete(an_id(id)))

    @required
    async def delete_many(self, ids: Sequence[UUID]) -> None:
        """Removes tasks that are not running, all or none. Errors are those of `delete`. Required."""
        await run(self._core.delete_many(many_ids(ids)))

    @required
    async def list(
        self,
        *,
        queue: str | None = None,
        state: TaskState | None = None,
        func: str | None = None,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> builtins.list[Task]:
        """The tasks that the filter selects, by id, which for ids made by OmniQ is the order of creation. Required.

        Args:
            queue: Of this queue. Default: any, as for `state` and `func`.
            state: In this state.
            func: Of this function.
            after: After this id, for paging: that of the last task of the previous page.
            limit: The page size. Default: 100.
        """
        return await run(self._core.list(TaskFilter(queue, state, func, after, limit)))

    @required
    async def count(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """How many tasks the filter selects; the arguments are those of `list`. Required."""
        return await run(self._core.count(TaskFilter(queue, state, func)))

    @required
    async def purge(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """Removes all tasks that the filter selects and that are not running; returns how many. The arguments are those
        of `list`. Required."""
        return await run(self._core.purge(TaskFilter(queue, state, func)))

    @required
    async def pause(self, queue: str) -> None:
        """Stops claims from a queue. Tasks can still be enqueued, and running ones go on. Required."""
        await run(self._core.pause(a_text(queue, "queue")))

    @required
    async def resume(self, queue: str) -> None:
        """Allows claims from a queue again. Required."""
        await run(self._core.resume(a_text(queue, "queue")))

    @required
    async def queues(self) -> builtins.list[QueueStats]:
        """The counts of all queues that hold tasks or are paused, by name. Required."""
        return await run(self._core.queues())

    @required
    async def close(self) -> None:
        """Releases the tasks that this object holds, and frees its connections. Required.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """
        await run(self._core.close())

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
