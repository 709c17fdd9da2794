"""The event storage whose verbs are all in Rust, blocking: made from `events.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_number, all_of, an
from omniq._loop import wait
from omniq.models import EventFilter, TaskEvent
from omniq.storage.base import EventStorage
from omniq.transaction import execute_in_sync, is_inside_sync
from omniq.transaction.send import InTest

__all__ = ["NativeEventStorage"]


class NativeEventStorage(EventStorage):
    """An event storage in Rust."""

    #: As for a queue.
    _test: InTest | None = None

    def __init__(self, core: _omniq.Events) -> None:
        self._core = core

    def log(self, event: TaskEvent, *, connection: Any = None) -> None:
        """Adds an event.

        Args:
            event: The event.
            connection: Your open connection to the storage's database, of asyncpg, psycopg, SQLAlchemy or Django. The
                event is added in its transaction: a commit makes it visible, a rollback leaves nothing. Default: none.

        Raises:
            InvalidError: For bad data, and for a connection of another kind or to another database; nothing is written
                then.
        """
        made = an(event, TaskEvent, "event", "give a TaskEvent")
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.log_statement([made]))
        else:
            wait(self._core.log(made))

    log_sync = log

    def log_many(self, events: Sequence[TaskEvent], *, connection: Any = None) -> None:
        """Adds events, all or none; they keep their order.

        Args:
            events: The events.
            connection: As for `log`. Default: none.
        """
        made = all_of(events, TaskEvent, "events", "give TaskEvents")
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.log_statement(made))
        else:
            wait(self._core.log_many(made))

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

    def iterate(
        self,
        *,
        task_id: UUID | None = None,
        kind: str | None = None,
        queue: str | None = None,
        worker: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        page: int = 1_000,
    ) -> Iterator[TaskEvent]:
        """All events that the filter selects, in order, read a page at a time. It ends when there are no more; to follow a
        log, go on with `after`.

        Args:
            task_id: About this task. Default: any, as for the other arguments.
            kind: Of this kind.
            queue: Of this queue.
            worker: Of the worker with this name.
            since: At or after this time.
            until: Before this time.
            after: After the event with this id.
            page: How many events are read at a time, 1 to 10,000. Default: 1,000.
        """
        size = a_number(page, "page", 1, 10_000)
        while True:
            found = self.query(
                task_id=task_id,
                kind=kind,
                queue=queue,
                worker=worker,
                since=since,
                until=until,
                after=after,
                limit=size,
            )
            yield from found
            if len(found) < size:
                return
            after = found[-1].id

    iterate_sync = iterate

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
