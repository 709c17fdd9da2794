"""Every event loop: asyncio, uvloop, trio, and AnyIO on each."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import anyio
import pytest
import trio
import uvloop

from omniq import AsyncPostgresBackend, OmniQError
from omniq.storage.postgres import AsyncPostgresQueue, AsyncPostgresResultStorage

LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", {}), id="trio"),
]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.anyio
async def test_a_round_trip(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend:
        async with anyio.create_task_group() as group:
            for n in range(100):
                group.start_soon(backend.enqueue, "f", n)
        tasks = await backend.queue.dequeue_many(limit=100, timeout=1)
        assert sorted(task.args for task in tasks) == list(range(100))
        for task in tasks[:3]:
            await backend.complete(task, task.args)
        assert (await backend.wait(tasks[0].id, 5)).value == tasks[0].args
        with pytest.raises(OmniQError) as caught:
            await backend.complete(tasks[0])
        assert caught.value.is_claim_lost


@pytest.mark.anyio
async def test_cancellation_ends_a_wait_and_leaves_the_rest_alone(url: str) -> None:
    async with AsyncPostgresResultStorage(url) as results:
        with anyio.move_on_after(0.1) as scope:
            await results.wait(uuid.uuid4(), 60)
        assert scope.cancelled_caught
        with anyio.fail_after(10):
            assert await results.count() == 0


@pytest.mark.anyio
async def test_a_dequeue_that_was_cancelled_takes_no_task(url: str) -> None:
    async with AsyncPostgresQueue(url) as queue:
        with anyio.move_on_after(0.2) as scope:
            await queue.dequeue(timeout=60)
        assert scope.cancelled_caught
        id = await queue.enqueue("f")
        await anyio.sleep(0.8)
        task = await queue.dequeue()
        assert task is not None
        assert task.id == id


@pytest.mark.anyio
async def test_a_storage_written_in_python(url: str) -> None:
    import written

    async with AsyncPostgresBackend(url, results=written.DictResults(), events=written.ListEvents()) as backend:
        id = await backend.enqueue("f")
        task = await backend.queue.dequeue(timeout=1)
        assert task is not None
        await backend.complete(task, "value")
        assert (await backend.wait(id, 5)).value == "value"


def test_one_instance_on_one_loop_after_another(url: str) -> None:
    queue = AsyncPostgresQueue(url)

    async def work() -> None:
        await queue.enqueue("f")

    asyncio.run(work())
    uvloop.run(work())
    trio.run(work)
    trio.run(work)
    asyncio.run(work())

    async def check() -> int:
        count = await queue.count()
        await queue.close()
        return count

    assert trio.run(check) == 5


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run, trio.run])
def test_no_loop_keeps_a_descriptor(url: str, run: Any) -> None:
    import gc
    import os

    async def work() -> None:
        async with AsyncPostgresQueue(url) as queue:
            await queue.enqueue("f")

    run(work) if run is trio.run else run(work())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run(work) if run is trio.run else run(work())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
