"""Enqueue and drain through the application's public API: `python python/benches/app.py URL [TASKS]`.

It makes a new schema in the database, and drops it at the end. Figures are tasks a second, the best of three rounds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from omniq import AsyncOmniQ
from omniq.testing import on_database

app = AsyncOmniQ("postgresql://localhost/none")
ROUNDS = 3
CALLERS = 100


@app.task
async def async_noop(n: int) -> None: ...


@app.task
def blocking_noop(n: int) -> None: ...


async def clear() -> None:
    await app.backend.queue.purge()


async def single(tasks: int) -> None:
    async def caller() -> None:
        for n in range(tasks // CALLERS):
            await async_noop.enqueue(n)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def rounds(
    name: str, tasks: int, work: Callable[[], Awaitable[object]], before: Callable[[], Awaitable[object]] = clear
) -> None:
    best = float("inf")
    for _ in range(ROUNDS):
        await before()
        begun = time.perf_counter()
        await work()
        best = min(best, time.perf_counter() - begun)
    print(f"{name:<44} {tasks / best:>10,.0f}", flush=True)


async def bulk_and_drain(function: Any, tasks: int) -> None:
    async def fill() -> None:
        await clear()
        await function.enqueue_many(range(tasks))

    kind = "async def" if function.is_async else "def"
    await rounds(f"bulk enqueue, {kind}", tasks, lambda: function.enqueue_many(range(tasks)))
    await rounds(f"drain of no-op {kind} tasks", tasks, app.drain, fill)


async def main() -> None:
    url, tasks = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    for results in ("off", "postgres"):
        print(f"results {results}")
        with on_database(app, url, schema=f"bench_{uuid4().hex[:8]}", results=results, events="off"):
            for function in (async_noop, blocking_noop):
                await bulk_and_drain(function, tasks)
            await rounds(f"awaited single enqueue, {CALLERS} callers", tasks, lambda: single(tasks))
            await app.close()


if __name__ == "__main__":
    asyncio.run(main())
