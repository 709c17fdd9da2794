"""The event storage's interface, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from uuid import UUID

from omniq import _omniq
from omniq._checks import an
from omniq._loop import run
from omniq.models import TaskEvent
from omniq.storage.common import AsyncStorage

__all__ = ["AsyncEventStorage"]


class AsyncEventStorage(AsyncStorage):
    """A log of events that are only ever added, until they are too old.

    Every call is durable once it has returned. Bulk calls are all or nothing.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with its abstract methods, which are marked as required; the others are made from them.
    """

    @cached_property
    def _core(self) -> _omniq.Events:
        # Two threads may come here at once, and must have the same handle.
        core: _omniq.Events = vars(self).setdefault("_core", _omniq.Events.custom(self, True))
        return core

    async def log(self, event: TaskEvent) -> None:
        """Adds an event.

        Raises:
            InvalidError: For an event that cannot be stored; nothing is written then.
        """
        await run(self._core.log(an(event, TaskEvent, "event", "give a TaskEvent")))

    @abstractmethod
    async def log_many(self, events: Sequence[TaskEvent]) -> None:
        """Adds events, all or none; they keep their order."""

    @abstractmethod
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
        """The events that the filter selects, in the order in which they were accepted.

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

    @abstractmethod
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
        """How many events the filter selects; the arguments are those of `query`."""

    @abstractmethod
    async def purge(self, before: datetime, limit: int) -> int:
        """Removes events from before this time, at most `limit`; returns how many."""
