"""The interfaces of the storages. Subclass one for a custom storage."""

from __future__ import annotations

from omniq._generated.events import EventStorage
from omniq._generated.queue import TaskQueue
from omniq._generated.results import ResultStorage
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
