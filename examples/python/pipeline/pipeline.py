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

from tqdm import tqdm

import omniq
from omniq import AsyncHandle, AsyncOmniQ, Discard, TaskFailed

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


async def main(items: int) -> None:
    handles: list[AsyncHandle[tuple[str, float]]] = []
    lines = readings(items)
    celsius = defaultdict(list)
    skipped = 0
    async with app:
        with tqdm(total=items, desc="enqueued", unit=" readings") as bar:
            while chunk := list(islice(lines, CHUNK)):
                handles += await convert.enqueue_many(chunk)
                bar.update(len(chunk))
        with tqdm(total=items, desc="converted", unit=" readings") as bar:
            async with app.worker(concurrency=200):
                async for handle in omniq.as_completed(handles):
                    bar.update()
                    try:
                        station, value = await handle.result()
                    except TaskFailed:
                        skipped += 1
                    else:
                        celsius[station].append(value)
    for station, values in sorted(celsius.items()):
        print(f"{station}: {sum(values) / len(values):.1f} °C, the mean of {len(values)}")
    print(f"skipped: {skipped}")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--items", type=int, default=100_000)

if __name__ == "__main__":
    asyncio.run(main(parser.parse_args().items))
