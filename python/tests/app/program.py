"""A user's program, for type checkers: lines that they must accept, and marked lines that they must refuse."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from typing_extensions import assert_type

from omniq import AsyncHandle, AsyncOmniQ, Context, Depends, Handle, OmniQ, injected

app = AsyncOmniQ("postgresql://localhost/app", schema="jobs", events="postgres")
blocking = OmniQ()


def session() -> int:
    return 1


@app.task
async def plain(a: int, *, x: str = "") -> float:
    return a + len(x)


@app.task(queue="mail", max_retries=5, timeout=30)
def threaded(name: str) -> str:
    return name


@app.task(priority=3)
async def with_context(context: Context, a: int) -> UUID:
    return context.id


@app.task
async def with_dependency(a: int, session: Annotated[int, Depends(session)] = injected) -> int:
    return a + session


@blocking.task
def add(a: int, b: int = 1) -> int:
    return a + b


async def main() -> None:
    async with app, app.worker(concurrency=10, queues=["mail"]):
        handle = await plain.enqueue(1, x="2")
        assert_type(handle, AsyncHandle[float])
        assert_type(await handle.result(timeout=5), float)
        assert_type(await plain(1, x="2"), float)
        assert_type(threaded("Ann"), str)
        assert_type(await threaded.enqueue("Ann"), AsyncHandle[str])
        assert_type(plain.enqueue_sync(1).result_sync(), float)
        assert_type(await with_context.enqueue(1), AsyncHandle[UUID])
        assert_type(await with_context.with_options(delay=5, priority=1).enqueue(a=1), AsyncHandle[UUID])
        assert_type(await with_dependency.enqueue(1), AsyncHandle[int])
        assert_type(await plain.enqueue_many([(1,), {"a": 1}]), list[AsyncHandle[float]])
        await plain.enqueue("x")  # type: ignore  # refused
        await plain.enqueue(1, y=2)  # type: ignore  # refused
        await plain.enqueue()  # type: ignore  # refused
        await with_context.enqueue("x")  # type: ignore  # refused
        plain.with_options(dealy=5)  # type: ignore  # refused
        app.task(retires=5)  # type: ignore  # refused


def in_blocking_code() -> None:
    with blocking, blocking.worker():
        assert_type(add.enqueue(1, b=2), Handle[int])
        assert_type(add.enqueue(1).result(5), int)
        add.enqueue("x")  # type: ignore  # refused
