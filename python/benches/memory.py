"""What one worker process holds in memory after many tasks: `python python/benches/memory.py URL [TASKS [TASKS]]`.

Runs no-op `async def` tasks, 50,000 at a time, and prints the resident memory after TASKS (100,000) and after the second
TASKS (ten times the first), in MB, and their difference in percent. A fresh schema is made in the database, and dropped at the end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

from omniq import AsyncOmniQ
from omniq.testing import on_database

app = AsyncOmniQ("postgresql://localhost/none")
ROUND = 50_000


@app.task
async def noop(n: int) -> None: ...


def resident() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def main() -> None:
    url = sys.argv[1]
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    last = int(sys.argv[3]) if len(sys.argv) > 3 else 10 * first
    at: dict[int, float] = {}
    with on_database(app, url, schema=f"bench_{uuid4().hex[:8]}", results="off", events="off"):
        done = 0
        while done < last:
            step = min(ROUND, (first if done < first else last) - done)
            await noop.enqueue_many(range(step))
            await app.drain()
            done += step
            if done in (first, last):
                at[done] = resident()
                print(f"after {done:>9,} tasks {at[done]:8.1f} MB", flush=True)
        await app.close()
    print(f"difference {(at[last] / at[first] - 1) * 100:+.1f} %")


if __name__ == "__main__":
    asyncio.run(main())
