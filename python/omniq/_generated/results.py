"""The result storage's interface, blocking: made from `results.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from omniq import _omniq
from omniq._checks import an, an_id
from omniq._loop import wait
from omniq.models import ResultStatus, TaskResult
from omniq.storage.common import Storage

__all__ = ["ResultStorage"]


class ResultStorage(Storage):
    """A store of results, one per task id.

    Every call is durable once it has returned. Bulk calls are all or nothing. An expired result is not returned,
    counted or listed, whether it was removed already or not. Spans are seconds or `timedelta`.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with its abstract methods, which are marked as required; the others are made from them.
    """

    @cached_property
    def _core(self) -> _omniq.Results:
        # Two threads may come here at once, and must have the same handle.
        core: _omniq.Results = vars(self).setdefault("_core", _omniq.Results.custom(self, False, False))
        return core

    def store(self, result: TaskResult) -> None:
        """Stores a result, in place of an earlier one of the same task.

        Raises:
            InvalidError, CodecError: For a result that cannot be stored; nothing is written then.
        """
        wait(self._core.store(an(result, TaskResult, "result", "give a TaskResult")))

    store_sync = store

    @abstractmethod
    def store_many(self, results: Sequence[TaskResult]) -> None:
        """Stores results, all or none. Of two for the same task in one call the later one is kept."""

    store_many_sync = store_many

    def get(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more)."""
        return wait(self._core.get(an_id(id)))

    get_sync = get

    @abstractmethod
    def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        """The results of these tasks, in the same order; ``None`` for a task that has none."""

    get_many_sync = get_many

    @abstractmethod
    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task.

        Args:
            id: The task's id.
            timeout: How long to wait at most, in seconds or as `timedelta`.

        Raises:
            TimeoutError: If it has not come in time.
        """

    wait_sync = wait

    def delete(self, id: UUID) -> bool:
        """Removes the result of a task; returns whether there was one."""
        return wait(self._core.delete(an_id(id)))

    delete_sync = delete

    @abstractmethod
    def delete_many(self, ids: Sequence[UUID]) -> int:
        """Removes results; returns how many there were."""

    delete_many_sync = delete_many

    @abstractmethod
    def list(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> builtins.list[TaskResult]:
        """The results that the filter selects, the latest finished first, of equal ones the greatest id first.

        Args:
            status: With this status. Default: any, as for `queue`, `func`, `error`, `since` and `until`.
            queue: Of this queue.
            func: Of this function.
            error: With an error of this type; with ``*`` at the end, of a type that begins so.
            since: Finished at or after this time.
            until: Finished before this time.
            after: After this (finished_at, task_id) in that order, for paging: those of the last result of the previous
                page. Default: the first page.
            limit: The page size. Default: 100.
        """

    list_sync = list

    @abstractmethod
    def count(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """How many results the filter selects; the arguments are those of `list`."""

    count_sync = count

    @abstractmethod
    def purge_expired(self, limit: int) -> int:
        """Removes expired results, at most `limit`; returns how many. Workers call it at intervals."""

    purge_expired_sync = purge_expired
