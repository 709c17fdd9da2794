"""The implementations that the conformance suite runs against, each under its async interface."""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
import written

from omniq.storage import memory, postgres


class OffTheLoop:
    """A blocking object under the async interface: each verb by its `_sync` name, in a worker thread."""

    def __init__(self, blocking: Any) -> None:
        self.blocking = blocking

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.blocking, f"{name}_sync")

        async def call(*args: Any, **named: Any) -> Any:
            return await anyio.to_thread.run_sync(functools.partial(verb, *args, **named))

        return call


QUEUES: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresQueue,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresQueue(url)),
    "memory": lambda url: memory.AsyncMemoryQueue(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryQueue()),
    "python": lambda url: written.ProxyQueue(),
    "python-blocking": lambda url: OffTheLoop(written.BlockingProxyQueue()),
}
RESULTS: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresResultStorage,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresResultStorage(url)),
    "memory": lambda url: memory.AsyncMemoryResultStorage(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryResultStorage()),
    "python": lambda url: written.DictResults(),
    "python-blocking": lambda url: OffTheLoop(written.BlockingDictResults()),
}
EVENTS: dict[str, Any] = {
    "postgres": postgres.AsyncPostgresEventStorage,
    "postgres-blocking": lambda url: OffTheLoop(postgres.PostgresEventStorage(url)),
    "memory": lambda url: memory.AsyncMemoryEventStorage(),
    "memory-blocking": lambda url: OffTheLoop(memory.MemoryEventStorage()),
    "python": lambda url: written.ListEvents(),
}
