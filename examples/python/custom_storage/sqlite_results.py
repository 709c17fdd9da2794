"""A custom result storage: results in a SQLite file, tasks still in PostgreSQL."""

from __future__ import annotations

import builtins
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from omniq import TaskResult, errors
from omniq.models import ResultStatus
from omniq.storage.base import ResultStorage

TABLE = """
create table if not exists results (
    task_id text primary key, status text, queue text, func text, finished_at real, expires_at real, record text)
"""
FITS = """
from results
where (expires_at is null or expires_at > :now)
  and (:status is null or status = :status)
  and (:queue is null or queue = :queue)
  and (:func is null or func = :func)
  and (:error is null or json_extract(record, '$.error.type') = :error
       or :error like '%*' and substr(json_extract(record, '$.error.type'), 1, length(:error) - 1) || '*' = :error)
  and (:since is null or finished_at >= :since)
  and (:until is null or finished_at < :until)
"""
PAGE = f"""
select record {FITS}
  and (:at is null or finished_at < :at or (finished_at = :at and task_id < :id))
order by finished_at desc, task_id desc limit :limit
"""


class SqliteResults(ResultStorage):
    """OmniQ calls it from several threads, so there is a lock around the connection."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute(TABLE)

    def _run(self, sql: str, *rows: Any) -> tuple[builtins.list[Any], int]:
        """Runs the statement once for each row, all or none. Returns what it found, and how many rows it changed."""
        with self._lock:
            if self._closed:
                raise errors.ClosedError("the SQLite storage is closed")
            with self._db:
                before = self._db.total_changes
                found = [one for row in rows for one in self._db.execute(sql, row).fetchall()]
                return found, self._db.total_changes - before

    def store_many(self, results: Sequence[TaskResult]) -> None:
        rows = []
        for result in results:
            ends = None if result.ttl is None else datetime.now(timezone.utc) + result.ttl
            kept = result.replace(ttl=None, expires_at=ends)
            record = json.dumps(kept.to_dict())
            times = (kept.finished_at.timestamp(), ends and ends.timestamp())
            rows.append((str(kept.task_id), str(kept.status), kept.queue, kept.func, *times, record))
        self._run("insert or replace into results values (?, ?, ?, ?, ?, ?, ?)", *rows)

    def get_many(self, ids: Sequence[UUID]) -> builtins.list[TaskResult | None]:
        sql = "select record from results where task_id = ? and (expires_at is null or expires_at > ?)"
        found, _ = self._run(sql, *((str(id), time.time()) for id in ids))
        by_id = {result.task_id: result for result in map(_result, found)}
        return [by_id.get(id) for id in ids]

    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        end = time.monotonic() + seconds
        while (found := self.get_many([id])[0]) is None:
            if time.monotonic() >= end:
                raise errors.TimeoutError(f"no result of task {id} within {seconds} s")
            time.sleep(0.02)
        return found

    def delete_many(self, ids: Sequence[UUID]) -> int:
        sql = "delete from results where task_id = ? and (expires_at is null or expires_at > ?)"
        return self._run(sql, *((str(id), time.time()) for id in ids))[1]

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
        which = _which(status, queue, func, error, since, until)
        at, id = after if after is not None else (None, None)
        page = {"at": at and at.timestamp(), "id": id and str(id), "limit": 100 if limit is None else limit}
        return [_result(row) for row in self._run(PAGE, which | page)[0]]

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
        [(count,)], _ = self._run(f"select count(*) {FITS}", _which(status, queue, func, error, since, until))
        return int(count)

    def purge_expired(self, limit: int) -> int:
        over = "select task_id from results where expires_at <= ? limit ?"
        return self._run(f"delete from results where task_id in ({over})", (time.time(), limit))[1]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._db.close()


def _result(row: tuple[str]) -> TaskResult:
    return TaskResult.from_dict(json.loads(row[0]))


def _which(
    status: ResultStatus | None,
    queue: str | None,
    func: str | None,
    error: str | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, str | float | None]:
    return {
        "now": time.time(),
        "status": status and str(status),
        "queue": queue,
        "func": func,
        "error": error,
        "since": None if since is None else since.timestamp(),
        "until": None if until is None else until.timestamp(),
    }
