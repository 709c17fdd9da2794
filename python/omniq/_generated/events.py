"""The event storage's interface, blocking: made from `events.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

from omniq import _omniq
from omniq._given import a_number, all_of, an
from omniq._loop import wait
from omniq.models import EventFilter, TaskEvent
from omniq.storage.base.common import Storage, required

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EventStorage"]


class EventStorage(Storage):
    """A log of events that are only ever added, until they are too old.

    Every call is durable once it has returned. Bulk calls are all or nothing.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with the methods that are marked as required; the others are made from them.
    """

    _core: _omniq.Events

    def _custom(self) -> _omniq.Events:
        return _omniq.Events.custom(self, False)

    def connect_sync(self) -> Self:
        """Connects unless it is connected, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    connect = connect_sync

    def log_sync(self, event: TaskEvent) -> None:
        """Adds an event.

        Raises:
            InvalidError: For an event that cannot be stored; nothing is written then.
        """
        wait(self._core.log(an(event, TaskEvent, "event", "give a TaskEvent")))

    log = log_sync

    @required
    def log_many_sync(self, events: Sequence[TaskEvent]) -> None:
        """Adds events, all or none; they keep their order. Required."""
        wait(self._core.log_many(all_of(events, TaskEvent, "events", "give TaskEvents")))

    log_many = log_many_sync

    @required
    def query_sync(
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
        """The events that the filter selects, in the order in which they were accepted. Required.

        Args:
            task_id: About this task. Default: any, as for the other arguments.
            kind: Of this kind.
            queue: Of this queue.
            worker: Of the worker with this name.
            since: At or after this time.
            until: Before this time.
            after: After the event with this id, for paging: that of the last event of the previous page.
            latest: Selects the last events instead of the first ones; the order stays ascending.
            limit: The page size. Default: 100.
        """
        made = EventFilter(task_id, kind, queue, worker, since, until, after, latest, limit)
        return wait(self._core.query(made))

    query = query_sync

    @required
    def count_sync(
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
        """How many events the filter selects; the arguments are those of `query`. Required."""
        return wait(self._core.count(EventFilter(task_id, kind, queue, worker, since, until, after)))

    count = count_sync

    @required
    def purge_sync(self, before: datetime, limit: int) -> int:
        """Removes events from before this time, at most `limit`; returns how many. Required."""
        return wait(self._core.purge(before, a_number(limit, "limit")))

    purge = purge_sync

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
