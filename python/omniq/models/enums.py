"""The enumerations: states, statuses, kinds and answers. Each value is a `str`, equal to its name."""

from __future__ import annotations

from enum import Enum
from typing import Literal

__all__ = ["Cancelled", "EventKind", "ResultStatus", "Settled", "TaskState"]

#: The states and statuses by name, for arguments that take either.
StateName = Literal[
    "blocked", "scheduled", "ready", "running", "dead", "completed", "cancelled", "expired", "discarded"
]
StatusName = Literal["completed", "failed", "cancelled", "expired", "discarded"]


class _Name(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class TaskState(_Name):
    """The state of a task."""

    #: Waits for other tasks to end.
    BLOCKED = "blocked"
    #: Waits for its start time (first run, retry or snooze).
    SCHEDULED = "scheduled"
    #: May be claimed.
    READY = "ready"
    #: Held by a worker.
    RUNNING = "running"
    #: Failed for good; stays as a dead letter until it is retried, deleted or purged.
    DEAD = "dead"
    #: Completed. Kept in the queue only if the queue was set to keep completed tasks.
    COMPLETED = "completed"
    #: Cancelled before its end. Not kept.
    CANCELLED = "cancelled"
    #: Not started within its time to live. Not kept.
    EXPIRED = "expired"
    #: Dropped by its handler. Not kept.
    DISCARDED = "discarded"


class ResultStatus(_Name):
    """How a task ended."""

    #: The handler returned a value.
    COMPLETED = "completed"
    #: The task failed for good.
    FAILED = "failed"
    #: The task was cancelled.
    CANCELLED = "cancelled"
    #: The task was not started within its time to live.
    EXPIRED = "expired"
    #: The task's handler dropped it.
    DISCARDED = "discarded"


class EventKind(_Name):
    """The kinds of events that OmniQ logs by itself; any other text of 1 to 128 bytes is a user-defined kind."""

    #: The task was enqueued.
    ENQUEUED = "enqueued"
    #: A run began.
    STARTED = "started"
    #: The task completed.
    COMPLETED = "completed"
    #: The task failed for good.
    FAILED = "failed"
    #: A run failed; another will follow.
    RETRIED = "retried"
    #: The task was released; the attempt does not count.
    RELEASED = "released"
    #: The task was postponed; the attempt does not count.
    SNOOZED = "snoozed"
    #: The task was cancelled.
    CANCELLED = "cancelled"
    #: The task was not started within its time to live.
    EXPIRED = "expired"
    #: The task was dropped by its handler.
    DISCARDED = "discarded"
    #: The task's worker was lost; the task was taken back.
    RESCUED = "rescued"


class Cancelled(_Name):
    """The answer to a cancel."""

    #: The task was cancelled.
    DONE = "done"
    #: The task is running; its worker has been asked to stop it.
    REQUESTED = "requested"
    #: No task with this id is waiting or running.
    NOT_FOUND = "not_found"


class Settled(_Name):
    """The answer to one settlement."""

    #: Written.
    DONE = "done"
    #: The claim no longer held; nothing was changed.
    LOST = "lost"
    #: The claim holds, but another session has locked the task's row; nothing was changed. The same call can succeed
    #: later.
    BUSY = "busy"
