"""procrastinate, on psycopg 3 and uvloop; finished jobs are deleted, as its documentation advises for throughput."""

import logging

import uvloop
from procrastinate import App, PsycopgConnector

from protocol import MODE, URL, bulk, connections, handle, handle_blocking, job, produce, serve, setting

logging.getLogger("procrastinate").setLevel(logging.ERROR)
SIZE = connections(10)
app = App(connector=PsycopgConnector(conninfo=URL, min_size=SIZE, max_size=SIZE))


async def on_the_loop(t, i, pad):
    await handle(t)


def in_a_thread(t, i, pad):
    handle_blocking(t)


noop = app.task(name="noop", queue="bench0")(in_a_thread if setting("HANDLER", "async") == "def" else on_the_loop)


async def many(numbers):
    await noop.batch_defer_async(*[job(number) for number in numbers])


async def one(number, at):
    await noop.defer_async(**job(number, at))


async def main():
    async with app.open_async():
        if MODE == "setup":
            await app.schema_manager.apply_schema_async()
        elif MODE == "bulk":
            await bulk(1_000, many)
        elif MODE == "work":
            serve()
            await app.run_worker_async(
                queues=["bench0"],
                concurrency=setting("SLOTS", 20),
                delete_jobs="successful",
                install_signal_handlers=False,
            )
        else:
            await produce(one)


uvloop.run(main())
