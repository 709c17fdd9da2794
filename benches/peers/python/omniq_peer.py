"""OmniQ's Python package through its public API, on uvloop: the wheel of a release, as a user would have it.

`HANDLER=def` runs tasks in threads instead of on the event loop, `RESULTS=1` stores what they return. `gather N`
measures how much longer N tasks take if their values are collected meanwhile.
"""

import asyncio
import json
import os

import uvloop

import omniq
from omniq import AsyncOmniQ
from protocol import (
    ARGS,
    MODE,
    URL,
    bulk,
    connections,
    handle,
    handle_blocking,
    job,
    now,
    produce,
    queues,
    round_trips,
    serve,
    setting,
)

RESULTS = "postgres" if setting("RESULTS", 0) else "off"
app = AsyncOmniQ(URL, results=RESULTS, pool_max=connections(8))


async def on_the_loop(t: int, i: int, pad: str) -> int:
    await handle(t)
    return i


def in_a_thread(t: int, i: int, pad: str) -> int:
    handle_blocking(t)
    return i


noop = app.task(name="noop", queue="bench0")(in_a_thread if setting("HANDLER", "async") == "def" else on_the_loop)


async def many(numbers):
    await noop.enqueue_many(job(number) for number in numbers)


async def one(number, at):
    await noop.enqueue(**job(number, at))


async def answered(number, at):
    assert await (await noop.enqueue(**job(number, at))).result(60) == number


def options():
    """The worker options that the environment sets."""
    known = {"SLOTS": "concurrency", "THREADS": "threads", "PREFETCH": "prefetch"}
    return {option: int(os.environ[key]) for key, option in known.items() if key in os.environ}


async def gather(count):
    async def seconds(*also):
        handles = await noop.enqueue_many(job(number) for number in range(count))
        start = now()
        await asyncio.gather(app.drain(queues=queues()), *(collect(handles) for collect in also))
        return (now() - start) / 1e9

    async def collect(handles):
        assert await omniq.gather(handles) == list(range(count))

    await seconds()
    alone = min([await seconds() for _ in range(3)])
    both = min([await seconds(collect) for _ in range(3)])
    print(json.dumps({"jobs": count, "seconds": both - alone, "work": alone}), flush=True)


async def main():
    async with app:
        if MODE == "bulk":
            await bulk(5_000, many)
        elif MODE == "work":
            serve()
            await app.worker(queues=queues(), **options()).run()
        elif MODE == "round-trip":
            await round_trips(answered)
        elif MODE == "gather":
            await gather(int(ARGS[0]))
        elif MODE != "setup":
            await produce(one)


uvloop.run(main())
