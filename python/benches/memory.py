"""Measures the memory of one worker process after many tasks: `python python/benches/memory.py URL [TASKS [TASKS]]`.

One worker runs no-op `async def` tasks that another process enqueues, 50,000 at a time. It prints the resident memory
after TASKS (100,000) and after the second TASKS (ten times the first), in MB, and their difference in percent. A fresh
schema is made in the database, and dropped at the end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg

from omniq import AsyncOmniQ

PRODUCER = sys.argv[2:3] == ["produce"]
SCHEMA = sys.argv[3] if PRODUCER else f"bench_{uuid4().hex[:8]}"
app = AsyncOmniQ(sys.argv[1], schema=SCHEMA, results="off", events="off")
ROUND = 50_000
done = 0


@app.task
async def noop(n: int) -> None:
    global done
    done += 1


def resident() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def produce(tasks: int) -> None:
    async with app:
        for begin in range(0, tasks, ROUND):
            await noop.enqueue_many(range(min(ROUND, tasks - begin)))


async def measure(first: int, last: int) -> None:
    at: dict[int, float] = {}
    async with app, app.worker():
        for wanted in (first, last):
            command = [sys.executable, __file__, sys.argv[1], "produce", SCHEMA, str(wanted - done)]
            producer = await asyncio.create_subprocess_exec(*command)
            while done < wanted:  # noqa: ASYNC110 -- an event would have the handler do more than count
                await asyncio.sleep(0.05)
            await producer.wait()
            at[wanted] = resident()
            print(f"after {wanted:>9,} tasks {at[wanted]:8.1f} MB", flush=True)
    print(f"difference {(at[last] / at[first] - 1) * 100:+.1f} %")
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute(f"drop schema {SCHEMA} cascade")
    await connection.close()


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[4 if PRODUCER else 2 :]]
    if PRODUCER:
        asyncio.run(produce(given[0]))
    else:
        first = given[0] if given else 100_000
        asyncio.run(measure(first, given[1] if len(given) > 1 else 10 * first))
