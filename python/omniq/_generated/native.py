"""The storages whose verbs are all in Rust, blocking: made from `native.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from omniq import _omniq
from omniq._checks import LEASE, a_flag, a_number, a_span, a_text, a_worker, all_of, an_id, many_ids, texts
from omniq._loop import wait
from omniq.models import (
    Cancelled,
    EventFilter,
    QueueStats,
    ResultFilter,
    ResultStatus,
    Settled,
    Settlement,
    Task,
    TaskEvent,
    TaskFilter,
    TaskResult,
    TaskState,
    TaskUpdate,
)
from omniq.storage._checks import new_tasks, settlements
from omniq.storage.base import EventStorage, ResultStorage, TaskQueue
from omniq.storage.options import NewTaskLike, SharedOptions
from omniq.transaction import enqueue_in_sync, of_tasks

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["NativeEventStorage", "NativeQueue", "NativeResultStorage"]


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
            queue (str): The queue. Default: that of each task, as for the other options.
            priority (int): Tasks of higher priority are claimed first: -32768 to 32767.
            run_at (datetime): The earliest start time, with a time zone.
            delay (float | timedelta): The earliest start, as a span from now by the database's clock.
            ttl (float | timedelta): The tasks expire if no worker has begun them within this span from the later of
                creation and start time.
            max_retries (int): How many times a task may be retried, 0 to 1,000,000.
            backoff (Backoff): The wait before a retry.
            timeout (float | timedelta): The longest that one run may take.
            metadata (dict[str, Any]): The user's data about the tasks, at most 64 KiB as JSON.
            codec (str): The codec of the arguments.

        Raises:
            OmniQError: As `enqueue`; nothing is written then.
            ConfigError: For an option that does not exist.
        """
        made = new_tasks(tasks, options)
        if connection is not None:
            return enqueue_in_sync(connection, of_tasks(self._core, made, self._is_test))
        return wait(self._core.enqueue_many(made))

    enqueue_many_sync = enqueue_many

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
        state: TaskState | None = None,
        func: str | None = None,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> builtins.list[Task]:
        return wait(self._core.list(TaskFilter(queue, state, func, after, limit)))

    list_sync = list

    def count(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        return wait(self._core.count(TaskFilter(queue, state, func)))

    count_sync = count

    def purge(self, *, queue: str | None = None, state: TaskState | None = None, func: str | None = None) -> int:
        return wait(self._core.purge(TaskFilter(queue, state, func)))

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

    def settle(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        return wait(self._core.settle(settlements(batch), a_flag(all_or_nothing, "all_or_nothing")))

    settle_sync = settle

    def register_worker(self, name: str, queues: Sequence[str], lease: float | timedelta) -> int:
        return wait(
            self._core.register_worker(a_text(name, "name"), texts(queues, "queues"), a_span(lease, "lease", LEASE))
        )

    register_worker_sync = register_worker

    def deregister_worker(self, worker: int) -> int:
        return wait(self._core.deregister_worker(a_worker(worker)))

    deregister_worker_sync = deregister_worker

    def heartbeat(self, worker: int) -> tuple[bool, Sequence[UUID]]:
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

    def lost(self, limit: int) -> builtins.list[tuple[Task, str]]:
        return wait(self._core.lost(a_number(limit, "limit")))

    lost_sync = lost

    def expired(self, limit: int) -> builtins.list[Task]:
        return wait(self._core.expired(a_number(limit, "limit")))

    expired_sync = expired

    def prune(self, limit: int) -> int:
        return wait(self._core.prune(a_number(limit, "limit")))

    prune_sync = prune


class NativeResultStorage(ResultStorage):
    """A result storage in Rust."""

    def __init__(self, core: _omniq.Results) -> None:
        self._core = core

    def store_many(self, results: Sequence[TaskResult]) -> None:
        wait(self._core.store_many(all_of(results, TaskResult, "results", "give TaskResults")))

    store_many_sync = store_many

    def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        return wait(self._core.get_many(many_ids(ids)))

    get_many_sync = get_many

    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        return wait(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    wait_sync = wait

    def delete_many(self, ids: Sequence[UUID]) -> int:
        return wait(self._core.delete_many(many_ids(ids)))

    delete_many_sync = delete_many

    def list(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> builtins.list[TaskResult]:
        return wait(self._core.list(ResultFilter(status, queue, func, since, after, limit)))

    list_sync = list

    def count(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
    ) -> int:
        return wait(self._core.count(ResultFilter(status, queue, func, since)))

    count_sync = count

    def purge_expired(self, limit: int) -> int:
        return wait(self._core.purge_expired(a_number(limit, "limit")))

    purge_expired_sync = purge_expired

    def close(self) -> None:
        wait(self._core.close())

    close_sync = close


class NativeEventStorage(EventStorage):
    """An event storage in Rust."""

    def __init__(self, core: _omniq.Events) -> None:
        self._core = core

    def log_many(self, events: Sequence[TaskEvent]) -> None:
        wait(self._core.log_many(all_of(events, TaskEvent, "events", "give TaskEvents")))

    log_many_sync = log_many

    def query(
        self,
        *,
        task_id: UUID | None = None,
        kind: str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> builtins.list[TaskEvent]:
        made = EventFilter(task_id, kind, queue, worker, since, until, after, latest, limit)
        return wait(self._core.query(made))

    query_sync = query

    def count(
        self,
        *,
        task_id: UUID | None = None,
        kind: str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
    ) -> int:
        return wait(self._core.count(EventFilter(task_id, kind, queue, worker, since, until, after)))

    count_sync = count

    def purge(self, before: datetime, limit: int) -> int:
        return wait(self._core.purge(before, a_number(limit, "limit")))

    purge_sync = purge

    def close(self) -> None:
        wait(self._core.close())

    close_sync = close
