"""The models: the values that users and all parts of the library exchange."""

from __future__ import annotations

from omniq.models.backoff import Backoff
from omniq.models.callback import Callback
from omniq.models.ended import Ended
from omniq.models.enums import Cancelled, EventKind, ResultStatus, Settled, TaskState
from omniq.models.event import QueueStats, TaskEvent
from omniq.models.filter import EventFilter, ResultFilter, ScheduleFilter, TaskFilter
from omniq.models.payload import Payload
from omniq.models.predecessor import Predecessor, Predecessors
from omniq.models.result import TaskResult
from omniq.models.schedule import At, Cron, Every, Missed, SavedSchedule, Schedule, Tick, Timing
from omniq.models.settlement import Outcome, Settlement
from omniq.models.task import Claim, NewTask, Task, TaskError, TaskUpdate
from omniq.models.unique import Enqueued, Unique
from omniq.models.worker import CancelCounts, RegisteredWorker

__all__ = [
    "At",
    "Backoff",
    "Callback",
    "CancelCounts",
    "Cancelled",
    "Claim",
    "Cron",
    "Ended",
    "Enqueued",
    "EventFilter",
    "EventKind",
    "Every",
    "Missed",
    "NewTask",
    "Outcome",
    "Payload",
    "Predecessor",
    "Predecessors",
    "QueueStats",
    "RegisteredWorker",
    "ResultFilter",
    "ResultStatus",
    "SavedSchedule",
    "Schedule",
    "ScheduleFilter",
    "Settled",
    "Settlement",
    "Task",
    "TaskError",
    "TaskEvent",
    "TaskFilter",
    "TaskResult",
    "TaskState",
    "TaskUpdate",
    "Tick",
    "Timing",
    "Unique",
]
