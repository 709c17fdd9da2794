"""oban, on psycopg 3 and uvloop; finished jobs stay in its table for a day, as they do by default."""

import asyncio

import uvloop
from oban import Oban, Record, worker
from oban.schema import install

from protocol import MODE, URL, bulk, connections, handle, job, produce, queues, serve, setting


@worker(queue="bench0")
class Noop:
    async def process(self, found):
        await handle(found.args["t"])
        return Record(found.args["i"]) if setting("RESULTS", 0) else None


async def producer(oban):
    names = queues()

    async def many(numbers):
        await oban.enqueue_many(Noop.new(job(number), queue=names[number % len(names)]) for number in numbers)

    async def one(number, at):
        await oban.enqueue(Noop.new(job(number, at)))

    await (bulk(1_000, many) if MODE == "bulk" else produce(one))


async def work(pool):
    queue = {"limit": setting("SLOTS", 100), "debounce_interval": setting("DEBOUNCE_MS", 5) / 1e3}
    oban = Oban(pool=pool, queues=dict.fromkeys(queues(), queue))
    serve()
    async with oban:
        await asyncio.Event().wait()


async def main():
    size = connections(10)
    pool = await Oban.create_pool(URL, min_size=size, max_size=size)
    if MODE == "setup":
        await install(pool)
    else:
        await (work(pool) if MODE == "work" else producer(Oban(pool=pool)))
    await pool.close()


uvloop.run(main())
