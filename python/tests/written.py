"""Custom storages, as users write them."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel

from omniq import TaskEvent, TaskResult, errors
from omniq.storage.base import AsyncEventStorage, AsyncResultStorage, AsyncTaskQueue, ResultStorage, TaskQueue
from omniq.storage.memory import AsyncMemoryQueue, MemoryQueue


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _is_of(error: Any, wanted: str | None) -> bool:
    if wanted is None or error is None:
        return wanted is None
    return bool(error.type.startswith(wanted[:-1]) if wanted.endswith("*") else error.type == wanted)


class _Results:
    """The base of both result storages: a dict."""

    def __init__(self) -> None:
        self.stored: dict[UUID, TaskResult] = {}
        self.closed = False
        self.threads: set[int] = set()

    def _check(self) -> None:
        if self.closed:
            raise errors.ClosedError("the dict is closed")

    def _put(self, results: Any) -> None:
        self._check()
        for result in results:
            ends = None if result.ttl is None else _now() + result.ttl
            self.stored[result.task_id] = result.replace(ttl=None, expires_at=ends)

    def _live(self) -> list[TaskResult]:
        self._check()
        return [r for r in self.stored.values() if r.expires_at is None or r.expires_at > _now()]

    def _find(self, ids: Any) -> list[TaskResult | None]:
        live = {result.task_id: result for result in self._live()}
        return [live.get(id) for id in ids]

    def _drop(self, ids: Any) -> int:
        live = {result.task_id for result in self._live()}
        return sum(self.stored.pop(id, None) is not None for id in ids if id in live)

    def _fitting(
        self,
        status: Any = None,
        queue: Any = None,
        func: Any = None,
        error: Any = None,
        since: Any = None,
        until: Any = None,
    ) -> list[TaskResult]:
        fits = [
            result
            for result in self._live()
            if status in (None, result.status)
            and queue in (None, result.queue)
            and func in (None, result.func)
            and _is_of(result.error, error)
            and (since is None or result.finished_at >= since)
            and (until is None or result.finished_at < until)
        ]
        return sorted(fits, key=lambda r: (r.finished_at, r.task_id), reverse=True)

    def _page(self, *, after: Any = None, limit: Any = None, **fields: Any) -> list[TaskResult]:
        fits = self._fitting(**fields)
        if after is not None:
            fits = [r for r in fits if (r.finished_at, r.task_id) < after]
        return fits[: 100 if limit is None else limit]

    def _sweep(self, limit: int) -> int:
        over = [r.task_id for r in self.stored.values() if r.expires_at is not None and r.expires_at <= _now()]
        for id in over[:limit]:
            del self.stored[id]
        return len(over[:limit])


class DictResults(_Results, AsyncResultStorage):
    async def store_many(self, results: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self._put(results)

    async def get_many(self, ids: Any) -> list[TaskResult | None]:
        await anyio.lowlevel.checkpoint()
        return self._find(ids)

    async def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        end = time.monotonic() + seconds
        while True:
            found = self._find([id])[0]
            if found is not None:
                return found
            if time.monotonic() >= end:
                raise errors.TimeoutError(f"no result of task {id} within {seconds} s")
            await anyio.sleep(0.01)

    async def delete_many(self, ids: Any) -> int:
        return self._drop(ids)

    async def list(self, *, after=None, limit=None, **fields: Any):  # type: ignore[no-untyped-def]
        return self._page(after=after, limit=limit, **fields)

    async def count(self, **fields: Any) -> int:
        return len(self._fitting(**fields))

    async def purge_expired(self, limit: int) -> int:
        return self._sweep(limit)

    async def close(self) -> None:
        self.closed = True


class BlockingDictResults(_Results, ResultStorage):
    """Implements the verbs under their plain names, which the `_sync` names follow."""

    def store_many(self, results: Any) -> None:
        time.sleep(0.001)
        self._put(results)

    def get_many(self, ids: Any) -> list[TaskResult | None]:
        return self._find(ids)

    def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        return asyncio.run(DictResults.wait(self, id, timeout))  # type: ignore[arg-type]

    def delete_many(self, ids: Any) -> int:
        return self._drop(ids)

    def list(self, *, after=None, limit=None, **fields: Any):  # type: ignore[no-untyped-def]
        return self._page(after=after, limit=limit, **fields)

    def count(self, **fields: Any) -> int:
        return len(self._fitting(**fields))

    def purge_expired(self, limit: int) -> int:
        return self._sweep(limit)

    def close(self) -> None:
        self.closed = True


class ListEvents(AsyncEventStorage):
    def __init__(self) -> None:
        self.taken: list[TaskEvent] = []
        self.closed = False

    async def log_many(self, events: Any) -> None:
        self._check()
        for event in events:
            self.taken.append(event.replace(id=len(self.taken) + 1))

    def _check(self) -> None:
        if self.closed:
            raise errors.ClosedError("the list is closed")

    def _fitting(
        self, task_id: Any, kind: Any, queue: Any, worker: Any, since: Any, until: Any, after: Any
    ) -> list[TaskEvent]:
        self._check()
        return [
            event
            for event in self.taken
            if task_id in (None, event.task_id)
            and kind in (None, event.kind)
            and queue in (None, event.queue)
            and worker in (None, event.worker)
            and (since is None or event.at >= since)
            and (until is None or event.at < until)
            and (after is None or event.id > after)
        ]

    async def query(self, *, latest=False, limit=None, **which):  # type: ignore[no-untyped-def]
        limit = 100 if limit is None else limit
        fits = self._fitting(**which)
        return fits[max(0, len(fits) - limit) :] if latest else fits[:limit]

    async def count(self, **which):  # type: ignore[no-untyped-def]
        return len(self._fitting(**which))

    async def purge(self, before: datetime, limit: int) -> int:
        old = [event for event in self.taken if event.at < before][:limit]
        self.taken = [event for event in self.taken if event not in old]
        return len(old)

    async def close(self) -> None:
        self.closed = True


#: What a verb of another queue asks for besides, since the caller of this one has decided it.
_BESIDES: dict[str, dict[str, Any]] = {"purge": {"all": True}, "purge_sync": {"all": True}}


def _forwarded(name: str) -> Any:
    async def verb(self: Any, *args: Any, **named: Any) -> Any:
        return await getattr(self.inner, name)(*args, **named, **_BESIDES.get(name, {}))

    return verb


def _forwarded_blocking(name: str) -> Any:
    return lambda self, *args, **named: getattr(self.inner, name)(*args, **named, **_BESIDES.get(name, {}))


class _Inner:
    def __init__(self) -> None:
        self.inner: Any = AsyncMemoryQueue() if isinstance(self, AsyncTaskQueue) else MemoryQueue()


#: A queue that forwards every abstract verb to another queue. The blocking one has them under their `_sync` names.
ProxyQueue: Any = type(
    "ProxyQueue",
    (_Inner, AsyncTaskQueue),
    {name: _forwarded(name) for name in AsyncTaskQueue.__abstractmethods__},
)
BlockingProxyQueue: Any = type(
    "BlockingProxyQueue",
    (_Inner, TaskQueue),
    {name: _forwarded_blocking(name) for name in TaskQueue.__abstractmethods__ if name.endswith("_sync")},
)
