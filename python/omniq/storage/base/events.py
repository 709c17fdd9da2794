"""The event storage's interface, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

from omniq import _omniq
from omniq._given import a_number, all_of, an
from omniq._loop import run
from omniq.models import EventFilter, TaskEvent
from omniq.storage.base.common import Storage, required

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncEventStorage"]


class AsyncEventStorage(Storage):
    """A log of events that are only ever added, until they are too old.

    Every call is durable once it has returned. Bulk calls are all or nothing.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with the methods that are marked as required; the others are made from them.
    """

    _core: _omniq.Events

    def _custom(self) -> _omniq.Events:
        return _omniq.Events.custom(self, True)

    async def connect(self) -> Self:
        """Connects unless it is connected, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        await run(self._core.connect())
        return self

    async def log(self, event: TaskEvent) -> None:
        """Adds an event.

        Raises:
            InvalidError: For an event that cannot be stored; nothing is written then.
        """
        await run(self._core.log(an(event, TaskEvent, "event", "give a TaskEvent")))

    @required
    async def log_many(self, events: Sequence[TaskEvent]) -> None:
        """Adds events, all or none; they keep their order. Required."""
        await run(self._core.log_many(all_of(events, TaskEvent, "events", "give TaskEvents")))

    @required
    async def query(
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
        return await run(self._core.query(made))

    @required
    async def count(
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
        return await run(self._core.count(EventFilter(task_id, kind, queue, worker, since, until, after)))

    @required
    async def purge(self, before: datetime, limit: int) -> int:
        """Removes events from before this time, at most `limit`; returns how many. Required."""
        return await run(self._core.purge(before, a_number(limit, "limit")))

    @required
    async def close(self) -> None:
        """Frees the connections. Required.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """
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
