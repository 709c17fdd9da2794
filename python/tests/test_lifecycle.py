"""Opening and closing, cancellation and Ctrl-C: no connection is left open."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from omniq import AsyncPostgresBackend, NewTask, OmniQError
from omniq.storage.postgres import AsyncPostgresQueue, AsyncPostgresResultStorage, PostgresQueue

pytestmark = pytest.mark.anyio

Sessions = Callable[[], Coroutine[Any, Any, int]]


async def all_gone(sessions: Sessions) -> bool:
    """Whether no session is left, within two seconds: the server notices the close of a connection with a delay."""
    for _ in range(200):
        if await sessions() == 0:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_no_session_is_left_after_close(url: str, sessions: Sessions) -> None:
    async with AsyncPostgresBackend(url, events="postgres") as backend:
        await asyncio.gather(*[backend.enqueue("f", n) for n in range(50)])
        assert await backend.queue.dequeue(timeout=1) is not None
        assert await sessions() > 0
    assert await all_gone(sessions)
    await backend.close()


async def test_an_exception_in_the_block_passes_and_closes(url: str, sessions: Sessions) -> None:
    async def work() -> None:
        async with AsyncPostgresQueue(url) as queue:
            await queue.enqueue("f")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await work()
    assert await all_gone(sessions)


async def test_nothing_is_connected_before_it_is_needed(url: str, sessions: Sessions) -> None:
    queue = AsyncPostgresQueue(url)
    assert await sessions() == 0
    await queue.enqueue("f")
    assert await sessions() > 0
    await queue.close()
    never = AsyncPostgresQueue(url)
    await never.close()
    with pytest.raises(OmniQError) as caught:
        await never.enqueue("f")
    assert caught.value.is_closed


async def test_many_first_uses_at_once_open_one_pool(url: str, sessions: Sessions) -> None:
    queue = AsyncPostgresQueue(url, pool_max=2)
    await asyncio.gather(*[queue.enqueue("f") for _ in range(20)])
    assert await sessions() <= 2
    await queue.close()


async def test_concurrent_first_connects_make_the_schema_once(url: str) -> None:
    queues = [AsyncPostgresQueue(url, schema='odd "name"; --') for _ in range(8)]
    await asyncio.gather(*[queue.connect() for queue in queues])
    await queues[0].enqueue("f")
    assert await queues[7].count() == 1
    await asyncio.gather(*[queue.close() for queue in queues])


async def test_a_failed_connect_may_be_tried_again(url: str) -> None:
    queue = AsyncPostgresQueue("postgresql://nobody@127.0.0.1:1/none?acquire_timeout=1")
    for _ in range(2):
        with pytest.raises(OmniQError) as caught:
            await queue.connect()
        assert caught.value.is_unavailable
    await queue.close()


async def test_cancelled_mid_query_the_connection_comes_back_clean(url: str) -> None:
    async with AsyncPostgresQueue(url, pool_min=1, pool_max=1) as queue:
        await queue.enqueue("f")
        blocker = await asyncpg.connect(url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("lock table omniq.tasks in access exclusive mode")
        stuck = asyncio.create_task(queue.list())
        await asyncio.sleep(0.2)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        await transaction.rollback()
        assert await asyncio.wait_for(queue.count(), 10) == 1
        states = await blocker.fetch(
            "select state from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and application_name = 'omniq' and state like 'idle in%'"
        )
        assert states == []
        await blocker.close()


async def test_a_cancelled_wait_ends_at_once(url: str) -> None:
    async with AsyncPostgresResultStorage(url) as results:
        waits = [asyncio.create_task(results.wait(uuid.uuid4(), 60)) for _ in range(20)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        for wait in waits:
            wait.cancel()
        ended = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        assert time.monotonic() - began < 2
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(results.wait(uuid.uuid4(), 60), 0.1)


async def test_the_loop_is_never_blocked(url: str) -> None:
    """While calls are in flight, the loop's other work goes on."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - began)

    async with AsyncPostgresQueue(url) as queue:
        watcher = asyncio.create_task(watch())
        await queue.dequeue(timeout=0.5)
        assert await queue.dequeue(timeout=0.2) is None
        watcher.cancel()
    assert longest < 0.2


def test_ctrl_c_ends_a_blocking_call(url: str) -> None:
    # A shell that starts the tests in the background ignores the signal, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with PostgresQueue(url) as queue:
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                queue.dequeue(timeout=60)
            assert time.monotonic() - began < 5
            timer.join()
            queue.enqueue("f")
            assert queue.dequeue(timeout=5) is not None
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_does_not_raise_lets_the_call_go_on(url: str) -> None:
    called = []
    before = signal.signal(signal.SIGUSR1, lambda *_: called.append(time.monotonic()))
    try:
        with PostgresQueue(url) as queue:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert queue.dequeue(timeout=0.6) is None
        assert len(called) == 1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_loop_that_ends_with_calls_under_way_leaves_nothing(url: str) -> None:
    async def main() -> None:
        queue = AsyncPostgresQueue(url)
        await queue.connect()
        asyncio.create_task(queue.dequeue(timeout=30))  # noqa: RUF006
        await asyncio.sleep(0.05)

    asyncio.run(main())
    gc.collect()


def test_a_call_that_is_never_awaited_does_nothing(url: str) -> None:
    with PostgresQueue(url) as queue:
        pending = queue._core.enqueue(NewTask("f"))
        assert queue.count() == 0
        pending.wait()
        assert queue.count() == 1
        with pytest.raises(RuntimeError, match="begun already"):
            pending.wait()
