"""Blocking calls from all kinds of threads: plain ones, those of running loops, AnyIO's workers. Loops in threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio.from_thread
import anyio.to_thread
import pytest

from omniq import NewTask, OmniQError
from omniq.storage.memory import MemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue


def test_32_threads_on_one_instance(url: str) -> None:
    with PostgresQueue(url) as queue, ThreadPoolExecutor(32) as threads:
        ids = list(threads.map(lambda n: [queue.enqueue("f", [n, i]) for i in range(25)], range(32)))
        assert len({id for of_thread in ids for id in of_thread}) == 800

        def drain(_: int) -> list[tuple[int, int]]:
            got = []
            while (task := queue.dequeue()) is not None:
                queue.complete(task)
                got.append(tuple(task.args))
            return got

        done = [args for of_thread in threads.map(drain, range(32)) for args in of_thread]
        assert sorted(done) == [(n, i) for n in range(32) for i in range(25)]
        assert queue.count() == 0


def test_the_gil_is_released_while_a_call_waits(url: str) -> None:
    with PostgresQueue(url) as queue:
        counted = 0
        waiting = threading.Thread(target=queue.dequeue, kwargs={"timeout": 0.5})
        waiting.start()
        while waiting.is_alive():
            counted += 1
        assert counted > 10_000


@pytest.mark.anyio
async def test_in_a_worker_thread_of_anyio_and_back(url: str) -> None:
    queue = PostgresQueue(url)

    def work() -> int:
        queue.enqueue("f")
        anyio.from_thread.run(asyncio.sleep, 0)
        return queue.count()

    assert await anyio.to_thread.run_sync(work) == 1
    queue.close()


@pytest.mark.anyio
async def test_in_the_thread_of_a_running_loop(url: str) -> None:
    with PostgresQueue(url) as queue:
        queue.enqueue("f")
        task = queue.dequeue(timeout=1)
        assert task is not None
        queue.complete(task)


def test_one_async_instance_on_loops_in_many_threads(url: str) -> None:
    queue = AsyncPostgresQueue(url)

    async def work(n: int) -> None:
        await asyncio.gather(*[queue.enqueue("f", [n, i]) for i in range(50)])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: asyncio.run(work(n)), range(8)))

    async def check() -> int:
        count = await queue.count()
        await queue.close()
        return count

    assert asyncio.run(check()) == 400


def test_memory_is_shared_by_threads() -> None:
    queue = MemoryQueue()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: queue.enqueue_many([NewTask("f", n)] * 10), range(8)))
    assert queue.count() == 80
    queue.close()
    with pytest.raises(OmniQError):
        queue.count()
