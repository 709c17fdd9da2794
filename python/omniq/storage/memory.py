"""The storages in this process's memory. They behave as those on PostgreSQL, and are lost when the process ends.

For tests, for first trials, and for results or events that need not last. A forked child cannot use its parent's
storages.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from omniq import _omniq
from omniq._generated.native_events import NativeEventStorage
from omniq._generated.native_queue import NativeQueue
from omniq._generated.native_results import NativeResultStorage
from omniq.settings import Settings, check_writing
from omniq.storage.native import AsyncNativeEventStorage, AsyncNativeQueue, AsyncNativeResultStorage

__all__ = [
    "AsyncMemoryEventStorage",
    "AsyncMemoryQueue",
    "AsyncMemoryResultStorage",
    "MemoryEventStorage",
    "MemoryQueue",
    "MemoryResultStorage",
]


class _Queue:
    _core: Any

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
        """Makes an empty queue. Spans are in seconds or `timedelta`.

        Args:
            max_payload: The largest payload of a task, in bytes, up to 1,000,000,000. Default: 16 MiB.
            keep_completed: Whether completed tasks stay. Default: false.
            completed_ttl: How long completed tasks stay if `keep_completed` is on, in seconds or as `timedelta`; ``None``:
                without end. Default: 7 days.
            dead_ttl: How long dead letters stay, in seconds or as `timedelta`; ``None``: without end. Default: ``None``.
            lease: How long a worker's claim holds without a heartbeat, in seconds or as `timedelta`, at least 0.1 seconds.
                Default: 10 seconds.
            codec: The codec of arguments if a call names none. Default: ``"json"``.
            allow_pickle: Whether payloads may be encoded and decoded by pickle and dill, which run code when they
                decode. Default: false.

        Raises:
            ConfigError: For a bad setting, naming it.
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
    _core: Any

    def __init__(self, *, allow_pickle: bool = False) -> None:
        """Makes an empty storage.

        Args:
            allow_pickle: Whether payloads may be decoded by pickle and dill, which run code when they decode. Default:
                false.
        """
        check_writing("json", allow_pickle)
        self._core = _omniq.Results.memory(allow_pickle)


class _Events:
    _core: Any

    def __init__(self) -> None:
        """Makes an empty storage."""
        self._core = _omniq.Events.memory()


class AsyncMemoryQueue(_Queue, AsyncNativeQueue):
    """The task queue in memory, for event loops."""


class MemoryQueue(_Queue, NativeQueue):
    """The task queue in memory, blocking."""


class AsyncMemoryResultStorage(_Results, AsyncNativeResultStorage):
    """The result storage in memory, for event loops."""


class MemoryResultStorage(_Results, NativeResultStorage):
    """The result storage in memory, blocking."""


class AsyncMemoryEventStorage(_Events, AsyncNativeEventStorage):
    """The event storage in memory, for event loops."""


class MemoryEventStorage(_Events, NativeEventStorage):
    """The event storage in memory, blocking."""
