"""Applications: tasks as functions, enqueued with a call's arguments, run by workers."""

from omniq.app.application import AsyncOmniQ, OmniQ
from omniq.app.around_enqueue import EnqueueCall
from omniq.app.context import Context
from omniq.app.depends import Depends, injected
from omniq.app.exceptions import Discard, Fail, Retry, Snooze, SoftTimeout, TaskFailed
from omniq.app.function import AsyncTaskFunction, TaskFunction
from omniq.app.group import AsyncTaskGroup, TaskGroup
from omniq.app.handle import AsyncHandle, Handle
from omniq.app.options import CallOptions, ScheduleOptions, TaskDefaults, TaskOptions
from omniq.app.schedules import AsyncSchedules, Schedules
from omniq.app.waiting import as_completed, as_completed_sync, gather, gather_sync
from omniq.worker import AsyncWorker, Worker, WorkerOptions
from omniq.worker.run import StopReason

__all__ = [
    "AsyncHandle",
    "AsyncOmniQ",
    "AsyncSchedules",
    "AsyncTaskFunction",
    "AsyncTaskGroup",
    "AsyncWorker",
    "CallOptions",
    "Context",
    "Depends",
    "Discard",
    "EnqueueCall",
    "Fail",
    "Handle",
    "OmniQ",
    "Retry",
    "ScheduleOptions",
    "Schedules",
    "Snooze",
    "SoftTimeout",
    "StopReason",
    "TaskDefaults",
    "TaskFailed",
    "TaskFunction",
    "TaskGroup",
    "TaskOptions",
    "Worker",
    "WorkerOptions",
    "as_completed",
    "as_completed_sync",
    "gather",
    "gather_sync",
    "injected",
]
