"""The result storage's interface, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

from omniq import _omniq
from omniq._given import a_number, a_span, all_of, an, an_id, many_ids
from omniq._loop import run
from omniq.models import ResultFilter, ResultStatus, TaskResult
from omniq.storage.base.common import Storage, required

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncResultStorage"]


class AsyncResultStorage(Storage):
    """A store of results, one per task id.

    Every call is durable once it has returned. Bulk calls are all or nothing. A result whose time is over is not
    returned, counted or listed, whether it was cleaned up already or not. Spans are seconds or `timedelta`.

    It is connected on entry of its ``with`` block, by `connect`, or at first use. For a storage of your own, write a
    subclass with the methods that are marked as required; the others are made from them.
    """

    _core: _omniq.Results

    def _custom(self) -> _omniq.Results:
        return _omniq.Results.custom(self, True, False)

    async def connect(self) -> Self:
        """Connects, unless that is done already, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        await run(self._core.connect())
        return self

    async def store(self, result: TaskResult) -> None:
        """Stores a result, in place of an earlier one of the same task.

        Raises:
            InvalidError: For what cannot be stored; nothing is written then.
        """
        await run(self._core.store(an(result, TaskResult, "result", "give a TaskResult")))

    @required
    async def store_many(self, results: Sequence[TaskResult]) -> None:
        """Stores results, all or none. Of two for the same task in one call the later one counts. Required."""
        await run(self._core.store_many(all_of(results, TaskResult, "results", "give TaskResults")))

    async def get(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more)."""
        return await run(self._core.get(an_id(id)))

    @required
    async def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        """The results of these tasks, in the same order. Required."""
        return await run(self._core.get_many(many_ids(ids)))

    @required
    async def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task, up to `timeout`. Required.

        Raises:
            TimeoutError: If it has not come in time.
        """
        return await run(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    async def delete(self, id: UUID) -> bool:
        """Removes the result of a task; says whether there was one."""
        return await run(self._core.delete(an_id(id)))

    @required
    async def delete_many(self, ids: Sequence[UUID]) -> int:
        """Removes results; returns how many there were. Required."""
        return await run(self._core.delete_many(many_ids(ids)))

    @required
    async def list(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> builtins.list[TaskResult]:
        """The results that fit, the latest finished first, then by id. Required.

        Args:
            since: Finished at or after this time.
            after: Behind this (finished_at, task_id): those of the last one of the page before.
            limit: At most so many. Default: 100.
        """
        return await run(self._core.list(ResultFilter(status, queue, func, since, after, limit)))

    @required
    async def count(
        self,
        *,
        status: ResultStatus | None = None,
        queue: str | None = None,
        func: str | None = None,
        since: datetime | None = None,
    ) -> int:
        """How many results fit. Required."""
        return await run(self._core.count(ResultFilter(status, queue, func, since)))

    @required
    async def purge_expired(self, limit: int) -> int:
        """Removes results whose time is over, at most `limit`; returns how many. Workers do it now and then. Required."""
        return await run(self._core.purge_expired(a_number(limit, "limit")))

    @required
    async def close(self) -> None:
        """Frees the connections. A second call does nothing; any other verb afterwards fails with `ClosedError`. Required."""
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
