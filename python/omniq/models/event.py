"""Events of tasks, and the counts of queues."""

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
    """One event. Events are only ever added. All times are in UTC.

    Args:
        kind (str): What happened: an `EventKind`, or a user-defined text of 1 to 128 bytes.
        task_id (UUID | None): The task, if the event is about one. Default: none.
        queue (str | None): The task's queue. Default: none.
        func (str | None): The task's function. Default: none.
        worker (str | None): The worker's name. Default: none.
        attempt (int | None): The attempt: the number of the run. Default: none.
        data (dict[str, Any]): Further values, such as ``error`` (an object with ``type`` and ``message``) or ``delay``
            (seconds). Default: an empty one.
        at (datetime): When it happened. Default: now.
        id (int): The position in the storage's order, assigned by the storage; 0 before. Default: 0.
    """

    #: What happened: an `EventKind`, or a user-defined text of 1 to 128 bytes.
    kind: str
    #: The task, if the event is about one. Default: none.
    task_id: UUID | None = None
    #: The task's queue. Default: none.
    queue: str | None = None
    #: The task's function. Default: none.
    func: str | None = None
    #: The worker's name. Default: none.
    worker: str | None = None
    #: The attempt: the number of the run. Default: none.
    attempt: int | None = None
    #: Further values, such as ``error`` (an object with ``type`` and ``message``) or ``delay`` (seconds). Default: an empty one.
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    #: When it happened. Default: now.
    at: datetime = msgspec.field(default_factory=_now)
    #: The position in the storage's order, assigned by the storage; 0 before. Default: 0.
    id: int = 0

    def __hash__(self) -> int:
        return hash((self.id, self.at, self.kind))


class QueueStats(Model, frozen=True):
    """The counts of one queue.

    Args:
        name (str): Its name.
        paused (bool): Whether claims are paused.
        ready (int): Tasks that may be claimed.
        scheduled (int): Tasks that wait for their start time.
        running (int): Tasks held by workers.
        dead (int): Dead letters.
        completed (int): Completed tasks that are kept.
        blocked (int): Tasks that wait for others to end. Default: 0.
    """

    #: Its name.
    name: str
    #: Whether claims are paused.
    paused: bool
    #: Tasks that may be claimed.
    ready: int
    #: Tasks that wait for their start time.
    scheduled: int
    #: Tasks held by workers.
    running: int
    #: Dead letters.
    dead: int
    #: Completed tasks that are kept.
    completed: int
    #: Tasks that wait for others to end. Default: 0.
    blocked: int = 0
