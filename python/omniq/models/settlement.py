"""The end of a run: its outcome, with everything that is written in the same transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec

from omniq.models.base import Model
from omniq.models.event import TaskEvent
from omniq.models.result import TaskResult
from omniq.models.task import Claim, NewTask, TaskError

__all__ = ["Outcome", "Settlement"]


class Outcome(Model, frozen=True):
    """The outcome of a run, or of a task that no worker held.

    Args:
        kind (Literal['complete', 'fail', 'retry_later', 'release', 'snooze', 'cancel', 'discard', 'expire']):
            ``complete``: the task leaves the queue, unless the queue keeps completed tasks. ``fail``: it becomes a dead
            letter. ``retry_later``: it runs again after `delay`. ``release``: it returns to the queue; the attempt does
            not count. ``snooze``: it is postponed by `delay`; the attempt does not count. ``cancel``, ``discard``,
            ``expire``: it leaves the queue; ``expire`` holds only for tasks whose time to live has ended.
        delay (timedelta | None): The wait before the next run, for ``retry_later`` and ``snooze``, at most 100 years.
            Default: none.
        error (TaskError | None): Why, for ``fail`` and ``retry_later``. Default: none.
    """

    #: ``complete``: the task leaves the queue, unless the queue keeps completed tasks. ``fail``: it becomes a dead
    #: letter. ``retry_later``: it runs again after `delay`. ``release``: it returns to the queue; the attempt does not
    #: count. ``snooze``: it is postponed by `delay`; the attempt does not count. ``cancel``, ``discard``, ``expire``:
    #: it leaves the queue; ``expire`` holds only for tasks whose time to live has ended.
    kind: Literal["complete", "fail", "retry_later", "release", "snooze", "cancel", "discard", "expire"]
    #: The wait before the next run, for ``retry_later`` and ``snooze``, at most 100 years. Default: none.
    delay: timedelta | None = None
    #: Why, for ``fail`` and ``retry_later``. Default: none.
    error: TaskError | None = None


class Settlement(Model, frozen=True):
    """One task to settle, with everything that is written in the same transaction.

    Args:
        task_id (UUID): The task.
        claim (Claim | None): The claim that must still hold; ``None``: no worker may hold the task.
        outcome (Outcome): Its outcome.
        result (TaskResult | None): The result to store, if results are on. Default: none.
        events (list[TaskEvent]): The events to log, if events are on. Default: none.
        enqueues (list[NewTask]): The tasks to enqueue, those of callbacks, each with an id that is new. Default: none.
    """

    #: The task.
    task_id: UUID
    #: The claim that must still hold; ``None``: no worker may hold the task.
    claim: Claim | None
    #: Its outcome.
    outcome: Outcome
    #: The result to store, if results are on. Default: none.
    result: TaskResult | None = None
    #: The events to log, if events are on. Default: none.
    events: list[TaskEvent] = msgspec.field(default_factory=list)
    #: The tasks to enqueue, those of callbacks, each with an id that is new. Default: none.
    enqueues: list[NewTask] = msgspec.field(default_factory=list)
