"""The task queue's interface, blocking: made from `queue.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from omniq._checks import an_id, many_ids
from omniq._generated.worker_verbs import WorkerVerbs
from omniq._loop import wait
from omniq.models import (
    Backoff,
    CancelCounts,
    Cancelled,
    Enqueued,
    NewTask,
    QueueStats,
    RegisteredWorker,
    Task,
    TaskFilter,
    TaskState,
    Unique,
)
from omniq.models.after import After, IfFailed, ids_of
from omniq.models.enums import StateName
from omniq.storage._checks import to_new_task
from omniq.transaction import enqueue_in_sync
from omniq.transaction.send import InTest

__all__ = ["TaskQueue"]


class TaskQueue(WorkerVerbs):
    """A queue of tasks.

    Every call is durable once it has returned, and has no effect if it fails, except that a call whose connection broke
    (`UnavailableError`) may or may not have been carried out. Bulk calls are all or nothing. Time is the storage's own:
    the database's clock decides what is due and what has expired. Spans are seconds or `timedelta`; times are
    `datetime` with a time zone, in UTC if they come from the queue.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom queue, write a subclass with
    its abstract methods, which are marked as required; the others are made from them. Its `wake` makes idle workers look at once.
    """

    #: Everything is in memory for a test: enqueues with a connection go there at once.
    _test: InTest | None = None

    def wake(self) -> None:
        """Makes idle workers of this process look for tasks in this queue at once. Callable from any thread; it does
        not block.

        For custom queues: without a call of it, an idle worker looks every 100 ms. Verbs that go through OmniQ wake
        workers themselves: those that the queue does not implement itself, such as ``enqueue``, and those of a backend
        or an application. Call it in the verbs that your queue implements, because they can be called directly, and
        when you detect that another process has added tasks.

        Raises:
            InvalidError: For the built-in queues, which wake their workers themselves.
        """
        self._core.wake()

    def enqueue(
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
        unique: Unique | None = None,
        after: After | None = None,
        if_failed: IfFailed | None = None,
        connection: Any = None,
    ) -> UUID:
        """Adds a task and returns its id. The task is durable once this returns. Calls that arrive while one is under
        way are sent together in the next statement.

        Args:
            task: The name of the function, or a `NewTask`, whose values apply to arguments that are not given here.
            args: The function's arguments: any value that the codec can represent. Default: ``None``, which stands for none.
            queue: The queue. Default: ``"default"``.
            priority: Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
            run_at: The earliest start time, with a time zone. Default: at once. Refused together with `delay`.
            delay: The earliest start, as a span from now by the database's clock, in seconds or as `timedelta`: at most 100
                years. Default: at once.
            ttl: The task expires if no worker has begun it within this span, in seconds or as `timedelta`, from the later
                of creation and start time. More than zero, at most 100 years. Default: no end.
            max_retries: How many times the task may be retried: 3 allows 4 runs. At most 1,000,000. Default: 3.
            backoff: The wait before a retry. Default: 1 second, doubled each time up to 1 hour, with jitter.
            timeout: The longest that one run may take, in seconds or as `timedelta`: more than zero, at most 100 years.
                Default: no limit.
            metadata: The user's data about the task: a dict of at most 64 KiB as JSON. Default: an empty one.
            id: The id. Default: a new UUIDv7.
            codec: The codec of the arguments: ``"json"``, ``"msgpack"``, ``"raw"``, ``"pickle"``, ``"dill"`` or a
                custom one. Default: that of the queue, which is ``"json"`` unless set.
            unique: That at most one unfinished task holds its key, and what happens if one does: then its id is returned.
                Default: it is not unique.
            after: The tasks that it runs after: a handle or an id, or a list of these, at most 100,000. Until all of them have
                ended it is blocked, and its `ttl` counts from then on. They are in the queue, or have a result. Default: none.
            if_failed: What becomes of it if one of those does not complete: ``"end"``: it shares the fate, as a dead letter or
                cancelled; ``"run"``: it runs after any end. Default: ``"end"``.
            connection: Your open connection to the queue's database, of asyncpg, psycopg, SQLAlchemy or Django. The task
                is added in its transaction, with its ``enqueued`` event if the schema has events: a commit makes both
                visible, a rollback leaves nothing. For an id in use the driver raises its own error. Default: none; the
                task is added in a transaction of its own.

        Raises:
            InvalidError: For bad input.
            CodecError: For arguments that the codec cannot represent.
            DuplicateError: If the id is in use; nothing is written then.
            NotFoundError: If one of the tasks of `after` is not known; nothing is written then.
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
            "unique": unique,
            "after": None if after is None else ids_of(after),
            "if_failed": if_failed,
        }
        made = to_new_task(task, args, options)
        if connection is not None:
            ids = enqueue_in_sync(connection, self._core, self._core.new_tasks([made]), self._test)
            return ids[0]
        return wait(self._core.enqueue(made))

    enqueue_sync = enqueue

    def enqueue_unique(self, task: NewTask, *, connection: Any = None) -> Enqueued:
        """Adds a task, and says whether it was added or another one holds its key; see `Unique`.

        At most one unfinished task holds a key, from wherever it is enqueued. An enqueue that is folded into a task that
        waits is committed before that task can start. It waits for open transactions that have taken or changed the key.

        Args:
            task: The task, with `unique`; one without is added as ever.
            connection: Your open connection, as for `enqueue`. Until the end of its transaction no other one takes the key,
                and a task that waits and holds it does not start. Default: none.

        Raises:
            OmniQError: As `enqueue`.
            DuplicateError: With ``on_conflict="error"``, if another task holds the key; nothing is written then.
            InvalidError: If the queue has no unique tasks.
        """
        return (self.enqueue_unique_many([task], connection=connection))[0]

    enqueue_unique_sync = enqueue_unique

    def enqueue_unique_many(self, tasks: Sequence[NewTask], *, connection: Any = None) -> builtins.list[Enqueued]:
        """Adds tasks, all or none, as if one after the other, and says what has become of each; see `enqueue_unique`.

        Args:
            tasks: The tasks. Those without `unique` are added as ever.
            connection: Your open connection, as for `enqueue_unique`. Default: none.

        Raises:
            OmniQError: As `enqueue_unique`; nothing is written then.
        """
        if connection is not None:
            ids = enqueue_in_sync(connection, self._core, self._core.new_tasks([*tasks]), self._test)
            return [Enqueued.of(id) for id in ids]
        return wait(self._core.enqueue_unique_many([*tasks]))

    enqueue_unique_many_sync = enqueue_unique_many

    @abstractmethod
    def enqueue_many(self, tasks: Sequence[NewTask]) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order.

        Raises:
            OmniQError: As `enqueue`; nothing is written then.
        """

    enqueue_many_sync = enqueue_many

    def cancel(self, id: UUID) -> Cancelled:
        """Cancels a task: a waiting one leaves the queue, a running one is asked to stop."""
        return wait(self._core.cancel(an_id(id)))

    cancel_sync = cancel

    @abstractmethod
    def cancel_many(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Cancels tasks; one answer for each in the same order."""

    cancel_many_sync = cancel_many

    @abstractmethod
    def get(self, id: UUID) -> Task | None:
        """The task, or ``None`` if the queue does not hold it (any more)."""

    get_sync = get

    def predecessors(self, id: UUID) -> builtins.list[UUID]:
        """The tasks that a task runs after, in the order in which they were given; none if it runs after no other.
        They are known until the task has ended for good, and perhaps for some time after.

        A custom queue implements it if it keeps tasks blocked by `NewTask.after` and ends them by `NewTask.if_failed`;
        otherwise it has no such tasks, and their enqueue is refused.
        """
        an_id(id)
        return []

    predecessors_sync = predecessors

    def get_many(self, ids: Sequence[UUID]) -> builtins.list[Task | None]:
        """The tasks with these ids, in the same order; ``None`` for one that the queue does not hold (any more)."""
        return wait(self._core.get_many(many_ids(ids)))

    get_many_sync = get_many

    @abstractmethod
    def update(
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
        """Changes a task that no worker holds and returns it.

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

    update_sync = update

    def retry(self, id: UUID) -> None:
        """Makes a dead or scheduled task ready at once; a dead one starts anew with attempt 0.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running or completed, or another task holds its key.
        """
        wait(self._core.retry(an_id(id)))

    retry_sync = retry

    @abstractmethod
    def retry_many(self, ids: Sequence[UUID]) -> None:
        """The same as `retry` for several tasks, all or none. Errors are those of `retry`."""

    retry_many_sync = retry_many

    def delete(self, id: UUID) -> None:
        """Removes a task that is not running.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running.
        """
        wait(self._core.delete(an_id(id)))

    delete_sync = delete

    @abstractmethod
    def delete_many(self, ids: Sequence[UUID]) -> None:
        """Removes tasks that are not running, all or none. Errors are those of `delete`."""

    delete_many_sync = delete_many

    @abstractmethod
    def list(
        self,
        *,
        queue: str | None = None,
        state: TaskState | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> builtins.list[Task]:
        """The tasks that the filter selects, by id, which for ids made by OmniQ is the order of creation.

        Args:
            queue: Of this queue. Default: any, as for `state`, `func`, `error`, `since` and `until`.
            state: In this state.
            func: Of this function.
            error: Whose last run failed with an error of this type, such as ``"ValueError"``; with ``*`` at the end, of a
                type that begins so. ``"*"`` alone selects every task with an error.
            since: Enqueued at or after this time, with a time zone.
            until: Enqueued before this time.
            after: After this id, for paging: that of the last task of the previous page. Default: the first page.
            limit: The page size. Default: 100.
        """

    list_sync = list

    @abstractmethod
    def count(
        self,
        *,
        queue: str | None = None,
        state: TaskState | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many tasks the filter selects; the arguments are those of `list`."""

    count_sync = count

    @abstractmethod
    def purge(
        self,
        *,
        queue: str | None = None,
        state: TaskState | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Removes all tasks that the filter selects and that are not running, all or none; returns how many. The
        arguments are those of `list`. A queue of OmniQ refuses a call without a filter, unless ``all=True``."""

    purge_sync = purge

    def retry_all(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Makes all tasks ready that the filter selects, dead letters unless `state` is ``"scheduled"``; returns how many.

        For any number of tasks: a page of them at a time, in the order of ids, each page by itself. Tasks that are
        enqueued after the call has begun are left out (a custom queue may include them). A task that another call has
        changed by then, so that the filter does not select it any more, stays as it is. After an error the pages before it
        are done, and the message says how many tasks that were.

        Args:
            queue: Of this queue. Default: any, as for `func`, `error`, `since` and `until`.
            state: ``"dead"`` or ``"scheduled"``. Default: ``"dead"``.
            func: Of this function.
            error: Whose last run failed with an error of this type; with ``*`` at the end, of a type that begins so.
            since: Enqueued at or after this time, with a time zone.
            until: Enqueued before this time.

        Raises:
            InvalidError: For another state.
        """
        return wait(self._core.retry_all(TaskFilter(queue, state, func, error, since, until)))

    retry_all_sync = retry_all

    def cancel_all(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> CancelCounts:
        """Cancels all tasks that the filter selects: waiting ones leave the queue, running ones are asked to stop. A page
        at a time, as `retry_all`. The queue writes no results and events; a backend's `cancel_all` does.

        The arguments are those of `list`; the state is ``"blocked"``, ``"scheduled"``, ``"ready"`` or ``"running"``, and all
        four by default.

        Returns:
            How many were cancelled (``done``), and how many asked to stop (``requested``).

        Raises:
            InvalidError: For another state.
        """
        return wait(self._core.cancel_all(TaskFilter(queue, state, func, error, since, until)))

    cancel_all_sync = cancel_all

    def delete_all(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Removes all tasks that the filter selects and that are not running; returns how many. A page at a time, as
        `retry_all`; `purge` removes all or none. The arguments are those of `list`."""
        return wait(self._core.delete_all(TaskFilter(queue, state, func, error, since, until)))

    delete_all_sync = delete_all

    @abstractmethod
    def pause(self, queue: str) -> None:
        """Stops claims from a queue. Tasks can still be enqueued, and running ones go on."""

    pause_sync = pause

    @abstractmethod
    def resume(self, queue: str) -> None:
        """Allows claims from a queue again."""

    resume_sync = resume

    @abstractmethod
    def queues(self) -> builtins.list[QueueStats]:
        """The counts of all queues that hold tasks or are paused, by name."""

    queues_sync = queues

    def workers(self) -> builtins.list[RegisteredWorker]:
        """The workers that are registered, by their ids: those that live, and those that were lost and whose tasks were
        not taken back yet. Queue objects that have claimed tasks themselves are workers, too.

        Raises:
            InvalidError: For a custom queue, of which OmniQ knows no list.
        """
        return wait(self._core.workers())

    workers_sync = workers

    @abstractmethod
    def close(self) -> None:
        """Releases the tasks that this object holds, and frees its connections.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """

    close_sync = close
