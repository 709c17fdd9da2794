"""pgqueuer, on asyncpg and uvloop, with the autovacuum settings that its own checklist names."""

import asyncio
import json
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from protocol import MODE, URL, bulk, connections, handle, handle_blocking, job, produce, serve, setting


def body(number, at=0):
    return json.dumps(job(number, at)).encode()


async def producer():
    size = connections(4)
    queries = Queries(AsyncpgPoolDriver(await asyncpg.create_pool(URL, min_size=size, max_size=size)))

    async def many(numbers):
        keys = [f"job {number}" for number in numbers] if setting("UNIQUE", 0) else None
        bodies = [body(number) for number in numbers]
        await queries.enqueue(["noop"] * len(numbers), bodies, [0] * len(numbers), dedupe_key=keys)

    async def one(number, at):
        await queries.enqueue("noop", body(number, at))

    await (bulk(5_000, many) if MODE == "bulk" else produce(one))


async def worker():
    queue = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))

    async def noop(found: Job) -> None:
        await handle(json.loads(found.payload)["t"])

    async def blocking(found: Job) -> None:
        await asyncio.to_thread(handle_blocking, json.loads(found.payload)["t"])  # as its documentation says to

    queue.entrypoint("noop")(blocking if setting("HANDLER", "async") == "def" else noop)
    serve()
    await queue.run(batch_size=setting("BATCH", 500), dequeue_timeout=timedelta(seconds=5))


async def main():
    if MODE == "setup":
        queries = Queries(AsyncpgDriver(await asyncpg.connect(URL)))
        await queries.install()
        await queries.optimize_autovacuum()
    else:
        await (worker() if MODE == "work" else producer())


uvloop.run(main())
