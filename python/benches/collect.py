"""How long the values of many tasks take to collect by `omniq.gather`: `python python/benches/collect.py URL [TASKS]`.

It makes a new schema in the database, and drops it at the end. Figures are seconds, the best of three rounds: the
work alone, the collection after it, and both at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import omniq
from omniq import AsyncHandle, AsyncOmniQ
from omniq.testing import on_database

app = AsyncOmniQ("postgresql://localhost/none")
ROUNDS = 3
Handles = list[AsyncHandle[int]]


@app.task
async def noop(n: int) -> int:
    return n


async def work(handles: Handles) -> None:
    await app.drain()


async def after(handles: Handles) -> None:
    assert await omniq.gather(handles) == list(range(len(handles)))


async def beside(handles: Handles) -> None:
    await asyncio.gather(app.drain(), after(handles))


async def timed(call: Callable[[Handles], Awaitable[object]], handles: Handles) -> float:
    begun = time.perf_counter()
    await call(handles)
    return time.perf_counter() - begun


async def main() -> None:
    url, tasks = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    best: dict[str, float] = {}

    async def measure(name: str, *calls: Any) -> None:
        handles = await noop.enqueue_many(range(tasks))
        took = 0.0
        for call in calls:
            took = await timed(call, handles)
        best[name] = min(took, best.get(name, took))

    with on_database(app, url, schema=f"bench_{uuid4().hex[:8]}", results="postgres", events="off"):
        for _ in range(ROUNDS):
            await measure("the work alone", work)
            await measure("collected after the work", work, after)
            await measure("work and collection at once", beside)
        await app.close()
    for name, took in best.items():
        print(f"{name:<30} {took:>8.3f} s")


if __name__ == "__main__":
    asyncio.run(main())
