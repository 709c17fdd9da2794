"""What the Python programs of the benchmark share: command line, clock, the job, producers, counts of handler runs.

Commands and output lines are those of the Rust programs (`benches/protocol`); see benches/README.md.
"""

import asyncio
import itertools
import json
import os
import sys
import threading
import time

now = time.monotonic_ns
MODE = sys.argv[1] if len(sys.argv) > 1 else ""
ARGS = [float(text) for text in sys.argv[2:]]
URL = os.environ["DATABASE_URL"]
PAD = "the quick brown fox jumps over the lazy dog, and on to the end of it."
EVERY = 100


def setting(key, otherwise):
    return type(otherwise)(os.environ.get(key, otherwise))


def job(i, t=0):
    return {"t": t, "i": i, "pad": PAD}


def queues():
    """The names of the queues that jobs go to in turn: `bench0`, `bench1` …; `QUEUES` sets the number."""
    return [f"bench{number}" for number in range(setting("QUEUES", 1))]


def connections(otherwise):
    """How many connections the program gets in this mode, as in the Rust programs."""
    known = {
        "single": max(2, int(ARGS[0]) if ARGS else 2),
        "load": 32,
        "setup": 4,
        "bulk": 4,
        "paced": 4,
        "round-trip": 4,
    }
    return known.get(MODE, setting("CONNECTIONS", otherwise))


def say(line):
    print(line, flush=True)


def report(jobs, start):
    say(json.dumps({"jobs": int(jobs), "seconds": (now() - start) / 1e9}))


async def bulk(chunk, call):
    chunk, count, start = setting("CHUNK", chunk), int(ARGS[0]), now()
    for begin in range(0, count, chunk):
        await call(range(begin, min(begin + chunk, count)))
    report(count, start)


async def _callers(callers, call, goes_on):
    numbers = itertools.count()

    async def loop():
        done = 0
        while goes_on(number := next(numbers)):
            await call(number, 0)
            done += 1
        return done

    return sum(await asyncio.gather(*(loop() for _ in range(callers))))


async def produce(call):
    """Runs `load`, `single` or `paced`, around the queue's own `call(number, time)`."""
    if MODE == "load":
        start = now()
        report(await _callers(32, call, lambda number: number < ARGS[0]), start)
    elif MODE == "single":
        callers, seconds = int(ARGS[0]), ARGS[1]
        for number in range(callers):
            await call(number, 0)  # connections and prepared statements
        start = now()
        say(f"START {start}")
        report(await _callers(callers, call, lambda _: now() < start + seconds * 1e9), start)
    elif MODE == "paced":
        await call(0, 0)
        start = due = now()
        for number in range(int(ARGS[0])):
            await asyncio.sleep(max(0, due - now()) / 1e9)
            await call(number, now())
            due += ARGS[1] * 1e6
        report(ARGS[0], start)


async def round_trips(call):
    """Runs `round-trip`, around a `call(number, time)` that ends with the job's result."""
    await call(0, 0)
    start = due = now()
    latencies = []
    for number in range(int(ARGS[0])):
        await asyncio.sleep(max(0, due - now()) / 1e9)
        begun = now()
        await call(number, begun)
        latencies.append(now() - begun)
        due += ARGS[1] * 1e6
    say(json.dumps({"jobs": int(ARGS[0]), "seconds": (now() - start) / 1e9, "latencies": latencies}))


class _Seen:
    runs = itertools.count(1)  # `next` is atomic, so handlers in threads need no lock
    wanted = 0
    sleep = 0.0
    marks = []
    latencies = []


def _begun(enqueued_at):
    seen = _Seen
    number = next(seen.runs)
    if enqueued_at:
        seen.latencies.append(now() - enqueued_at)
    if number % EVERY == 0:
        seen.marks.append(now())
    if number == seen.wanted:
        say(f"REACHED {now()}")


async def handle(enqueued_at):
    """The body of every handler on the event loop."""
    _begun(enqueued_at)
    if _Seen.sleep:
        await asyncio.sleep(_Seen.sleep)


def handle_blocking(enqueued_at):
    """The body of every handler in a thread."""
    _begun(enqueued_at)
    if _Seen.sleep:
        time.sleep(_Seen.sleep)


def serve():
    """Prints READY. A line on standard input ends the program, after the counts."""
    _Seen.wanted, _Seen.sleep = int(ARGS[0]), setting("SLEEP_MS", 0.0) / 1e3
    ready = now()
    say(f"READY {ready}")

    def wait():
        sys.stdin.readline()
        seen = _Seen
        count = next(seen.runs) - 1
        say(
            json.dumps(
                {"count": count, "ready": ready, "every": EVERY, "marks": seen.marks, "latencies": seen.latencies}
            )
        )
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
