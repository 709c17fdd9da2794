"""The task queue's interface, blocking: made from `queue.py` by `python/twins.py`, not to be changed by hand."""

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

    Every call is durable once it has returned, and leaves nothing behind if it fails, except that a call whose
    connection broke (`UnavailableError`) may or may not have been carried out. Bulk calls are all or nothing.
    Time is the storage's own: the database's clock decides what is due and what has expired. Spans are seconds or
    `timedelta`; times are `datetime` with a time zone, in UTC where they come from the queue.

    It is connected on entry of its ``with`` block, by `connect`, or at first use. For a queue of your own, write a
    subclass with the methods that are marked as required; the others are made from them. Its `wake` makes sleeping workers
    look at once.
    """

    _core: _omniq.Queue

    def _custom(self) -> _omniq.Queue:
        return _omniq.Queue.custom(self, False, "json", False)

    def connect_sync(self) -> Self:
        """Connects, unless that is done already, and returns the queue itself.

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
        """Adds a task and returns its id; it is durable then. Calls that are under way together travel together.

        Args:
            task: The name of the function, or a `NewTask`, whose values hold where the arguments here give none.
            args: The function's arguments: any value that the codec holds.
            queue: The queue. Default: ``"default"``.
            priority: Higher first, -32768 to 32767. Default: 0.
            run_at: Not before this time. Default: at once. Not together with `delay`.
            delay: Not before this span from now, by the database's clock.
            ttl: If no worker has begun within this span from the later of creation and start time, the task expires.
            max_retries: Extra runs after a failure: 3, the default, allows 4 executions.
            backoff: The wait before a retry. Default: 1 second, doubled each time up to 1 hour, with jitter.
            timeout: The longest that one run may take. Default: no limit.
            metadata: Your own notes, at most 64 KiB as JSON.
            id: The id. Default: a new UUIDv7.
            codec: How the arguments are written: ``"json"``, ``"msgpack"``, ``"raw"``, ``"pickle"``, ``"dill"`` or one
                of your own. Default: as the queue was opened, which is ``"json"`` unless said otherwise.

        Raises:
            InvalidError: For bad input.
            CodecError: For arguments that the codec cannot hold.
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
            OmniQError: As `enqueue`.
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
        """Claims the next task: by queue in the order given, then priority, then first in, first out.

        At the first call the queue object registers as a worker, whose lease it keeps by a heartbeat in the background
        until it is closed; what it has not settled by then is handed back. After a crash the task returns within
        seconds, the attempt counted.

        Args:
            queues: One queue or several, the first served first.
            timeout: How long to wait for a task. Default: not at all.
            funcs: Only tasks of these functions. Default: any.

        Returns:
            The task, which is to be settled by `complete`, `fail` or one of the others; ``None`` if there was none.
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
        """Claims up to `limit` tasks, 1 to 10,000, as `dequeue` does. Waits up to `timeout` for the first one."""
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
            error: Why. Of an exception, type, message and traceback are stored.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: If the task is not held any more.
        """
        return wait(self._core.fail(a_task(task), TaskError.of(error)))

    fail = fail_sync

    def fail_many_sync(
        self, failed: Sequence[tuple[Task, TaskError | BaseException | str]]
    ) -> builtins.list[TaskState]:
        """Reports the failure of all, or of none if one is not held any more (`ClaimLostError`)."""
        return wait(self._core.fail_many(failures(failed)))

    fail_many = fail_many_sync

    def retry_later_sync(
        self, task: Task, delay: float | timedelta, error: TaskError | BaseException | None = None
    ) -> None:
        """Ends the run; the task runs again after the delay whatever its retries say, the attempt counted."""
        wait(
            self._core.retry_later(a_task(task), a_span(delay, "delay"), None if error is None else TaskError.of(error))
        )

    retry_later = retry_later_sync

    def release_sync(self, task: Task) -> None:
        """Hands the task back; the attempt is not counted."""
        wait(self._core.release(a_task(task)))

    release = release_sync

    def release_many_sync(self, tasks: Sequence[Task]) -> None:
        """Hands all back, or none if one is not held any more (`ClaimLostError`)."""
        wait(self._core.release_many(held_tasks(tasks)))

    release_many = release_many_sync

    def snooze_sync(self, task: Task, delay: float | timedelta) -> None:
        """Puts the task off for a while; the attempt is not counted."""
        wait(self._core.snooze(a_task(task), a_span(delay, "delay")))

    snooze = snooze_sync

    def discard_sync(self, task: Task) -> None:
        """Drops a task that is held: it leaves the queue."""
        wait(self._core.discard(a_task(task)))

    discard = discard_sync

    @required
    def settle_sync(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        """Settles runs, each fenced by its claim, and returns an answer for each in the same order. Required.

        Args:
            all_or_nothing: One lost claim fails the call (`ClaimLostError`), and nothing is written. Otherwise what is
                lost is answered with `Settled.LOST`, what another session holds by a lock with `Settled.BUSY`, and the
                rest is done.
        """
        return wait(self._core.settle(settlements(batch), a_flag(all_or_nothing, "all_or_nothing")))

    settle = settle_sync

    def cancel_sync(self, id: UUID) -> Cancelled:
        """Withdraws a task: a waiting one leaves the queue, a running one is asked to stop."""
        return wait(self._core.cancel(an_id(id)))

    cancel = cancel_sync

    @required
    def cancel_many_sync(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Withdraws tasks; an answer for each in the same order. Required."""
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
        """Changes a task that no worker holds and returns it; what is not given stays as it is. Required.

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
        """The same as `retry` for many, all or none. Required."""
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
        """Removes tasks that are not running, all or none. Required."""
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
        """The tasks that fit, by id, which for ids made by OmniQ is the order of creation. Required.

        Args:
            after: Behind this id: the last one of the page before.
            limit: At most so many. Default: 100.
        """
        return wait(self._core.list(TaskFilter(queue, state, func, after, limit)))

    list = list_sync

    @required
    def count_sync(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """How many tasks fit. Required."""
        return wait(self._core.count(TaskFilter(queue, state, func)))

    count = count_sync

    @required
    def purge_sync(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        """Removes all tasks that fit and that are not running; returns how many. Required."""
        return wait(self._core.purge(TaskFilter(queue, state, func)))

    purge = purge_sync

    @required
    def prune_sync(self, limit: int) -> int:
        """Removes tasks that ended longer ago than they are to stay, about `limit`; returns how many. Required.

        For how long completed tasks and dead letters stay is set where the queue is opened. Workers call it now and then.
        """
        return wait(self._core.prune(a_number(limit, "limit")))

    prune = prune_sync

    @required
    def pause_sync(self, queue: str) -> None:
        """Stops claims from a queue; enqueue and running tasks go on. Required."""
        wait(self._core.pause(a_text(queue, "queue")))

    pause = pause_sync

    @required
    def resume_sync(self, queue: str) -> None:
        """Allows claims from a queue again. Required."""
        wait(self._core.resume(a_text(queue, "queue")))

    resume = resume_sync

    @required
    def queues_sync(self) -> builtins.list[QueueStats]:
        """The figures of all queues that hold tasks or are paused, by name. Required."""
        return wait(self._core.queues())

    queues = queues_sync

    @required
    def close_sync(self) -> None:
        """Hands back what this object holds, and frees its connections. Required.

        A second call does nothing; any other verb afterwards fails with `ClosedError`.
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

    # What workers do, by way of the Rust side. A queue of your own has these as well.

    @required
    def register_worker_sync(self, name: str, queues: Sequence[str], lease: float | timedelta) -> int:
        """Adds a worker and returns its id; its claims hold for `lease` from now and from each heartbeat. Required."""
        return wait(
            self._core.register_worker(a_text(name, "name"), texts(queues, "queues"), a_span(lease, "lease", LEASE))
        )

    register_worker = register_worker_sync

    @required
    def deregister_worker_sync(self, worker: int) -> int:
        """Removes a worker and hands back the tasks that it holds, the attempt not counted. Required.

        Returns:
            How many tasks it held.
        """
        return wait(self._core.deregister_worker(a_worker(worker)))

    deregister_worker = deregister_worker_sync

    @required
    def heartbeat_sync(self, worker: int) -> tuple[bool, Sequence[UUID]]:
        """Extends a worker's lease. Required.

        Returns:
            Whether the worker is still known, and the ids of tasks that it holds and that a user wants stopped.
        """
        return wait(self._core.heartbeat(a_worker(worker)))

    heartbeat = heartbeat_sync

    @required
    def claim_sync(
        self, worker: int, queues: Sequence[str], limit: int, funcs: Sequence[str] | None
    ) -> builtins.list[Task]:
        """Claims tasks for this worker without waiting: in the order that `dequeue` names. Required.

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

        Such workers are marked so that they cannot come back; each task is to be settled by its claim.
        """
        return wait(self._core.lost(a_number(limit, "limit")))

    lost = lost_sync

    @required
    def expired_sync(self, limit: int) -> builtins.list[Task]:
        """Waiting tasks whose time to live has ended, about `limit`; to be settled as ``expire``. Required."""
        return wait(self._core.expired(a_number(limit, "limit")))

    expired = expired_sync
