"""The storages whose verbs are all in Rust, async. The storages on PostgreSQL and in memory derive from these; what a verb
does is written at its interface."""

from __future__ import annotations

from omniq.storage.native.events import AsyncNativeEventStorage
from omniq.storage.native.queue import AsyncNativeQueue
from omniq.storage.native.results import AsyncNativeResultStorage
from omniq.storage.native.schedules import AsyncNativeScheduleStorage

__all__ = ["AsyncNativeEventStorage", "AsyncNativeQueue", "AsyncNativeResultStorage", "AsyncNativeScheduleStorage"]
