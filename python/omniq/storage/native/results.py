"""The result storage whose verbs are all in Rust, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_number, a_span, all_of, an, an_id, many_ids
from omniq._loop import await_runs, run
from omniq.models import ResultFilter, ResultStatus, TaskResult
from omniq.models.enums import StatusName
from omniq.storage.base import AsyncResultStorage
from omniq.transaction import execute_in, is_inside
from omniq.transaction.send import InTest

__all__ = ["AsyncNativeResultStorage"]


class AsyncNativeResultStorage(AsyncResultStorage):
    """A result storage in Rust."""

    #: As for a queue.
    _test: InTest | None = None

    def __init__(self, core: _omniq.Results) -> None:
        self._core = core

    async def store(self, result: TaskResult, *, connection: Any = None) -> None:
        """Stores a result, in place of an earlier one of the same task.

        Args:
            result: The result.
            connection: Your open connection to the storage's database, of asyncpg, psycopg, SQLAlchemy or Django. The
                result is stored in its transaction: a commit makes it visible, a rollback leaves the earlier one. Of two
                that are stored for one task at the same moment both may stay in lists and counts, and `get` returns the
                one that finished later. Default: none.

        Raises:
            OmniQError: For a result that cannot be stored; nothing is written then.
            InvalidError: For a connection of another kind or to another database; nothing is sent or done then.
        """
        made = an(result, TaskResult, "result", "give a TaskResult")
        if await is_inside(connection, self._test):
            await execute_in(connection, self._core.store_statement([made]))
        else:
            await run(self._core.store(made))

    async def store_many(self, results: Sequence[TaskResult], *, connection: Any = None) -> None:
        """Stores results, all or none. Of two for the same task in one call the later one is kept.

        Args:
            results: The results.
            connection: As for `store`. Default: none.
        """
        made = all_of(results, TaskResult, "results", "give TaskResults")
        if await is_inside(connection, self._test):
            await execute_in(connection, self._core.store_statement(made))
        else:
            await run(self._core.store_many(made))

    async def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        return await run(self._core.get_many(many_ids(ids)))

    async def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        return await await_runs(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    async def delete_many(self, ids: Sequence[UUID]) -> int:
        return await run(self._core.delete_many(many_ids(ids)))

    async def list(
        self,
        *,
        status: ResultStatus | StatusName | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        limit: int | None = None,
    ) -> builtins.list[TaskResult]:
        return await run(self._core.list(ResultFilter(status, queue, func, error, since, until, after, limit)))

    async def iterate(
        self,
        *,
        status: ResultStatus | StatusName | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: tuple[datetime, UUID] | None = None,
        page: int = 1_000,
    ) -> AsyncIterator[TaskResult]:
        """All results that the filter selects, the latest finished first, read a page at a time. Those that finish
        meanwhile do not come.

        Args:
            status: With this status. Default: any, as for `queue`, `func`, `error`, `since` and `until`.
            queue: Of this queue.
            func: Of this function.
            error: With an error of this type; with ``*`` at the end, of a type that begins so.
            since: Finished at or after this time.
            until: Finished before this time.
            after: After this (finished_at, task_id). Default: from the latest result.
            page: How many results are read at a time, 1 to 10,000. Default: 1,000.
        """
        size = a_number(page, "page", 1, 10_000)
        while True:
            found = await self.list(
                status=status, queue=queue, func=func, error=error, since=since, until=until, after=after, limit=size
            )
            for result in found:
                yield result
            if len(found) < size:
                return
            after = (found[-1].finished_at, found[-1].task_id)

    async def count(
        self,
        *,
        status: ResultStatus | StatusName | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        return await run(self._core.count(ResultFilter(status, queue, func, error, since, until)))

    async def purge_expired(self, limit: int) -> int:
        return await run(self._core.purge_expired(a_number(limit, "limit")))

    async def close(self) -> None:
        await run(self._core.close())
