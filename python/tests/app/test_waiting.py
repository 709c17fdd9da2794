"""Waiting for many tasks: `gather` and `as_completed`, async and blocking."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

import omniq
from omniq import AsyncHandle, AsyncOmniQ, CodecError, InvalidError, NotFoundError, OmniQ, TaskFailed
from omniq.models import ResultStatus, TaskState
from omniq.testing import in_memory

pytestmark = pytest.mark.anyio


def failing(n: int) -> int:
    if n < 0:
        raise ValueError(f"{n} is negative")
    return n * n


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, defaults={"max_retries": 0}) as app:
        yield app


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_values_come_in_the_order_of_the_handles(app: AsyncOmniQ) -> None:
    square = app.task(failing)
    handles = await square.enqueue_many(range(5))
    # Without a worker, which has no loop under trio.
    for task in await app.backend.queue.dequeue_many(limit=5):
        await app.backend.complete(task, square(task.args))
    assert await omniq.gather(handles, timeout=10) == [0, 1, 4, 9, 16]
    assert await omniq.gather(handles[3], handles[1], handles[3], timeout=timedelta(seconds=10)) == [9, 1, 9]
    assert await omniq.gather(handle for handle in handles[:2]) == [0, 1]
    no_handles: list[AsyncHandle[int]] = []
    assert await omniq.gather(no_handles) == [] == await omniq.gather()


async def test_the_wait_begins_before_the_tasks_end(app: AsyncOmniQ) -> None:
    @app.task
    async def late(n: int) -> int:
        await asyncio.sleep(0.01 * n)
        return n

    handles = await late.enqueue_many(range(10))
    waiting = asyncio.ensure_future(omniq.gather(handles, timeout=20))
    await asyncio.sleep(0.05)
    async with app.worker():
        assert await waiting == list(range(10))


@pytest.mark.parametrize("place", ["postgres", "memory"])
async def test_a_task_that_is_deleted_ends_the_waits_for_it(url: str, place: Any) -> None:
    async with AsyncOmniQ(url, tasks=place, results=place) as app:
        square = app.task(failing)
        handles = await square.enqueue_many([1, 2, 3])
        gone = str(handles[1].id)

        async def each() -> list[AsyncHandle[int]]:
            return [handle async for handle in omniq.as_completed(handles, timeout=30)]

        alone = asyncio.ensure_future(handles[1].result(timeout=30))
        together = asyncio.ensure_future(omniq.gather(handles, timeout=30))
        with_exceptions = asyncio.ensure_future(omniq.gather(handles, timeout=30, return_exceptions=True))
        one_by_one = asyncio.ensure_future(each())
        left = asyncio.ensure_future(handles[0].result())
        # All have begun by then.
        await asyncio.sleep(0.5)
        left.cancel()
        await app.backend.queue.delete(handles[1].id)
        for wait in (alone, together):
            with pytest.raises(NotFoundError, match=gone):
                await wait
        assert not with_exceptions.done()
        await app.drain()
        first, missing, last = await with_exceptions
        assert (first, last) == (1, 9)
        assert isinstance(missing, NotFoundError)
        assert gone in str(missing)
        # The handle of the deleted task comes first, and says so; it ends the iteration for no other.
        ended = await one_by_one
        assert ended[0] is handles[1]
        assert set(ended) == set(handles)
        with pytest.raises(NotFoundError, match=gone):
            await ended[0].result()
        assert [await handle.result(0) for handle in (handles[0], handles[2])] == [1, 9]


def test_a_map_returns_the_exception_of_a_task_that_is_deleted() -> None:
    with in_memory(OmniQ()) as app:
        square = app.task(failing)

        def delete() -> None:
            while not (tasks := app.backend.queue.list(func="failing")):
                time.sleep(0.01)
            # The wait has begun by then.
            time.sleep(0.3)
            app.backend.queue.delete(tasks[0].id)
            app.drain()

        deleting = threading.Thread(target=delete)
        deleting.start()
        missing, value = app.map(square, [1, 2], timeout=30, return_exceptions=True)
        deleting.join()
        assert isinstance(missing, NotFoundError)
        assert value == 4


async def test_a_failed_task_raises_or_takes_its_place(app: AsyncOmniQ, url: str) -> None:
    square = app.task(failing)
    handles = await square.enqueue_many([2, -1, 3])
    await app.drain()
    with pytest.raises(TaskFailed, match="-1 is negative"):
        await omniq.gather(handles)
    first, failed, last = await omniq.gather(handles, return_exceptions=True)
    assert (first, last) == (4, 9)
    assert isinstance(failed, TaskFailed)
    assert failed.task_id == handles[1].id

    # A value that does not fit is an exception of its task too.
    async with AsyncOmniQ(url) as other:

        @other.task(name="failing")
        def text(n: int) -> str:
            return ""

        strange = text.handle(handles[0].id)
        with pytest.raises(CodecError, match=f"the value of task {strange.id} cannot be read as failing is annotated"):
            await omniq.gather(strange)
        assert isinstance((await omniq.gather(strange, return_exceptions=True))[0], CodecError)


async def test_the_rest_is_cancelled_if_that_is_asked_for(app: AsyncOmniQ) -> None:
    square = app.task(failing)
    failed = await square.enqueue(-1)
    await app.drain()
    rest = await square.enqueue_many(range(3))
    with pytest.raises(TaskFailed):
        await omniq.gather(failed, rest)
    assert [await handle.status() for handle in rest] == [TaskState.READY] * 3, "they go on"
    with pytest.raises(TaskFailed, match="negative"):
        await omniq.gather(failed, rest, cancel_rest=True)
    assert [await handle.status() for handle in rest] == [TaskState.CANCELLED] * 3

    # The time is over, and it waits on for those that it has cancelled if it returns exceptions.
    rest = await square.enqueue_many(range(3))
    with pytest.raises(omniq.TimeoutError, match="no result of 3 of 3 tasks within 50ms"):
        await omniq.gather(rest, timeout=0.05, cancel_rest=True)
    rest += await square.enqueue_many(range(3))
    ends = await omniq.gather(failed, rest, timeout=10, cancel_rest=True, return_exceptions=True)
    assert all(isinstance(end, TaskFailed) for end in ends)
    statuses = [end.status for end in ends if isinstance(end, TaskFailed)]
    assert statuses == [ResultStatus.FAILED] + [ResultStatus.CANCELLED] * 6


async def test_a_wait_that_ran_out_of_time_says_why(app: AsyncOmniQ) -> None:
    async def why(handle: AsyncHandle[Any]) -> str:
        with pytest.raises(omniq.TimeoutError) as by_handle:
            await handle.result(0)
        with pytest.raises(omniq.TimeoutError) as by_gather:
            await omniq.gather(handle, timeout=0)
        assert str(by_handle.value) == str(by_gather.value)
        return str(by_handle.value).partition(": ")[2]

    square = app.task(queue="mail")(failing)
    handle = await square.enqueue(1)
    assert await why(handle) == 'no worker serves its queue "mail": start one'
    await app.backend.queue.dequeue(["mail"], funcs=["other"])  # Registers the queue object as a worker.
    assert (await why(handle)).startswith('it is ready, and 1 workers serve its queue "mail": it may still come')
    await app.backend.queue.pause("mail")
    assert await why(handle) == 'its queue "mail" is paused: resume it'
    assert (await why(app.handle(uuid4()))).startswith("there is no such task: it was never enqueued, or")
    later = await square.with_options(delay=3600).enqueue(2)
    assert (await why(later)).startswith("it is scheduled for 2")


async def test_handles_come_as_their_tasks_end_and_keep_the_results(app: AsyncOmniQ) -> None:
    @app.task
    async def late(n: int) -> int:
        await asyncio.sleep(0.05 * (3 - n))
        return failing(n)

    handles = await late.enqueue_many([1, 2, 3, -1])
    seen = []
    async with app.worker():
        async for handle in omniq.as_completed(handles[:3], timeout=20):
            await app.backend.results.delete(handle.id)
            seen.append(await handle.result(0))
        assert seen == [9, 4, 1]
        async for handle in omniq.as_completed(handles[3]):
            assert handle is handles[3]
            with pytest.raises(TaskFailed, match="-1 is negative"):
                await handle.result(0)
    with pytest.raises(omniq.TimeoutError, match=f"no result of task {handles[0].id} within 50ms"):
        # Its result was deleted.
        await anext(omniq.as_completed(handles[0], timeout=0.05))
    nothing: list[Any] = [handle async for handle in omniq.as_completed(*[handles[0]][:0])]
    assert nothing == []


def test_blocking_code_waits_by_the_same_names(url: str) -> None:
    with OmniQ(url, defaults={"max_retries": 0}) as app:
        square = app.task(failing)
        handles = square.enqueue_many([1, 2, 3, -1])
        with app.worker():
            assert omniq.gather(handles[:3], timeout=10) == [1, 4, 9] == omniq.gather_sync(handles[:3])
            ended = {handle.id: handle for handle in omniq.as_completed(handles, timeout=10)}
            assert ended[handles[1].id].result(0) == 4
            assert len(ended) == len(list(omniq.as_completed_sync(handles))) == 4
        with pytest.raises(TaskFailed):
            omniq.gather(*handles)
        rest = square.enqueue_many([5, 6])
        with pytest.raises(TaskFailed):
            omniq.gather(handles, rest, cancel_rest=True)
        assert [handle.status() for handle in rest] == [TaskState.CANCELLED] * 2
        none = handles[:0]
        assert omniq.gather(none) == [] == omniq.gather_sync() == list(omniq.as_completed(none))
        with pytest.raises(omniq.TimeoutError):
            list(omniq.as_completed(square.handle(uuid4()), timeout=0.05))


def test_blocking_code_waits_for_handles_of_an_async_application(url: str) -> None:
    app = AsyncOmniQ(url, tasks="memory", results="memory")
    square = app.task(failing)
    handles = square.enqueue_many_sync([1, 2])

    def work() -> None:
        asyncio.run(app.drain())

    worker = threading.Thread(target=work)
    worker.start()
    assert omniq.gather_sync(handles, timeout=10) == [1, 4]
    assert {handle.result_sync(0) for handle in omniq.as_completed_sync(handles)} == {1, 4}
    worker.join()
    app.close_sync()


async def test_a_wait_that_is_cancelled_leaves_all_as_it_is(app: AsyncOmniQ) -> None:
    square = app.task(failing)
    handles = await square.enqueue_many([1, 2])
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(omniq.gather(handles), 0.05)
    await app.drain()
    assert await omniq.gather(handles) == [1, 4]


async def test_what_cannot_be_waited_for_is_refused(app: AsyncOmniQ, url: str) -> None:
    square = app.task(failing)
    handle = await square.enqueue(1)
    blocking = OmniQ(url)
    other = AsyncOmniQ(url)
    elsewhere = other.task(failing).handle(handle.id)
    cases: list[tuple[Any, str]] = [
        ((handle, blocking.task(failing).handle(handle.id)), r"handles\[1\] = <Handle failing .*handles of one kind"),
        ((handle, elsewhere), r"handles\[1\] = .*: wait for the tasks of each application by itself"),
        (([handle.id],), r"handles\[0\] is refused, being of type UUID: give the handles that enqueue returned"),
        (("abc",), "handles is refused, being of type str: give a list of handles"),
    ]
    for wait in (omniq.gather, omniq.gather_sync, omniq.as_completed, omniq.as_completed_sync):
        anything: Any = wait
        for given, words in cases:
            with pytest.raises(InvalidError, match=words):
                anything(*given)
        with pytest.raises(InvalidError, match="timeout = -1 is refused"):
            anything(handle, timeout=-1)
    with pytest.raises(InvalidError, match="cancel_rest = 'yes' is refused"):
        omniq.gather(handle, cancel_rest="yes")  # type: ignore[call-overload]
    async with AsyncOmniQ(url, results="off") as off:
        without = off.task(failing).handle(handle.id)
        with pytest.raises(omniq.ConfigError, match="results are off"):
            await omniq.gather(without)


async def test_many_results_are_read_a_thousand_at_a_time(app: AsyncOmniQ) -> None:
    square = app.task(failing)
    results = [
        omniq.TaskResult(uuid4(), ResultStatus.COMPLETED, omniq.Payload.of(n), func="failing") for n in range(2_100)
    ]
    await app.backend.results.store_many(results)
    handles = [square.handle(result.task_id) for result in results]
    begun = time.monotonic()
    reported: list[int] = []
    values = await omniq.gather(handles, progress=lambda done, total: reported.append(done))
    assert values == list(range(2_100))
    assert sorted(reported) == reported == [0, 1_000, 2_000, 2_100]
    assert time.monotonic() - begun < 10
