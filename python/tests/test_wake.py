"""A custom queue wakes its idle workers."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import written

from omniq import AsyncOmniQ, OmniQ, OmniQError
from omniq.models import NewTask
from omniq.storage.memory import AsyncMemoryQueue, MemoryQueue

pytestmark = pytest.mark.anyio

ROUNDS = 15
#: In seconds. Without `wake` an idle worker looks every 100 ms, which would take 50 ms on average.
SOON = 0.03


async def median_wait(queue: Any, enqueue: Callable[[str], Any]) -> float:
    """The median time that a task waits for an idle worker."""
    async with AsyncOmniQ(tasks=queue, results="memory") as app:
        begun: asyncio.Queue[float] = asyncio.Queue()

        @app.task
        async def note() -> None:
            begun.put_nowait(time.monotonic())

        waits = []
        async with app.worker():
            for number in range(ROUNDS + 1):
                # Not in phase with the polls of the idle worker.
                await asyncio.sleep(0.13 + 0.007 * number)
                since = time.monotonic()
                await enqueue("note")
                waits.append(await asyncio.wait_for(begun.get(), 10) - since)
    return statistics.median(waits[1:])


async def test_a_verb_through_omniq_wakes_a_sleeping_worker() -> None:
    queue = written.ProxyQueue()
    assert await median_wait(queue, queue.enqueue) < SOON


async def test_a_queue_wakes_by_itself_where_its_own_verb_is_called() -> None:
    class Waking(written.ProxyQueue):  # type: ignore[misc]
        async def enqueue_many(self, tasks: Any) -> Any:
            ids = await super().enqueue_many(tasks)
            threading.Thread(target=self.wake).start()
            return ids

    loud, silent = Waking(), written.ProxyQueue()
    assert await median_wait(loud, lambda func: loud.enqueue_many([NewTask(func)])) < SOON
    assert await median_wait(silent, lambda func: silent.enqueue_many([NewTask(func)])) > SOON, "what the hook is for"


def test_a_blocking_queue_wakes_its_workers_too() -> None:
    queue = written.BlockingProxyQueue()
    with OmniQ(tasks=queue, results="memory") as app:

        @app.task
        def now() -> float:
            return time.monotonic()

        waits = []
        with app.worker():
            for number in range(ROUNDS + 1):
                time.sleep(0.13 + 0.007 * number)
                since = time.monotonic()
                waits.append(now.enqueue().result(10) - since)
    assert statistics.median(waits[1:]) < SOON


async def test_ready_made_queues_need_no_wake(url: str) -> None:
    for queue in (AsyncMemoryQueue(), MemoryQueue()):
        with pytest.raises(OmniQError, match="by itself") as caught:
            queue.wake()
        assert caught.value.is_invalid
