"""Measures the rate of single awaited enqueues, and how much they delay the event loop.

    python python/benches/enqueue.py postgresql://…  [--uvloop]

A fresh schema is made in the database and dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid

import asyncpg

from omniq import AsyncPostgresBackend, NewTask


async def single(backend: AsyncPostgresBackend, callers: int, count: int) -> float:
    """Enqueues a second, by `callers` tasks of asyncio that each await one enqueue after another."""

    async def caller() -> None:
        for n in range(count // callers):
            await backend.enqueue("noop", n)

    began = time.perf_counter()
    await asyncio.gather(*[caller() for _ in range(callers)])
    return count / (time.perf_counter() - began)


async def latency(stop: asyncio.Event) -> list[float]:
    """How late the loop wakes a task that sleeps for a millisecond, in milliseconds."""
    late = []
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began - 0.001) * 1000)
    return sorted(late)


async def main(url: str) -> None:
    schema = f"bench_{uuid.uuid4().hex[:8]}"
    async with AsyncPostgresBackend(url, schema=schema) as backend:
        await single(backend, 100, 10_000)
        print(f"    1 caller    {await single(backend, 1, 3_000):10,.0f} enqueues/s")
        print(f"  100 callers   {await single(backend, 100, 200_000):10,.0f} enqueues/s")
        stop = asyncio.Event()
        watcher = asyncio.create_task(latency(stop))
        print(f"1,000 callers   {await single(backend, 1_000, 100_000):10,.0f} enqueues/s")
        stop.set()
        late = await watcher
        print(
            f"                loop latency p50 {late[len(late) // 2]:.1f} ms, p99 {late[len(late) * 99 // 100]:.1f} ms"
        )
        tasks = [NewTask("noop", n) for n in range(100_000)]
        began = time.perf_counter()
        await backend.enqueue_many(tasks)
        print(f"bulk            {len(tasks) / (time.perf_counter() - began):10,.0f} tasks/s")
        began, taken = time.perf_counter(), 0
        while taken < 50_000 and (batch := await backend.queue.dequeue_many(limit=1_000)):
            await backend.queue.complete_many(batch)
            taken += len(batch)
        print(
            f"dequeue_many    {taken / (time.perf_counter() - began):10,.0f} tasks/s, 1,000 at a time, with complete_many"
        )
    connection = await asyncpg.connect(url)
    await connection.execute(f"drop schema {schema} cascade")
    await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    if given.uvloop:
        import uvloop

        uvloop.run(main(given.url))
    else:
        asyncio.run(main(given.url))
