"""The result storage whose verbs are all in Rust, blocking: made from `results.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_number, a_span, all_of, an, an_id, many_ids
from omniq._loop import wait, wait_for_runs
from omniq.models import ResultFilter, ResultStatus, TaskResult
from omniq.models.enums import StatusName
from omniq.storage.base import ResultStorage
from omniq.transaction import execute_in_sync, is_inside_sync
from omniq.transaction.send import InTest

__all__ = ["NativeResultStorage"]


class NativeResultStorage(ResultStorage):
    """A result storage in Rust."""

    #: As for a queue.
    _test: InTest | None = None

    def __init__(self, core: _omniq.Results) -> None:
        self._core = core

    def store(self, result: TaskResult, *, connection: Any = None) -> None:
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
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.store_statement([made]))
        else:
            wait(self._core.store(made))

    store_sync = store

    def store_many(self, results: Sequence[TaskResult], *, connection: Any = None) -> None:
        """Stores results, all or none. Of two for the same task in one call the later one is kept.

        Args:
            results: The results.
            connection: As for `store`. Default: none.
        """
        made = all_of(results, TaskResult, "results", "give TaskResults")
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.store_statement(made))
        else:
            wait(self._core.store_many(made))

    store_many_sync = store_many

    def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        return wait(self._core.get_many(many_ids(ids)))

    get_many_sync = get_many

    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        return wait_for_runs(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    wait_sync = wait

    def delete_many(self, ids: Sequence[UUID]) -> int:
        return wait(self._core.delete_many(many_ids(ids)))

    delete_many_sync = delete_many

    def list(
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
        return wait(self._core.list(ResultFilter(status, queue, func, error, since, until, after, limit)))

    list_sync = list

    def iterate(
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
    ) -> Iterator[TaskResult]:
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
            found = self.list(
                status=status, queue=queue, func=func, error=error, since=since, until=until, after=after, limit=size
            )
            yield from found
            if len(found) < size:
                return
            after = (found[-1].finished_at, found[-1].task_id)

    iterate_sync = iterate

    def count(
        self,
        *,
        status: ResultStatus | StatusName | None = None,
        queue: str | None = None,
        func: str | None = None,
        error: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        return wait(self._core.count(ResultFilter(status, queue, func, error, since, until)))

    count_sync = count

    def purge_expired(self, limit: int) -> int:
        return wait(self._core.purge_expired(a_number(limit, "limit")))

    purge_expired_sync = purge_expired

    def close(self) -> None:
        wait(self._core.close())

    close_sync = close
