"""The task queue whose verbs are all in Rust, blocking: made from `queue.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from omniq import _omniq
from omniq._checks import LEASE, a_flag, a_number, a_span, a_text, a_worker, an_id, many_ids, texts
from omniq._loop import wait
from omniq.errors import InvalidError
from omniq.models import (
    Cancelled,
    QueueStats,
    Settled,
    Settlement,
    Task,
    TaskError,
    TaskFilter,
    TaskState,
    TaskUpdate,
)
from omniq.models.enums import StateName
from omniq.storage._checks import a_task, failures, held_tasks, new_tasks, settlements
from omniq.storage.base import TaskQueue
from omniq.storage.options import NewTaskLike, SharedOptions
from omniq.transaction import enqueue_in_sync, execute_in_sync, is_inside_sync

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["NativeQueue"]


class NativeQueue(TaskQueue):
    """A task queue in Rust."""

    def __init__(self, core: _omniq.Queue) -> None:
        self._core = core

    def enqueue_many(
        self, tasks: Iterable[NewTaskLike], *, connection: Any = None, **options: Unpack[SharedOptions]
    ) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order.

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

    def predecessors(self, id: UUID) -> builtins.list[UUID]:
        """The tasks that a task runs after, in the order in which they were given; none if it runs after no other.
        They are known until the task has ended for good, and perhaps for some time after."""
        return wait(self._core.predecessors(an_id(id)))

    predecessors_sync = predecessors

    def complete(self, task: Task, *, connection: Any = None) -> None:
        """Reports success: the task leaves the queue.

        Args:
            task: The task, as `dequeue` returned it.
            connection: Your open connection to the queue's database, as for `enqueue`, at the isolation level read committed. The
                task leaves the queue when its transaction is committed; until then, and after a rollback, it stays held.
                Default: none.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then. With `connection` the driver raises
                its own error, with SQLSTATE ``OQ001``, and the transaction has failed.
            InvalidError: For a connection of another kind or to another database; nothing is sent or done then.
        """
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.complete_statement([a_task(task)]))
        else:
            wait(self._core.complete(a_task(task)))

    complete_sync = complete

    def complete_many(self, tasks: Sequence[Task], *, connection: Any = None) -> None:
        """Reports success of all, or of none if one is not held any more (`ClaimLostError`).

        Args:
            tasks: The tasks.
            connection: As for `complete`. Default: none.
        """
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.complete_statement(held_tasks(tasks)))
        else:
            wait(self._core.complete_many(held_tasks(tasks)))

    complete_many_sync = complete_many

    def fail(self, task: Task, error: TaskError | BaseException | str, *, connection: Any = None) -> TaskState:
        """Reports a failure: the task is retried after its backoff, or becomes a dead letter.

        Args:
            task: The task, as `dequeue` returned it.
            error: The reason. Of an exception, type, message and traceback are stored.
            connection: As for `complete`. Default: none.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: As for `complete`.
        """
        task, made = a_task(task), TaskError.of(error)
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.fail_statement([(task, made)]))
            state: TaskState = outcome.returns[0]
            return state
        return wait(self._core.fail(task, made))

    fail_sync = fail

    def fail_many(
        self, failed: Iterable[tuple[Task, TaskError | BaseException | str]], *, connection: Any = None
    ) -> builtins.list[TaskState]:
        """Reports the failure of all, or of none if one is not held any more (`ClaimLostError`).

        Args:
            failed: The tasks, each with its error.
            connection: As for `complete`. Default: none.

        Returns:
            As `fail`, for each task.
        """
        pairs = failures(failed)
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.fail_statement(pairs))
            states: builtins.list[TaskState] = outcome.returns
            return states
        return wait(self._core.fail_many(pairs))

    fail_many_sync = fail_many

    def cancel_many(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        return wait(self._core.cancel_many(many_ids(ids)))

    cancel_many_sync = cancel_many

    def get(self, id: UUID) -> Task | None:
        return wait(self._core.get(an_id(id)))

    get_sync = get

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

    update_sync = update

    def retry_many(self, ids: Sequence[UUID]) -> None:
        wait(self._core.retry_many(many_ids(ids)))

    retry_many_sync = retry_many

    def delete_many(self, ids: Sequence[UUID]) -> None:
        wait(self._core.delete_many(many_ids(ids)))

    delete_many_sync = delete_many

    def list(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> builtins.list[Task]:
        return wait(self._core.list(TaskFilter(queue, state, func, error, since, until, after, limit)))

    list_sync = list

    def iterate(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: UUID | None = None,
        page: int = 1_000,
    ) -> Iterator[Task]:
        """All tasks that the filter selects, by id, read a page at a time: ``for task in queue.iterate(state="dead")``.

        A task that the filter selects all the time comes once. One that changes meanwhile comes as it was when its page
        was read, or not at all. No transaction is open in between.

        Args:
            queue: Of this queue. Default: any, as for `state`, `func`, `error`, `since` and `until`.
            state: In this state.
            func: Of this function.
            error: Whose last run failed with an error of this type; with ``*`` at the end, of a type that begins so.
            since: Enqueued at or after this time, with a time zone.
            until: Enqueued before this time.
            after: After this id. Default: from the first task.
            page: How many tasks are read at a time, 1 to 10,000. Default: 1,000.
        """
        size = a_number(page, "page", 1, 10_000)
        while True:
            found = self.list(
                queue=queue, state=state, func=func, error=error, since=since, until=until, after=after, limit=size
            )
            yield from found
            if len(found) < size:
                return
            after = found[-1].id

    iterate_sync = iterate

    def count(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        return wait(self._core.count(TaskFilter(queue, state, func, error, since, until)))

    count_sync = count

    def purge(
        self,
        *,
        queue: str | None = None,
        state: TaskState | StateName | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        all: bool = False,
    ) -> int:
        """Removes all tasks that the filter selects and that are not running, all or none, without results; returns how
        many. The other arguments are those of `list`.

        Args:
            all: Whether all tasks of all queues may go: needed if nothing else is given. Default: false.

        Raises:
            InvalidError: Without a filter and without ``all=True``.
        """
        selected = TaskFilter(queue, state, func, error, since, until)
        if not a_flag(all, "all") and selected == TaskFilter():
            raise InvalidError(
                "purge without a filter would remove every task of all queues that is not running: give a filter, such as"
                ' queue= or state="dead", or all=True if that is meant'
            )
        return wait(self._core.purge(selected))

    purge_sync = purge

    def pause(self, queue: str) -> None:
        wait(self._core.pause(a_text(queue, "queue")))

    pause_sync = pause

    def resume(self, queue: str) -> None:
        wait(self._core.resume(a_text(queue, "queue")))

    resume_sync = resume

    def queues(self) -> builtins.list[QueueStats]:
        return wait(self._core.queues())

    queues_sync = queues

    def close(self) -> None:
        wait(self._core.close())

    close_sync = close

    def settle(
        self, batch: Sequence[Settlement], *, all_or_nothing: bool = False, connection: Any = None
    ) -> builtins.list[Settled]:
        """Settles runs, each checked against its claim, and returns one answer for each in the same order.

        Args:
            batch: The settlements. Their results and events are written in the same transaction.
            all_or_nothing: If true, one lost claim fails the call (`ClaimLostError`) and nothing is written. Otherwise
                a lost claim is answered with `Settled.LOST`, a row that another session has locked with `Settled.BUSY`,
                and the rest is settled. Default: false.
            connection: As for `complete`. A settlement without a claim is then `Settled.LOST`, a row that another
                session has locked is waited for, and in a transaction that is not read committed a lost claim always
                fails the call. Default: none.
        """
        made, everything = settlements(batch), a_flag(all_or_nothing, "all_or_nothing")
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.settle_statement(made, everything))
            return [Settled.DONE if held else Settled.LOST for held in outcome.done]
        return wait(self._core.settle(made, everything))

    settle_sync = settle

    def register_worker(self, name: str, queues: Sequence[str], lease: float | timedelta) -> int:
        return wait(
            self._core.register_worker(a_text(name, "name"), texts(queues, "queues"), a_span(lease, "lease", LEASE))
        )

    register_worker_sync = register_worker

    def deregister_worker(self, worker: int) -> int:
        return wait(self._core.deregister_worker(a_worker(worker)))

    deregister_worker_sync = deregister_worker

    def heartbeat(self, worker: int) -> tuple[bool, Sequence[tuple[UUID, int]]]:
        return wait(self._core.heartbeat(a_worker(worker)))

    heartbeat_sync = heartbeat

    def claim(self, worker: int, queues: Sequence[str], limit: int, funcs: Sequence[str] | None) -> builtins.list[Task]:
        return wait(
            self._core.claim(
                a_worker(worker),
                texts(queues, "queues"),
                a_number(limit, "limit", 1, 10_000),
                None if funcs is None else texts(funcs, "funcs"),
            )
        )

    claim_sync = claim

    def lost(self, limit: int) -> builtins.list[tuple[Task, str, bool]]:
        return wait(self._core.lost(a_number(limit, "limit")))

    lost_sync = lost

    def expired(self, limit: int) -> builtins.list[Task]:
        return wait(self._core.expired(a_number(limit, "limit")))

    expired_sync = expired

    def prune(self, limit: int) -> int:
        return wait(self._core.prune(a_number(limit, "limit")))

    prune_sync = prune
