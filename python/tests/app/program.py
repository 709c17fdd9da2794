"""A user's program, for type checkers: lines that they must accept, and marked lines that they must refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any
from uuid import UUID

from typing_extensions import assert_type

from omniq import (
    AsyncHandle,
    AsyncOmniQ,
    Context,
    Depends,
    Handle,
    NewTask,
    OmniQ,
    Predecessor,
    Predecessors,
    SavedSchedule,
    Tick,
    as_completed,
    as_completed_sync,
    gather,
    gather_sync,
    injected,
)

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
    found = await context.predecessors()
    assert_type(found, Predecessors)
    assert_type(found.values(), list[Any])
    assert_type(found.values(int), list[int])
    assert_type(found[0], Predecessor)
    assert_type(found[1:], Predecessors)
    assert_type(found[0].decode(str), str)
    assert_type(context.predecessors_sync(), Predecessors)
    return context.id


@app.task(cron="30 2 * * *", time_zone="Europe/Berlin", missed=3, grace=90, overlap=False)
async def nightly(context: Context) -> None:
    print(context.schedule, context.tick)


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
        assert_type(
            await with_context.with_options(after=[handle, handle.id], if_failed="run").enqueue(1), AsyncHandle[UUID]
        )
        await with_context.with_options(after=handle).enqueue(1)
        await with_context.with_options(after=None).enqueue(1)
        await app.backend.enqueue("plain", after=[handle, str(handle)], if_failed="end")
        await app.backend.enqueue_many(["plain"], after=handle, if_failed="run")
        await app.backend.queue.enqueue(NewTask("plain", after=(handle.id,)), after={handle.id})
        assert_type(await app.backend.predecessors(handle.id), Predecessors)
        assert_type(await app.backend.queue.predecessors(handle.id), list[UUID])
        with_context.with_options(after=5)  # type: ignore  # refused
        with_context.with_options(after=[handle, None])  # type: ignore  # refused
        with_context.with_options(if_failed="stop")  # type: ignore  # refused
        app.task(after=[handle])  # type: ignore  # refused
        assert_type(await with_dependency.enqueue(1), AsyncHandle[int])
        assert_type(await plain.enqueue_many([(1,), {"a": 1}]), list[AsyncHandle[float]])
        handles = await plain.enqueue_many([(1,), (2,)])
        assert_type(await gather(handles), list[float])
        assert_type(await gather(handle, *handles, timeout=5, cancel_rest=True, progress=True), list[float])
        assert_type(await gather(handles, return_exceptions=True), list[float | Exception])
        assert_type(gather_sync(handles), list[float])
        either: list[AsyncHandle[float | UUID]] = [handle, await with_context.enqueue(1)]
        assert_type(await gather(either), list[float | UUID])
        assert_type(as_completed(handles), AsyncIterator[AsyncHandle[float]])
        async for ended in as_completed(handles, timeout=5, progress=print):
            assert_type(await ended.result(), float)
        assert_type(await app.map(threaded, ["Ann"], concurrency=3), list[str])
        assert_type(await app.map(threaded, ["Ann"], return_exceptions=True), list[str | Exception])
        assert_type(app.map_sync(with_context, [1]), list[UUID])
        assert_type(app.handle("an id"), AsyncHandle[Any])
        assert_type(plain.handle(handle.id), AsyncHandle[float])
        assert_type(await app.schedules.save("nightly", plain, (1,), cron="0 3 * * *", missed="all"), SavedSchedule)
        assert_type(await app.schedules.trigger("nightly"), AsyncHandle[Any])
        assert_type(await app.schedules.history("nightly"), list[Tick])
        await plain.enqueue("x")  # type: ignore  # refused
        await gather(handles, progress="dots")  # type: ignore  # refused
        await app.map(add, [1])  # type: ignore  # refused
        await plain.enqueue(1, y=2)  # type: ignore  # refused
        await plain.enqueue()  # type: ignore  # refused
        await with_context.enqueue("x")  # type: ignore  # refused
        plain.with_options(dealy=5)  # type: ignore  # refused
        app.task(retires=5)  # type: ignore  # refused
        app.schedule("nightly", plain, (1,), corn="0 3 * * *")  # type: ignore  # refused
        app.schedule("nightly", session, every=60)  # type: ignore  # refused
        await app.schedules.save("nightly", plain, (1,), missed="sometimes", every=60)  # type: ignore  # refused


def in_blocking_code() -> None:
    with blocking, blocking.worker():
        assert_type(add.enqueue(1, b=2), Handle[int])
        assert_type(add.enqueue(1).result(5), int)
        handles = add.enqueue_many([(1,), (2,)])
        assert_type(gather(handles), list[int])
        assert_type(gather(handles, return_exceptions=True), list[int | Exception])
        assert_type(as_completed(handles), Iterator[Handle[int]])
        assert_type(as_completed_sync(handles), Iterator[Handle[int]])
        assert_type(blocking.map(add, [(1, 2)]), list[int])
        assert_type(blocking.handle(handles[0].id), Handle[Any])
        assert_type(blocking.schedules.save("often", add, (1,), every=60), SavedSchedule)
        assert_type(blocking.schedules.trigger("often"), Handle[Any])
        blocking.schedule("often", add, {"a": 1}, every=60)
        add.enqueue("x")  # type: ignore  # refused
        add.delay(1)  # type: ignore  # refused
