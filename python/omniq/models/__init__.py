"""The models: the values that users and all parts of the library exchange."""

from __future__ import annotations

from omniq.models.backoff import Backoff
from omniq.models.enums import Cancelled, EventKind, ResultStatus, Settled, TaskState
from omniq.models.event import QueueStats, TaskEvent
from omniq.models.filter import EventFilter, ResultFilter, TaskFilter
from omniq.models.payload import Payload
from omniq.models.result import TaskResult
from omniq.models.schedule import At, Cron, Every, Schedule, Timing
from omniq.models.settlement import Outcome, Settlement
from omniq.models.task import Claim, NewTask, Task, TaskError, TaskUpdate
from omniq.models.worker import CancelCounts, RegisteredWorker

__all__ = [
    "At",
    "Backoff",
    "CancelCounts",
    "Cancelled",
    "Claim",
    "Cron",
    "EventFilter",
    "EventKind",
    "Every",
    "NewTask",
    "Outcome",
    "Payload",
    "QueueStats",
    "RegisteredWorker",
    "ResultFilter",
    "ResultStatus",
    "Schedule",
    "Settled",
    "Settlement",
    "Task",
    "TaskError",
    "TaskEvent",
    "TaskFilter",
    "TaskResult",
    "TaskState",
    "TaskUpdate",
    "Timing",
]
