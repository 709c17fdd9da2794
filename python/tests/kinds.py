"""The implementations that the conformance suite runs against, each under its async interface."""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
import written
from sqlite_results import SqliteResults

from omniq._generated.native_queue import NativeQueue
from omniq._generated.native_results import NativeResultStorage
from omniq.storage import memory, postgres
from omniq.storage.native import AsyncNativeEventStorage, AsyncNativeQueue, AsyncNativeResultStorage


class OffTheLoop:
    """A blocking object with the async interface: each verb calls its `_sync` method in a worker thread."""

    def __init__(self, blocking: Any) -> None:
        self.blocking = blocking

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.blocking, f"{name}_sync")

        async def call(*args: Any, **named: Any) -> Any:
            return await anyio.to_thread.run_sync(functools.partial(verb, *args, **named))

        return call


def seen_by_rust(storage: Any, native: Any) -> Any:
    """A custom storage as the Rust side sees it: every verb goes to the Rust side first, then to the storage."""
    view = native(storage._core)
    # Keeps the storage alive, which the handle does not.
    view.kept = storage
    return view


QUEUES: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresQueue,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresQueue(url)),
    "memory": lambda url: memory.AsyncMemoryQueue(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryQueue()),
    "python": lambda url: seen_by_rust(written.ProxyQueue(), AsyncNativeQueue),
    "python-blocking": lambda url: OffTheLoop(seen_by_rust(written.BlockingProxyQueue(), NativeQueue)),
}
RESULTS: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresResultStorage,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresResultStorage(url)),
    "memory": lambda url: memory.AsyncMemoryResultStorage(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryResultStorage()),
    "python": lambda url: seen_by_rust(written.DictResults(), AsyncNativeResultStorage),
    "python-blocking": lambda url: OffTheLoop(seen_by_rust(written.BlockingDictResults(), NativeResultStorage)),
    # The storage of the examples.
    "sqlite": lambda url: OffTheLoop(seen_by_rust(SqliteResults(":memory:"), NativeResultStorage)),
}
EVENTS: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresEventStorage,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresEventStorage(url)),
    "memory": lambda url: memory.AsyncMemoryEventStorage(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryEventStorage()),
    "python": lambda url: seen_by_rust(written.ListEvents(), AsyncNativeEventStorage),
}
