"""Middleware around enqueues.

Issue 14, number 6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from omniq import AsyncOmniQ, AsyncTaskGroup, ConfigError, Context, DuplicateError, EnqueueCall, OmniQ

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


async def test_middleware_surrounds_enqueues(app: AsyncOmniQ, url: str) -> None:
    log: list[str] = []
    group = AsyncTaskGroup("group", queue="grouped", metadata={"of": "group"})

    @app.enqueue_middleware
    async def outer(call: EnqueueCall) -> AsyncIterator[None]:
        log.append(f"begin {call.func} in {call.queue}, {call.count}, {call.connection is not None}, {call.ids}")
        call.metadata["tenant"] = "acme"
        yield
        log.append(f"end {len(call.ids)}")

    @app.enqueue_middleware
    def inner(call: EnqueueCall) -> Iterator[None]:
        log.append(f"inner {call.metadata}")
        yield

    @group.task
    async def work(context: Context, n: int) -> dict[str, str]:
        return context.metadata

    app.include(group)
    single = await work.enqueue(1)
    several = await work.with_options(metadata={"of": "call"}).enqueue_many(iter([1, 2]))
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            inside = await work.with_options(connection=connection).enqueue(1)
            assert await inside.status() is None
    finally:
        await connection.close()
    async with app.worker():
        values = [await handle.result(10) for handle in (single, *several, inside)]
        assert await app.map(work, [1]) == [{"of": "group", "tenant": "acme"}]
    grouped, called = {"of": "group", "tenant": "acme"}, {"of": "call", "tenant": "acme"}
    assert values == [grouped, called, called, grouped]
    begin = "begin group.work in grouped"
    assert log == [
        *(f"{begin}, 1, False, []", f"inner {grouped}", "end 1"),
        *(f"{begin}, 2, False, []", f"inner {called}", "end 2"),
        *(f"{begin}, 1, True, []", f"inner {grouped}", "end 1"),
        *(f"{begin}, 1, False, []", f"inner {grouped}", "end 1"),
    ]


async def test_middleware_changes_the_metadata_of_its_call_alone() -> None:
    app = AsyncOmniQ(tasks="memory", results="memory")

    @app.enqueue_middleware
    def deep(call: EnqueueCall) -> Iterator[None]:
        call.metadata["tags"]["count"] = call.count
        yield

    @app.task(metadata={"tags": {}})
    async def work(context: Context, n: int) -> Any:
        return context.metadata

    handles = [await work.enqueue(1), *await work.enqueue_many([1, 2])]
    await app.drain()
    assert [(await handle.result(5))["tags"] for handle in handles] == [{"count": 1}, {"count": 2}, {"count": 2}]
    assert work._options()["metadata"] == {"tags": {}}


async def test_middleware_refuses_an_enqueue(app: AsyncOmniQ) -> None:
    seen: list[str] = []

    @app.enqueue_middleware
    def swallows(call: EnqueueCall) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            seen.append(type(error).__name__)

    @app.enqueue_middleware
    def refuses(call: EnqueueCall) -> Iterator[None]:
        if call.count > 1:
            raise LookupError("too many")
        yield

    @app.task
    def work(n: int) -> None: ...

    # The caller gets the exception, even if other middleware swallows it.
    with pytest.raises(LookupError, match="too many"):
        work.enqueue_many_sync([1, 2])
    with pytest.raises(LookupError, match="too many"):
        await work.enqueue_many([1, 2])
    assert await app.backend.queue.count() == 0
    id = uuid4()
    await work.with_options(id=id).enqueue(1)
    with pytest.raises(DuplicateError):
        await work.with_options(id=id).enqueue(1)
    with pytest.raises(DuplicateError):
        work.with_options(id=id).enqueue_sync(1)
    assert seen == ["LookupError", "LookupError", "DuplicateError", "DuplicateError"]
    assert await app.backend.queue.count() == 1


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_middleware_that_does_not_yield_once_is_named(app: AsyncOmniQ, kind: str) -> None:
    times = 0

    def odd(call: EnqueueCall) -> Iterator[None]:
        for _ in range(times):
            yield

    async def async_odd(call: EnqueueCall) -> AsyncIterator[None]:
        for _ in range(times):
            yield

    @app.task
    def work() -> None: ...

    app.enqueue_middleware(odd if kind == "blocking" else async_odd)
    with pytest.raises(ConfigError, match=r"middleware .*odd yields not at all: .*; nothing is written"):
        await work.enqueue()
    times = 2
    with pytest.raises(ConfigError, match=r"middleware .*odd yields more than once: .*; the tasks are written: \w+-"):
        await work.enqueue()
    assert await app.backend.queue.count() == 1
    with pytest.raises(AttributeError):
        EnqueueCall("f", "q", 1, {}, None).queue = "other"  # type: ignore[misc]


async def test_a_blocking_enqueue_refuses_async_middleware() -> None:
    app = OmniQ(tasks="memory", results="memory")

    @app.enqueue_middleware
    async def later(call: EnqueueCall) -> AsyncIterator[None]:
        yield

    @app.task
    def work() -> None: ...

    with pytest.raises(ConfigError, match=r"middleware .*later is async: make it a generator function"):
        work.enqueue()
    with pytest.raises(ConfigError, match="no middleware"):
        app.enqueue_middleware(lambda call: None)
