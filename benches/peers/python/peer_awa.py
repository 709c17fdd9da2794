"""awa-pg, the Python package of awa, on its queue storage: bulk by COPY, jobs without a deadline."""

import asyncio
from dataclasses import dataclass

import uvloop
from awa import AsyncClient

from protocol import MODE, URL, bulk, connections, handle, job, produce, queues, serve, setting


@dataclass
class Noop:
    t: int
    i: int
    pad: str


async def producer(client):
    names = queues()

    async def many(numbers):
        opts = [{"queue": names[number % len(names)]} for number in numbers] if len(names) > 1 else None
        await client.enqueue_many_copy([Noop(**job(number)) for number in numbers], queue=names[0], opts=opts)

    async def one(number, at):
        await client.insert(Noop(**job(number, at)), queue="bench0")

    await (bulk(5_000, many) if MODE == "bulk" else produce(one))


async def work(client):
    async def noop(found):
        await handle(found.args.t)

    for name in queues():
        client.task(Noop, queue=name)(noop)
    each = {
        "max_workers": setting("SLOTS", 512),
        "claimers": setting("CLAIMERS", 1),
        "claim_batch_size": setting("BATCH", 512),
        "deadline_duration_ms": 0,
    }
    serve()
    await client.start([{"name": name, **each} for name in queues()], poll_interval_ms=setting("POLL_MS", 50))
    await asyncio.Event().wait()


async def main():
    async with AsyncClient(URL, max_connections=connections(10)) as client:
        if MODE == "setup":
            await client.migrate()
            await client.install_queue_storage(schema="awa")
        else:
            await (work(client) if MODE == "work" else producer(client))


uvloop.run(main())
