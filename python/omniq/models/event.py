"""Events and figures: what happened, and how much there is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import msgspec

from omniq.models.base import Model

__all__ = ["QueueStats", "TaskEvent"]


def _now() -> datetime:
    return datetime.now(timezone.utc)


class TaskEvent(Model, frozen=True):
    """One thing that happened. Events are only ever added. All times are in UTC."""

    #: What happened: an `EventKind`, or any text of 1 to 128 bytes of your own.
    kind: str
    #: To which task, if to one.
    task_id: UUID | None = None
    #: The task's queue.
    queue: str | None = None
    #: The task's function.
    func: str | None = None
    #: The worker's name.
    worker: str | None = None
    #: The number of the run.
    attempt: int | None = None
    #: More, such as an error or a delay.
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    #: When it happened. Default: now.
    at: datetime = msgspec.field(default_factory=_now)
    #: The place in the storage's order, given by the storage; 0 before.
    id: int = 0

    def __hash__(self) -> int:
        return hash((self.id, self.at, self.kind))


class QueueStats(Model, frozen=True):
    """The figures of one queue."""

    #: Its name.
    name: str
    #: Whether claims are paused.
    paused: bool
    #: Tasks that may be claimed.
    ready: int
    #: Tasks that wait for their time.
    scheduled: int
    #: Tasks held by workers.
    running: int
    #: Dead letters.
    dead: int
    #: Completed tasks that are kept.
    completed: int
