"""A task queue with results and events in one object, blocking: made from `base.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_span, a_text, an_id, many_ids
from omniq._generated.native_events import NativeEventStorage
from omniq._generated.native_queue import NativeQueue
from omniq._generated.native_results import NativeResultStorage
from omniq._generated.native_schedules import NativeScheduleStorage
from omniq._generated.settling import Settling
from omniq._loop import wait, wait_for_runs
from omniq.errors import NotFoundError
from omniq.models import (
    Backoff,
    CancelCounts,
    Cancelled,
    Enqueued,
    NewTask,
    Predecessors,
    TaskFilter,
    TaskResult,
    TaskState,
    Unique,
)
from omniq.models.after import After, IfFailed, ids_of
from omniq.models.enums import StateName
from omniq.storage._checks import new_tasks, to_new_task
from omniq.storage.options import NewTaskLike, SharedOptions
from omniq.transaction import enqueue_in_sync

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Backend"]

Part = TypeVar("Part", NativeQueue, NativeResultStorage, NativeEventStorage)


class Backend(Settling):
    """A task queue with an optional result storage and an optional event storage. Each may be kept in another place.

    If results or events are in the queue's location, the end of a task is written with them in one transaction. If
    results are kept elsewhere, a result is stored first and its task settled afterwards: after a crash in between, the
    task runs again and its result is replaced.

    An event that cannot be written is dropped with a warning in the log, and never fails a task. An event storage
    elsewhere delays the work by at most 2 seconds a write. If events are in the queue's location, a worker holds the
    end of a run back for up to 15 seconds while the disk is full or the events are locked, and then settles it without
    its event.

    It connects on entry of its ``with`` block, by `connect`, or at first use.
    """

    _core: _omniq.Backend

    @property
    def queue(self) -> NativeQueue:
        """The task queue, for all its verbs."""
        given = self._given.get("tasks")
        if isinstance(given, NativeQueue):
            return given
        return self._seen(NativeQueue(self._handle("tasks")), given)

    @property
    def results(self) -> NativeResultStorage:
        """The result storage.

        Raises:
            ConfigError: If results are off.
        """
        given = self._given.get("results")
        if isinstance(given, NativeResultStorage):
            return given
        return self._seen(NativeResultStorage(self._handle("results")), given)

    @property
    def events(self) -> NativeEventStorage:
        """The event storage.

        Raises:
            ConfigError: If events are off.
        """
        given = self._given.get("events")
        if isinstance(given, NativeEventStorage):
            return given
        return self._seen(NativeEventStorage(self._handle("events")), given)

    @property
    def schedules(self) -> NativeScheduleStorage:
        """The schedules of the queue: tasks that are enqueued at set times. A custom queue has none, and their verbs raise
        `ConfigError` then."""
        return NativeScheduleStorage(self._core.schedules())

    def _seen(self, part: Part, given: object) -> Part:
        """A part of the backend under the verbs of the Rust side."""
        part._test = self._test
        # A custom storage lives as long as what leads to it, which its handle alone does not ensure.
        vars(part)["_given"] = given
        return part

    def connect(self) -> Self:
        """Connects all parts unless they are connected, and returns the backend itself.

        Raises:
            UnavailableError: If a server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    connect_sync = connect

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
        """Adds a task and returns its id. The task is durable once this returns. If events are in the queue's location,
        the ``enqueued`` event is written in the same transaction; otherwise it is written afterwards, best effort.

        The arguments are those of `TaskQueue.enqueue`. With `connection` no event is written elsewhere than in the
        queue's schema.

        Raises:
            InvalidError: For bad input.
            CodecError: For arguments that the codec cannot represent.
            DuplicateError: For an id that a task has, or under which a result is still stored; nothing is written then.
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
        """Adds tasks, all or none, as if one after the other, and says what has become of each, in the same order; see
        `enqueue_unique`.

        Args:
            tasks: The tasks. Those without `unique` are added as ever.
            connection: Your open connection, as for `enqueue_unique`. Default: none.

        Raises:
            OmniQError: As `enqueue_unique`; nothing is written then.
        """
        made = self._core.new_tasks([*tasks])
        if connection is not None:
            return [Enqueued.of(id) for id in enqueue_in_sync(connection, self._core, made, self._test)]
        return wait(self._core.enqueue_new(made))

    enqueue_unique_many_sync = enqueue_unique_many

    def enqueue_many(
        self, tasks: Iterable[NewTaskLike], *, connection: Any = None, **options: Unpack[SharedOptions]
    ) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order. Events as for `enqueue`.

        Args:
            tasks (Iterable[NewTask | str | tuple[str, Any]]): The tasks, each as a `NewTask`, as the name of a function
                without arguments, or as ``(name, args)``.
            connection: Your open connection, as for `enqueue`. Default: none.
            queue (str): The queue. Default: that of each task, ``"default"`` unless set.
            priority (int): Tasks of higher priority are claimed first: -32768 to 32767. Default: that of each task, 0
                unless set.
            run_at (datetime): The earliest start time, with a time zone. Refused together with `delay`. Default: that
                of each task, else at once.
            delay (float | timedelta): The earliest start, as a span from now by the database's clock, in seconds or as
                `timedelta`. Default: that of each task, else at once.
            ttl (float | timedelta): The tasks expire if no worker has begun them within this span, in seconds or as
                `timedelta`, from the later of creation and start time. Default: that of each task, else no end.
            max_retries (int): How many times a task may be retried, 0 to 1,000,000. Default: that of each task, 3
                unless set.
            backoff (Backoff): The wait before a retry. Default: that of each task, else that of `Backoff`.
            timeout (float | timedelta): The longest that one run may take, in seconds or as `timedelta`. Default: that
                of each task, else no limit.
            metadata (dict[str, Any]): The user's data about the tasks, at most 64 KiB as JSON. Default: that of each
                task, else none.
            codec (str): The codec of the arguments. Default: that of each task, else that of the queue or backend.
            after (After): The tasks that all of them run after: a handle or an id, or a list of these, at most 100,000.
                Default: those of each task, else none.
            if_failed (IfFailed): What becomes of a task if one that it runs after does not complete: ``"end"`` or
                ``"run"``. Default: that of each task, ``"end"`` unless set.

        Raises:
            OmniQError: As `enqueue`; nothing is written then.
            ConfigError: For an option that does not exist.
        """
        made = new_tasks(tasks, options)
        if connection is not None:
            return enqueue_in_sync(connection, self._core, self._core.new_tasks(made), self._test)
        return wait(self._core.enqueue_many(made))

    enqueue_many_sync = enqueue_many

    def result(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more). A dead letter that was retried has
        none until it ends again.

        Raises:
            ConfigError: If results are off.
        """
        return wait(self._core.result(an_id(id)))

    result_sync = result

    def latest_result(self, schedule: str) -> TaskResult | None:
        """The result of the latest task of a schedule that has one, of its last hundred ticks; ``None`` if there is none.

        Raises:
            ConfigError: If results are off, or the queue has no schedules.
        """
        return wait(self._core.latest_result(a_text(schedule, "schedule")))

    latest_result_sync = latest_result

    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task, which comes as soon as it is stored: a task that ends notifies those who wait for
        it. Behind a transaction pooler it is looked for each 5 to 200 ms.

        Args:
            id: The task's id.
            timeout: How long to wait at most, in seconds or as `timedelta`.

        Raises:
            TimeoutError: If it has not come in time.
            NotFoundError: If the task ends meanwhile and leaves no result: it was deleted, or ended where none are kept.
            ConfigError: If results are off.
        """
        return wait_for_runs(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    wait_sync = wait

    def wait_many(self, ids: Iterable[UUID], timeout: float | timedelta) -> Iterator[TaskResult]:
        """Waits for the results of many tasks, and gives them as they come: each once, those that are there at once.
        All that is stored before the timeout is over comes, however slowly it is read.

        A result that has expired or was deleted, and one of a task that does not exist, is waited for until the timeout
        is over. A dead letter that was retried comes when it has ended again. While the database is away, it waits.

        Args:
            ids: The tasks' ids.
            timeout: How long to wait at most for all of them together, in seconds or as `timedelta`.

        Raises:
            TimeoutError: If some results have not come in time.
            NotFoundError: After the others, if a task ends meanwhile and leaves no result.
            ConfigError: If results are off.
        """
        waiting = self._core.wait_many(a_span(timeout, "timeout"))
        missing: dict[UUID, NotFoundError] = {}
        found, without = wait_for_runs(waiting.next(many_ids(ids)))
        while found or without:
            missing |= without
            yield from found
            found, without = wait_for_runs(waiting.next([]))
        for error in missing.values():
            raise error

    wait_many_sync = wait_many

    def predecessors(self, id: UUID) -> Predecessors:
        """The tasks that a task runs after, in the order in which they were given, with their results where these are kept;
        none if it runs after no other. They are known until the task has ended for good, and perhaps for some time after."""
        found = wait(self._core.predecessors(an_id(id)))
        return Predecessors.of(found)

    predecessors_sync = predecessors

    def cancel(self, id: UUID) -> Cancelled:
        """Cancels a task: a waiting one leaves the queue and gets a ``cancelled`` result, a running one is asked to
        stop. Errors are those of `cancel_many`.
        """
        return wait(self._core.cancel(an_id(id)))

    cancel_sync = cancel

    def cancel_many(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Cancels tasks; one answer for each in the same order.

        If results or events are on, it can raise the errors below. After an error some of the tasks may be cancelled.

        Raises:
            TimeoutError: If another session locks the row of a task for 30 seconds.
            ConflictError: If a task begins or ends a run at each of 100 tries.
        """
        return wait(self._core.cancel_many(many_ids(ids)))

    cancel_many_sync = cancel_many

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
        """Cancels all tasks that the filter selects: waiting ones leave the queue and get a ``cancelled`` result, running
        ones are asked to stop.

        For any number of tasks: a page of them at a time. Tasks that are enqueued after the call has begun are left out
        (a custom queue may include them). Of a page that was read, a task that another call has changed before its cancel
        is left out, but for changes that leave it waiting. After an error the pages before it are done, and the message
        says how many tasks that were.

        Args:
            queue: Of this queue. Default: any, as for `func`, `error`, `since` and `until`.
            state: ``"blocked"``, ``"scheduled"``, ``"ready"`` or ``"running"``. Default: all four.
            func: Of this function.
            error: Whose last run failed with an error of this type; with ``*`` at the end, of a type that begins so.
            since: Enqueued at or after this time, with a time zone.
            until: Enqueued before this time.

        Returns:
            How many were cancelled (``done``), and how many asked to stop (``requested``).

        Raises:
            InvalidError: For another state.
            TimeoutError, ConflictError: As `cancel_many`.
        """
        return wait(self._core.cancel_all(TaskFilter(queue, state, func, error, since, until)))

    cancel_all_sync = cancel_all

    def close(self) -> None:
        """Closes all parts, including storages that were passed in, even if one of them fails to close; then raises the
        first error. A second call does nothing."""
        wait(self._core.close())

    close_sync = close

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
