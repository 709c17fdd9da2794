"""The result storage's interface, blocking: made from `results.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

from omniq import _omniq
from omniq._given import a_number, a_span, all_of, an, an_id, many_ids
from omniq._loop import wait
from omniq.models import ResultFilter, ResultStatus, TaskResult
from omniq.storage.base.common import Storage, required

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ResultStorage"]


class ResultStorage(Storage):
    """A store of results, one per task id.

    Every call is durable once it has returned. Bulk calls are all or nothing. An expired result is not returned,
    counted or listed, whether it was removed already or not. Spans are seconds or `timedelta`.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with the methods that are marked as required; the others are made from them.
    """

    _core: _omniq.Results

    def _custom(self) -> _omniq.Results:
        return _omniq.Results.custom(self, False, False)

    def connect_sync(self) -> Self:
        """Connects unless it is connected, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    connect = connect_sync

    def store_sync(self, result: TaskResult) -> None:
        """Stores a result, in place of an earlier one of the same task.

        Raises:
            InvalidError, CodecError: For a result that cannot be stored; nothing is written then.
        """
        wait(self._core.store(an(result, TaskResult, "result", "give a TaskResult")))

    store = store_sync

    @required
    def store_many_sync(self, results: Sequence[TaskResult]) -> None:
        """Stores results, all or none. Of two for the same task in one call the later one is kept. Required."""
        wait(self._core.store_many(all_of(results, TaskResult, "results", "give TaskResults")))

    store_many = store_many_sync

    def get_sync(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more)."""
        return wait(self._core.get(an_id(id)))

    get = get_sync

    @required
    def get_many_sync(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        """The results of these tasks, in the same order; ``None`` for a task that has none. Required."""
        return wait(self._core.get_many(many_ids(ids)))

    get_many = get_many_sync

    @required
    def wait_sync(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task. Required.

        Args:
            id: The task's id.
            timeout: How long to wait at most, in seconds or as `timedelta`.

        Raises:
            TimeoutError: If it has not come in time.
        """
        return wait(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    wait = wait_sync

    def delete_sync(self, id: UUID) -> bool:
        """Removes the result of a task; returns whether there was one."""
        return wait(self._core.delete(an_id(id)))

    delete = delete_sync

    @required
    def delete_many_sync(self, ids: Sequence[UUID]) -> int:
        """Removes results; returns how many there were. Required."""
        return wait(self._core.delete_many(many_ids(ids)))

    delete_many = delete_many_sync

    @required
    def list_sync(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> builtins.list[TaskResult]:
        """The results that the filter selects, the latest finished first, of equal ones the greatest id first.
        Required.

        Args:
            status: With this status. Default: any, as for `queue`, `func` and `since`.
            queue: Of this queue.
            func: Of this function.
            since: Finished at or after this time.
            after: After this (finished_at, task_id) in that order, for paging: those of the last result of the previous
                page.
            limit: The page size. Default: 100.
        """
        return wait(self._core.list(ResultFilter(status, queue, func, since, after, limit)))

    list = list_sync

    @required
    def count_sync(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
    ) -> int:
        """How many results the filter selects; the arguments are those of `list`. Required."""
        return wait(self._core.count(ResultFilter(status, queue, func, since)))

    count = count_sync

    @required
    def purge_expired_sync(self, limit: int) -> int:
        """Removes expired results, at most `limit`; returns how many. Workers call it at intervals. Required."""
        return wait(self._core.purge_expired(a_number(limit, "limit")))

    purge_expired = purge_expired_sync

    @required
    def close_sync(self) -> None:
        """Frees the connections. Required.

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
