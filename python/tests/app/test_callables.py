"""Every callable can be a task, and a value that does not fit its annotation is reported where it arises.

Issue 12, E5.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import asyncpg
import pytest

from omniq import AsyncOmniQ, Context, Depends, OmniQError, TaskFailed, injected

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def bare(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs)


def made_blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(function(*args, **kwargs))

    return inner


async def double(n: int, factor: int = 2) -> int:
    await asyncio.sleep(0.01)
    return n * factor


class Doubler:
    def __init__(self, factor: int) -> None:
        self.enqueue = self.factor = factor

    async def __call__(self, n: int) -> int:
        await asyncio.sleep(0.01)
        return n * self.factor

    async def method(self, n: int) -> int:
        return n * self.factor


async def test_async_functions_in_every_dress(app: AsyncOmniQ) -> None:
    dressed: list[Callable[..., Any]] = [
        double,
        plain(double),
        plain(plain(double)),
        bare(double),
        made_blocking(double),
        functools.partial(double, factor=2),
        plain(functools.partial(double)),
        functools.partial(plain(double)),
        Doubler(2),
        Doubler(2).method,
        plain(Doubler(2).method),
        functools.partial(Doubler(2)),
    ]
    tasks = [app.task(name=f"task {place}", max_retries=0)(one) for place, one in enumerate(dressed)]
    handles = [await task.enqueue(21) for task in tasks]
    async with app.worker():
        assert [await handle.result(10) for handle in handles] == [42] * len(dressed)
    # Each has its own name, or that of its function or class.
    assert app.task(functools.partial(double)).name == "double"
    assert app.task(Doubler(3)).name == "Doubler"
    with pytest.raises(OmniQError, match=r"task 'Doubler' is there already"):
        app.task(Doubler(4))


async def test_what_stands_around_a_decorated_task_is_async_as_well(app: AsyncOmniQ, url: str) -> None:
    log: list[str] = []

    async def session() -> AsyncIterator[str]:
        yield "session"
        log.append("closed")

    @plain
    async def user() -> str:
        return "user"

    @app.middleware
    async def around(context: Context) -> AsyncIterator[None]:
        yield
        log.append("around")

    @app.task(max_retries=0)
    @plain
    async def work(
        context: Context,
        n: int,
        session: Annotated[str, Depends(session)] = injected,
        user: Annotated[str, Depends(user)] = injected,
    ) -> str:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await context.complete(f"{user} {session} {n}", connection=connection)
        await connection.close()
        return "outside"

    @app.task(max_retries=0)
    def blocking(user: Annotated[str, Depends(plain(user))] = injected) -> str:
        return user

    handle, other = await work.enqueue(1), await blocking.enqueue()
    async with app.worker():
        assert await handle.result(10) == "user session 1"
        assert await other.result(10) == "user"
    assert log.count("closed") == 1
    assert log.count("around") == 2


async def test_a_decorated_task_is_cancelled_at_its_timeout(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.task(max_retries=0, timeout=0.2)
    @plain
    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            log.append("cleaned up")

    handle = await sleeps.enqueue()
    async with app.worker():
        with pytest.raises(TaskFailed, match="took longer"):
            await handle.result(3)
    assert log == ["cleaned up"]


async def test_a_value_that_does_not_fit_its_annotation_fails_the_run(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=3)
    async def as_coroutine() -> int:
        return "five"  # type: ignore[return-value]

    @app.task(max_retries=3)
    def in_thread() -> list[int]:
        return ["five"]  # type: ignore[list-item]

    @app.task(max_retries=0)
    async def inside(context: Context) -> int:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await context.complete("five", connection=connection)
        finally:
            await connection.close()
        return 5

    async with app.worker():
        given: list[tuple[Any, str]] = [(as_coroutine, "-> int"), (in_thread, r"-> list\[int\]"), (inside, "-> int")]
        for task, words in given:
            with pytest.raises(TaskFailed, match=words) as caught:
                await (await task.enqueue()).result(10)
            error = caught.value.error
            assert error is not None
            assert error.type in ("bad_result", "omniq.errors.CodecError")
            # It is not retried, because another run would not help.
            assert caught.value.result.attempt == 1


async def test_a_value_of_another_version_is_refused_in_plain_words(app: AsyncOmniQ) -> None:
    @app.task
    async def old() -> str:
        return "five"

    handle = await old.enqueue()
    async with app.worker():
        await handle.result(10)

    @app.task(name="new")
    async def new() -> int:
        return 5

    with pytest.raises(OmniQError, match=r"value of task .* -> int.*got `str`") as caught:
        await new.handle(handle.id).result(1)
    assert caught.value.is_codec


async def test_threads_of_decorated_tasks_are_free_of_the_loop(app: AsyncOmniQ) -> None:
    # The decorator's code may block, because it is not called on the loop.
    seen: set[str] = set()

    def blocks(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any) -> Any:
            seen.add(threading.current_thread().name)
            return function(*args)

        return inner

    task = app.task(name="blocks")(blocks(double))
    handle = await task.enqueue(1)
    async with app.worker():
        assert await handle.result(10) == 2
    assert seen == {"omniq-task-1"}
