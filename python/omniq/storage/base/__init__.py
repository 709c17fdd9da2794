"""The interfaces of the storages. Subclass one for a custom storage."""

from __future__ import annotations

from omniq.storage.base.blocking_events import EventStorage
from omniq.storage.base.blocking_queue import TaskQueue
from omniq.storage.base.blocking_results import ResultStorage
from omniq.storage.base.events import AsyncEventStorage
from omniq.storage.base.queue import AsyncTaskQueue
from omniq.storage.base.results import AsyncResultStorage

__all__ = [
    "AsyncEventStorage",
    "AsyncResultStorage",
    "AsyncTaskQueue",
    "EventStorage",
    "ResultStorage",
    "TaskQueue",
]
