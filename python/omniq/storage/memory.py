"""The storages in this process: the same behaviour as PostgreSQL's, gone when the process ends.

For tests, for trying things out, and for results or events that need not last. A forked child cannot use its parent's.
"""

from __future__ import annotations

from datetime import timedelta

from omniq import _omniq
from omniq.settings import Settings, check_writing
from omniq.storage.base import (
    AsyncEventStorage,
    AsyncResultStorage,
    AsyncTaskQueue,
    EventStorage,
    ResultStorage,
    TaskQueue,
)

__all__ = [
    "AsyncMemoryEventStorage",
    "AsyncMemoryQueue",
    "AsyncMemoryResultStorage",
    "MemoryEventStorage",
    "MemoryQueue",
    "MemoryResultStorage",
]


class _Queue:
    _core: _omniq.Queue

    def __init__(
        self,
        *,
        max_payload: int = 16 * 1024 * 1024,
        keep_completed: bool = False,
        completed_ttl: float | timedelta | None = 7 * 24 * 3600,
        dead_ttl: float | timedelta | None = None,
        lease: float | timedelta = 10,
        codec: str = "json",
        allow_pickle: bool = False,
    ) -> None:
        """An empty queue.

        Args:
            max_payload: The largest payload of a task, in bytes.
            keep_completed: Whether completed tasks stay.
            completed_ttl: How long completed tasks stay if they do; ``None``: without end. Default: 7 days.
            dead_ttl: How long dead letters stay; ``None``: without end.
            lease: How long a worker's claim holds without a heartbeat.
            codec: How arguments are written where a call does not say it.
            allow_pickle: Whether payloads may be written and read by pickle and dill.
        """
        check_writing(codec, allow_pickle)
        settings = Settings(
            max_payload=max_payload,
            keep_completed=keep_completed,
            completed_ttl=completed_ttl,
            dead_ttl=dead_ttl,
            lease=lease,
        )
        self._core = _omniq.Queue.memory(settings._core, codec, allow_pickle)


class _Results:
    _core: _omniq.Results

    def __init__(self, *, allow_pickle: bool = False) -> None:
        """An empty storage. `allow_pickle`: whether payloads may be read by pickle and dill."""
        check_writing("json", allow_pickle)
        self._core = _omniq.Results.memory(allow_pickle)


class _Events:
    _core: _omniq.Events

    def __init__(self) -> None:
        """An empty storage."""
        self._core = _omniq.Events.memory()


class AsyncMemoryQueue(_Queue, AsyncTaskQueue, native=True):
    """The task queue in memory, for event loops."""


class MemoryQueue(_Queue, TaskQueue, native=True):
    """The task queue in memory, blocking."""


class AsyncMemoryResultStorage(_Results, AsyncResultStorage, native=True):
    """The result storage in memory, for event loops."""


class MemoryResultStorage(_Results, ResultStorage, native=True):
    """The result storage in memory, blocking."""


class AsyncMemoryEventStorage(_Events, AsyncEventStorage, native=True):
    """The event storage in memory, for event loops."""


class MemoryEventStorage(_Events, EventStorage, native=True):
    """The event storage in memory, blocking."""
