"""The event storage's interface, blocking: made from `events.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from uuid import UUID

from omniq import _omniq
from omniq._checks import an
from omniq._loop import wait
from omniq.models import TaskEvent
from omniq.storage.common import Storage

__all__ = ["EventStorage"]


class EventStorage(Storage):
    """A log of events that are only ever added, until they are too old.

    Every call is durable once it has returned. Bulk calls are all or nothing.

    It connects on entry of its ``with`` block, by `connect`, or at first use. For a custom storage, write a subclass
    with its abstract methods, which are marked as required; the others are made from them.
    """

    @cached_property
    def _core(self) -> _omniq.Events:
        # Two threads may come here at once, and must have the same handle.
        core: _omniq.Events = vars(self).setdefault("_core", _omniq.Events.custom(self, False))
        return core

    def log(self, event: TaskEvent) -> None:
        """Adds an event.

        Raises:
            InvalidError: For an event that cannot be stored; nothing is written then.
        """
        wait(self._core.log(an(event, TaskEvent, "event", "give a TaskEvent")))

    log_sync = log

    @abstractmethod
    def log_many(self, events: Sequence[TaskEvent]) -> None:
        """Adds events, all or none; they keep their order."""

    log_many_sync = log_many

    @abstractmethod
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

    query_sync = query

    @abstractmethod
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
        """How many events the filter selects; the arguments are those of `query`."""

    count_sync = count

    @abstractmethod
    def purge(self, before: datetime, limit: int) -> int:
        """Removes events from before this time, at most `limit`; returns how many."""

    purge_sync = purge
