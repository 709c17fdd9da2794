"""The task queue's interface, blocking: made from `queue.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from omniq import _omniq
from omniq._given import LEASE, a_flag, a_number, a_span, a_text, a_worker, an_id, many_ids, texts
from omniq._loop import wait
from omniq.models import (
    Backoff,
    Cancelled,
    NewTask,
    QueueStats,
    Settled,
    Settlement,
    Task,
    TaskError,
    TaskFilter,
    TaskState,
    TaskUpdate,
)
from omniq.storage.base.common import (
    QueueStorage,
    a_task,
    failures,
    held_tasks,
    new_tasks,
    required,
    settlements,
    to_new_task,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TaskQueue"]


class TaskQueue(QueueStorage):
    """A queue of tasks.

    Every call is durable once it has returned, and has no effect if it fails, except that a call whose connection broke
    (`UnavailableError`) may or may not have been carried out. Bulk calls are all or nothing. Time is the storage's own:
    the database's clock decides what is due and what has expired. Spans are seconds or `timedelta`; times are
    `datetime` with a time zone, in UTC if they come from the queue.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom queue, write a subclass with
    the methods that are marked as required; the others are made from them. Its `wake` makes idle workers look at once.
    """

    _core: _omniq.Queue

    def _custom(self) -> _omniq.Queue:
        return _omniq.Queue.custom(self, False, "json", False)

    def connect_sync(self) -> Self:
        """Connects unless it is connected, and returns the queue itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    connect = connect_sync

    def enqueue_sync(
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
        return wait(self._core.enqueue(to_new_task(task, args, options)))

    enqueue = enqueue_sync

    @required
    def enqueue_many_sync(self, tasks: Sequence[NewTask]) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order. Required.

        Raises:
            OmniQError: As `enqueue`; nothing is written then.
        """
        return wait(self._core.enqueue_many(new_tasks(tasks)))

    enqueue_many = enqueue_many_sync

    def dequeue_sync(
        self,
        queues: str | Iterable[str] = "default",
        *,
        timeout: float | timedelta = 0,
        funcs: Iterable[str] | None = None,
    ) -> Task | None:
        """Claims the next task: by queue in the order given, then priority (higher first), then first in, first out.

        At the first call the queue object registers as a worker. A heartbeat in the background extends its lease until
        the object is closed, which releases the tasks that are not settled by then. After a crash a task returns once
        the lease has ended (by default 10 seconds) and its loss is detected; the attempt counts.

        Args:
            queues: One queue or several; the first is served first. Default: ``"default"``.
            timeout: How long to wait for a task, in seconds or as `timedelta`. Default: no wait.
            funcs: Only tasks of these functions. Default: any.

        Returns:
            The task, or ``None`` if there was none. Settle it by `complete`, `fail` or another verb.
        """
        return wait(
            self._core.dequeue(
                texts(queues, "queues"), a_span(timeout, "timeout"), None if funcs is None else texts(funcs, "funcs")
            )
        )

    dequeue = dequeue_sync

    def dequeue_many_sync(
        self,
        queues: str | Iterable[str] = "default",
        *,
        limit: int,
        timeout: float | timedelta = 0,
        funcs: Iterable[str] | None = None,
    ) -> builtins.list[Task]:
        """Claims up to `limit` tasks, as `dequeue` does.

        Args:
            queues: As for `dequeue`.
            limit: The most tasks to claim, 1 to 10,000.
            timeout: How long to wait for the first task, in seconds or as `timedelta`. Default: no wait.
            funcs: As for `dequeue`.

        Returns:
            The tasks; an empty list if there was none.
        """
        return wait(
            self._core.dequeue_many(
                texts(queues, "queues"),
                a_number(limit, "limit", 1, 10_000),
                a_span(timeout, "timeout"),
                None if funcs is None else texts(funcs, "funcs"),
            )
        )

    dequeue_many = dequeue_many_sync

    def complete_sync(self, task: Task) -> None:
        """Reports success: the task leaves the queue.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        wait(self._core.complete(a_task(task)))

    complete = complete_sync

    def complete_many_sync(self, tasks: Sequence[Task]) -> None:
        """Reports success of all, or of none if one is not held any more (`ClaimLostError`)."""
        wait(self._core.complete_many(held_tasks(tasks)))

    complete_many = complete_many_sync

    def fail_sync(self, task: Task, error: TaskError | BaseException | str) -> TaskState:
        """Reports a failure: the task is retried after its backoff, or becomes a dead letter.

        Args:
            task: The task, as `dequeue` returned it.
            error: The reason. Of an exception, type, message and traceback are stored.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        return wait(self._core.fail(a_task(task), TaskError.of(error)))

    fail = fail_sync

    def fail_many_sync(
        self, failed: Sequence[tuple[Task, TaskError | BaseException | str]]
    ) -> builtins.list[TaskState]:
        """Reports the failure of all, or of none if one is not held any more (`ClaimLostError`).

        Args:
            failed: The tasks, each with its error as for `fail`.

        Returns:
            The new state of each task in the same order, as `fail` returns it.
        """
        return wait(self._core.fail_many(failures(failed)))

    fail_many = fail_many_sync

    def retry_later_sync(
        self, task: Task, delay: float | timedelta, error: TaskError | BaseException | None = None
    ) -> None:
        """Schedules another attempt after `delay`, even if no retries are left. This attempt counts.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        wait(
            self._core.retry_later(a_task(task), a_span(delay, "delay"), None if error is None else TaskError.of(error))
        )

    retry_later = retry_later_sync

    def release_sync(self, task: Task) -> None:
        """Releases the task: it returns to the queue, and the attempt is not counted.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        wait(self._core.release(a_task(task)))

    release = release_sync

    def release_many_sync(self, tasks: Sequence[Task]) -> None:
        """Releases all, or none if one is not held any more (`ClaimLostError`)."""
        wait(self._core.release_many(held_tasks(tasks)))

    release_many = release_many_sync

    def snooze_sync(self, task: Task, delay: float | timedelta) -> None:
        """Postpones the task by `delay`, at most 100 years; the attempt is not counted.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        wait(self._core.snooze(a_task(task), a_span(delay, "delay")))

    snooze = snooze_sync

    def discard_sync(self, task: Task) -> None:
        """Drops a task that is held: it leaves the queue.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        wait(self._core.discard(a_task(task)))

    discard = discard_sync

    @required
    def settle_sync(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        """Settles runs, each fenced by its claim, and returns one answer for each in the same order. Required.

        Results and events in the settlements are written in the same transaction. A settlement without a claim is
        answered `Settled.LOST` also if another call changes the task, or another task of its segment, at that moment:
        only another lookup shows which.

        Args:
            batch: The settlements.
            all_or_nothing: If true, one lost claim fails the call (`ClaimLostError`) and nothing is written. Otherwise
                a lost claim is answered with `Settled.LOST`, a row that another session has locked with `Settled.BUSY`,
                and the rest is settled. Default: false.
        """
        return wait(self._core.settle(settlements(batch), a_flag(all_or_nothing, "all_or_nothing")))

    settle = settle_sync

    def cancel_sync(self, id: UUID) -> Cancelled:
        """Cancels a task: a waiting one leaves the queue, a running one is asked to stop."""
        return wait(self._core.cancel(an_id(id)))

    cancel = cancel_sync

    @required
    def cancel_many_sync(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Cancels tasks; one answer for each in the same order. Required."""
        return wait(self._core.cancel_many(many_ids(ids)))

    cancel_many = cancel_many_sync

    @required
    def get_sync(self, id: UUID) -> Task | None:
        """The task, or ``None`` if the queue does not hold it (any more). Required."""
        return wait(self._core.get(an_id(id)))

    get = get_sync

    @required
    def update_sync(
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
        return wait(self._core.update(an_id(id), change))

    update = update_sync

    def retry_sync(self, id: UUID) -> None:
        """Makes a dead or scheduled task ready at once; a dead one starts anew with attempt 0.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running or completed.
        """
        wait(self._core.retry(an_id(id)))

    retry = retry_sync

    @required
    def retry_many_sync(self, ids: Sequence[UUID]) -> None:
        """The same as `retry` for several tasks, all or none. Errors are those of `retry`. Required."""
        wait(self._core.retry_many(many_ids(ids)))

    retry_many = retry_many_sync

    def delete_sync(self, id: UUID) -> None:
        """Removes a task that is not running.

        Raises:
            NotFoundError: If there is no such task.
            ConflictError: If it is running.
        """
        wait(self._core.delete(an_id(id)))

    delete = delete_sync

    @required
    def delete_many_sync(self, ids: Sequence[UUID]) -> None:
        """Removes tasks that are not running, all or none. Errors are those of `delete`. Required."""
        wait(self._core.delete_many(many_ids(ids)))

    delete_many = delete_many_sync

    @required
    def list_sync(
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
        return wait(self._core.list(TaskFilter(queue, state, func, after, limit)))

    list = list_sync

    @required
    def count_sync(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """How many tasks the filter selects; the arguments are those of `list`. Required."""
        return wait(self._core.count(TaskFilter(queue, state, func)))

    count = count_sync

    @required
    def purge_sync(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """Removes all tasks that the filter selects and that are not running; returns how many. The arguments are those
        of `list`. Required."""
        return wait(self._core.purge(TaskFilter(queue, state, func)))

    purge = purge_sync

    @required
    def prune_sync(self, limit: int) -> int:
        """Removes completed tasks and dead letters whose retention is over, about `limit`; returns how many. Required.

        The retention is set where the queue is opened. Workers call this at intervals.
        """
        return wait(self._core.prune(a_number(limit, "limit")))

    prune = prune_sync

    @required
    def pause_sync(self, queue: str) -> None:
        """Stops claims from a queue. Tasks can still be enqueued, and running ones go on. Required."""
        wait(self._core.pause(a_text(queue, "queue")))

    pause = pause_sync

    @required
    def resume_sync(self, queue: str) -> None:
        """Allows claims from a queue again. Required."""
        wait(self._core.resume(a_text(queue, "queue")))

    resume = resume_sync

    @required
    def queues_sync(self) -> builtins.list[QueueStats]:
        """The counts of all queues that hold tasks or are paused, by name. Required."""
        return wait(self._core.queues())

    queues = queues_sync

    @required
    def close_sync(self) -> None:
        """Releases the tasks that this object holds, and frees its connections. Required.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """
        wait(self._core.close())

    close = close_sync

    def __enter__(self) -> Self:
        return self.connect_sync()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_sync()

    # The verbs of workers, which the Rust side calls. A custom queue must implement them too.

    @required
    def register_worker_sync(self, name: str, queues: Sequence[str], lease: float | timedelta) -> int:
        """Adds a worker and returns its id. Its claims hold for `lease` from now and from each heartbeat. Required.

        Args:
            name: The worker's name.
            queues: The queues that it serves.
            lease: The lease, in seconds or as `timedelta`: at least 0.1 seconds, at most 100 years.
        """
        return wait(
            self._core.register_worker(a_text(name, "name"), texts(queues, "queues"), a_span(lease, "lease", LEASE))
        )

    register_worker = register_worker_sync

    @required
    def deregister_worker_sync(self, worker: int) -> int:
        """Removes a worker and releases the tasks that it holds, their attempts not counted. Required.

        Returns:
            How many tasks it held.
        """
        return wait(self._core.deregister_worker(a_worker(worker)))

    deregister_worker = deregister_worker_sync

    @required
    def heartbeat_sync(self, worker: int) -> tuple[bool, Sequence[UUID]]:
        """Extends a worker's lease. Required.

        Returns:
            Whether the worker is still known, and the ids of tasks to stop: it holds them, and a user has cancelled
            them.
        """
        return wait(self._core.heartbeat(a_worker(worker)))

    heartbeat = heartbeat_sync

    @required
    def claim_sync(
        self, worker: int, queues: Sequence[str], limit: int, funcs: Sequence[str] | None
    ) -> builtins.list[Task]:
        """Claims up to `limit` tasks, 1 to 10,000, for this worker without waiting, in the order of `dequeue`.
        Required.

        Raises:
            ClaimLostError: If the worker is not known (any more).
        """
        return wait(
            self._core.claim(
                a_worker(worker),
                texts(queues, "queues"),
                a_number(limit, "limit", 1, 10_000),
                None if funcs is None else texts(funcs, "funcs"),
            )
        )

    claim = claim_sync

    @required
    def lost_sync(self, limit: int) -> builtins.list[tuple[Task, str]]:
        """Tasks held by workers whose lease has ended, about `limit`, each with its worker's name. Required.

        These workers are marked as lost and cannot come back. The caller settles each task by its claim.
        """
        return wait(self._core.lost(a_number(limit, "limit")))

    lost = lost_sync

    @required
    def expired_sync(self, limit: int) -> builtins.list[Task]:
        """Waiting tasks whose time to live has ended, about `limit`. Required.

        The caller settles them as ``expire``.
        """
        return wait(self._core.expired(a_number(limit, "limit")))

    expired = expired_sync
