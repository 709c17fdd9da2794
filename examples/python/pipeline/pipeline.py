"""A pipeline: readings in °F become °C, one task each, with a progress bar; then the mean of each station is shown.

python pipeline.py                  100,000 readings
python pipeline.py --items 5000
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from tqdm import tqdm

from omniq import AsyncOmniQ, Discard

app = AsyncOmniQ()
CHUNK = 5000


@app.task(queue="readings")
async def convert(line: str) -> tuple[str, float]:
    station, _, fahrenheit = line.partition(",")
    try:
        return station, (float(fahrenheit) - 32) / 1.8
    except ValueError:
        raise Discard(f"no number: {line!r}") from None  # A retry would fail as well.


def readings(items: int) -> Iterator[str]:
    """Takes the place of your file. One reading in a thousand is broken."""
    for n in range(items):
        yield f"station-{n % 3},{'?' if n % 1000 == 999 else 50 + n % 3 * 18}"


async def left() -> int:
    """How many readings are not converted yet, by any worker."""
    queues = await app.backend.queue.queues()
    return sum(queue.ready + queue.scheduled + queue.running for queue in queues if queue.name == "readings")


async def follow(ids: list[UUID], bar: tqdm[None]) -> None:
    """Moves the bar until all enqueued tasks have ended."""
    while todo := await left():
        bar.update(max(0, len(ids) - todo - bar.n))
        await asyncio.sleep(0.2)
    bar.update(len(ids) - bar.n)


async def main(items: int) -> None:
    ids: list[UUID] = []
    lines = readings(items)
    async with app:
        with tqdm(total=items, desc="enqueued", unit=" readings") as bar:
            while chunk := list(islice(lines, CHUNK)):
                ids += [handle.id for handle in await convert.enqueue_many(chunk)]
                bar.update(len(chunk))
        with tqdm(total=items, desc="converted", unit=" readings") as bar:
            async with app.worker(concurrency=200):
                await follow(ids, bar)

        celsius = defaultdict(list)
        skipped = 0
        for start in range(0, items, CHUNK):
            for result in await app.backend.results.get_many(ids[start : start + CHUNK]):
                if result is None or result.value is None:
                    skipped += 1
                else:
                    station, value = result.value
                    celsius[station].append(value)
    for station, values in sorted(celsius.items()):
        print(f"{station}: {sum(values) / len(values):.1f} °C, the mean of {len(values)}")
    print(f"skipped: {skipped}")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--items", type=int, default=100_000)

if __name__ == "__main__":
    asyncio.run(main(parser.parse_args().items))
