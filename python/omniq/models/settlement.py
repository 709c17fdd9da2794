"""The end of a run: what came of it, with all that is to be written in the same breath."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec

from omniq.models.base import Model
from omniq.models.event import TaskEvent
from omniq.models.result import TaskResult
from omniq.models.task import Claim, TaskError

__all__ = ["Outcome", "Settlement"]


class Outcome(Model, frozen=True):
    """What came of a run, or of a task that no worker held."""

    #: ``fail`` makes a dead letter, ``retry_later`` and ``snooze`` make the task run again after `delay`; ``release``
    #: hands it back; after the others it leaves the queue.
    kind: Literal["complete", "fail", "retry_later", "release", "snooze", "cancel", "discard", "expire"]
    #: The wait, for ``retry_later`` and ``snooze``. Default: none.
    delay: timedelta | None = None
    #: Why, for ``fail`` and ``retry_later``.
    error: TaskError | None = None


class Settlement(Model, frozen=True):
    """One task to be settled."""

    #: The task.
    task_id: UUID
    #: The claim that must still hold; ``None``: no worker may hold the task.
    claim: Claim | None
    #: What came of it.
    outcome: Outcome
    #: The result to store, if results are on.
    result: TaskResult | None = None
    #: The events to log, if events are on.
    events: list[TaskEvent] = msgspec.field(default_factory=list)
