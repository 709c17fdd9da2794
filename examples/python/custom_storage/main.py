"""An application that keeps its tasks in PostgreSQL and its results in a SQLite file.

python main.py results.db
"""

from __future__ import annotations

import asyncio
import sys

from sqlite_results import SqliteResults

from omniq import AsyncOmniQ


async def main(path: str) -> None:
    app = AsyncOmniQ(results=SqliteResults(path))

    @app.task
    async def square(n: int) -> int:
        return n * n

    async with app, app.worker():
        handles = await square.enqueue_many(range(10))
        print(*[await handle.result(timeout=30) for handle in handles])
        print(await app.backend.results.count(func="square"), "results in", path)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
