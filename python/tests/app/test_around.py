"""Context, dependencies and middleware."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
import surrounded

from omniq import AsyncOmniQ, Context, Depends, OmniQError, TaskFailed, injected
from omniq.testing import on_database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_the_context_knows_its_run(app: AsyncOmniQ, kind: str) -> None:
    seen: dict[str, Any] = {}

    def look(context: Context, name: str) -> None:
        seen.update(
            id=context.id, attempt=context.attempt, queue=context.queue, func=context.func, worker=context.worker,
            metadata=context.metadata, left=context.time_left, cancelled=context.is_cancelled, retry=context.may_retry,
        )  # fmt: skip
        context.log_event("looked", name=name)
        context.progress(0.5, "half")
        with pytest.raises(OmniQError):
            context.progress(2)

    if kind == "async":

        @app.task(queue="q", timeout=60, max_retries=0)
        async def task(context: Context, name: str) -> None:
            look(context, name)
    else:

        @app.task(queue="q", timeout=60, max_retries=0)
        def task(context: Context, name: str) -> None:
            look(context, name)

    handle = await task.with_options(metadata={"a": 1}).enqueue("Ann")
    await app.drain(name="me")
    await handle.result(5)
    assert 50 < seen.pop("left") <= 60
    assert seen == {
        "id": handle.id, "attempt": 1, "queue": "q", "func": "task", "worker": "me",
        "metadata": {"a": 1}, "cancelled": False, "retry": False,
    }  # fmt: skip
    kinds = {str(event.kind): event.data for event in await handle.events()}
    assert kinds["looked"] == {"name": "Ann"}
    assert kinds["progress"] == {"fraction": 0.5, "message": "half"}


async def test_dependencies_are_set_up_and_torn_down(app: AsyncOmniQ) -> None:
    log: list[str] = []

    def config(context: Context) -> str:
        log.append("config")
        return f"config of {context.func}"

    async def connection(config: Annotated[str, Depends(config)]) -> AsyncIterator[str]:
        log.append("open")
        try:
            yield f"connection by {config}"
        except ValueError as error:
            log.append(f"rollback {error}")
            raise
        else:
            log.append("commit")
        finally:
            log.append("close")

    async def user(connection: str = Depends(connection)) -> str:
        return f"user by {connection}"

    @app.task(max_retries=0)
    async def work(
        fail: bool,
        connection: Annotated[str, Depends(connection)] = injected,
        user: Annotated[str, Depends(user)] = injected,
        config: str = Depends(config),
    ) -> list[str]:
        log.append("work")
        if fail:
            raise ValueError("bad")
        return [connection, user, config]

    handle = await work.enqueue(False)
    await app.drain()
    base = "config of work"
    assert await handle.result(5) == [f"connection by {base}", f"user by connection by {base}", base]
    assert log == ["config", "open", "work", "commit", "close"]
    log.clear()
    handle = await work.enqueue(fail=True)
    await app.drain()
    with pytest.raises(TaskFailed, match="bad"):
        await handle.result(5)
    assert log == ["config", "open", "work", "rollback bad", "close"]
    app.dependency_overrides[config] = lambda: "fake"
    handle = await work.enqueue(False)
    await app.drain()
    assert (await handle.result(5))[2] == "fake"


async def test_dependencies_of_blocking_tasks(app: AsyncOmniQ) -> None:
    log: list[str] = []

    def session() -> Iterator[int]:
        log.append("open")
        yield 7
        log.append("close")

    async def never() -> int:
        return 1

    @app.task
    def work(a: int, session: Annotated[int, Depends(session)] = injected) -> int:
        log.append("work")
        return a + session

    handle = await work.enqueue(1)
    await app.drain()
    assert await handle.result(5) == 8
    assert log == ["open", "work", "close"]

    @app.task
    def wrong(value: Annotated[int, Depends(never)] = injected) -> None: ...

    with pytest.raises(OmniQError, match="is no async function, and its dependency value is"):
        await app.drain()


async def test_middleware_sees_values_and_exceptions(app: AsyncOmniQ) -> None:
    log: list[Any] = []

    @app.middleware
    def outer(context: Context) -> Iterator[None]:
        log.append(("before", context.func))
        try:
            value = yield
            log.append(("value", value))
        except ValueError as error:
            log.append(("error", str(error)))
            raise

    @app.middleware
    async def inner(context: Context) -> AsyncIterator[None]:
        log.append("inner")
        yield
        log.append("inner end")

    @app.task
    async def good() -> int:
        return 3

    @app.task(max_retries=0)
    def bad() -> int:
        raise ValueError("no")

    await good.enqueue()
    await app.drain()
    assert log == [("before", "good"), "inner", "inner end", ("value", 3)]
    log.clear()
    handle = await bad.enqueue()
    await app.drain()
    assert log == [("before", "bad"), "inner", ("error", "no")]
    with pytest.raises(TaskFailed):
        await handle.result(5)
    with pytest.raises(OmniQError, match="no middleware"):
        app.middleware(lambda context: None)


async def test_async_middleware_stands_around_def_tasks_on_the_loop(app: AsyncOmniQ) -> None:
    log: list[Any] = []

    @app.middleware
    async def outer(context: Context) -> AsyncIterator[None]:
        log.append(asyncio.get_running_loop())
        try:
            log.append((yield))
        except ValueError as error:
            log.append(str(error))
            raise KeyError("instead") from error

    @app.middleware
    async def inner(context: Context) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        try:
            yield
        except LookupError:
            log.append("swallowed")

    def dependency() -> Iterator[int]:
        log.append(threading.get_ident())
        yield 7

    @app.task(max_retries=0)
    def work(how: str, seven: Annotated[int, Depends(dependency)] = injected) -> int | None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        log.append(threading.get_ident())
        if how == "value":
            raise ValueError("no")
        if how == "lookup":
            raise LookupError
        return seven

    here = asyncio.get_running_loop()
    handle = await work.enqueue("good")
    await app.drain()
    assert await handle.result(5) == 7
    assert (log[0], log[1:]) == (here, [log[1], log[1], 7])
    assert log[1] != threading.get_ident(), "a plain dependency runs where its task does"
    log.clear()
    handle = await work.enqueue("value")
    await app.drain()
    with pytest.raises(TaskFailed, match=r"KeyError.*instead"):
        await handle.result(5)
    assert log[-1] == "no"
    log.clear()
    handle = await work.enqueue("lookup")
    await app.drain()
    assert await handle.result(5) is None
    assert log[-2:] == ["swallowed", None]


async def test_middleware_that_yields_twice_fails_the_run(app: AsyncOmniQ) -> None:
    @app.middleware
    async def twice(context: Context) -> AsyncIterator[None]:
        yield
        yield

    @app.task(max_retries=0)
    def blocking() -> None: ...

    @app.task(max_retries=0)
    async def on_loop() -> None: ...

    handles = [await blocking.enqueue(), await on_loop.enqueue()]
    await app.drain()
    for handle in handles:
        with pytest.raises(TaskFailed, match=r"twice \(line \d+\) yields more than once: .* it yields once"):
            await handle.result(5)


# A newcomer's trial, 4: "StopIteration", without the name of the generator.
@pytest.mark.parametrize("kind", ["generator", "async generator", "dependency", "async dependency"])
async def test_what_never_yields_fails_the_run_by_its_name(app: AsyncOmniQ, kind: str) -> None:
    def silent(*_: object) -> Iterator[None]:
        if kind == "never":
            yield

    async def async_silent(*_: object) -> AsyncIterator[None]:
        if kind == "never":
            yield

    one: Any = async_silent if kind.startswith("async") else silent
    if kind.endswith("generator"):
        app.middleware(one)

        @app.task(max_retries=0)
        def blocking() -> None: ...

        @app.task(max_retries=0)
        async def on_loop() -> None: ...

        handles = [await blocking.enqueue(), await on_loop.enqueue()]
    else:

        @app.task(max_retries=0)
        async def needs(value: Annotated[None, Depends(one)] = injected) -> None: ...

        handles = [await needs.enqueue()]
    await app.drain()
    for handle in handles:
        with pytest.raises(TaskFailed, match=r"silent \(line \d+\) yields not at all: .* it yields once"):
            await handle.result(5)


async def test_async_middleware_stands_around_a_task_in_a_process(url: str) -> None:
    with on_database(surrounded.app, url) as app:
        handles = await surrounded.double.enqueue_many([1, 2])
        await app.drain(task_processes=1)
        assert [await handle.result(5) for handle in handles] == [2, 4]
        seen = [event.data for handle in handles for event in await handle.events() if event.kind == "seen"]
    assert seen == [{"value": 2}, {"value": 4}]


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_context_variables_of_a_run_end_with_it(app: AsyncOmniQ, kind: str) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    seen: list[int] = []

    def leave(n: int) -> None:
        seen.append(variable.get())
        variable.set(n)

    if kind == "async":

        @app.task
        async def task(n: int) -> None:
            leave(n)
    else:

        @app.task
        def task(n: int) -> None:
            leave(n)

    await task.enqueue_many(range(1, 50))
    await app.drain(concurrency=1)
    assert seen == [0] * 49
