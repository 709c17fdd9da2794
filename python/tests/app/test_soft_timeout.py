"""Soft timeouts: an exception inside the run some time before its timeout.

Issue 14, number 4.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest

from omniq import AsyncOmniQ, Context, Depends, SoftTimeout, TaskFailed, injected
from omniq.models import TaskState

pytestmark = pytest.mark.anyio

LONG = 60.0


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    defaults: Any = {"max_retries": 0, "soft_timeout": 0.1}
    async with AsyncOmniQ(tasks="memory", results="memory", defaults=defaults) as app:
        yield app


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


async def test_a_run_saves_its_work_or_fails(app: AsyncOmniQ) -> None:
    @app.task
    async def saves() -> str:
        try:
            await asyncio.sleep(LONG)
        except SoftTimeout:
            # It is raised once: the rest of the run is not disturbed.
            await asyncio.sleep(0.15)
            return "saved"
        return "late"

    @app.task
    def in_thread() -> str:
        try:
            for _ in range(6000):
                time.sleep(0.01)
        except SoftTimeout:
            time.sleep(0.15)
            return "saved"
        return "late"

    @app.task
    @plain
    async def decorated() -> str:
        try:
            await asyncio.sleep(LONG)
        except SoftTimeout:
            return "saved"
        return "late"

    @app.task
    async def fails() -> None:
        await asyncio.sleep(LONG)

    @app.task
    @plain
    async def fails_decorated() -> None:
        await asyncio.sleep(LONG)

    @app.task
    def fails_in_thread() -> None:
        while True:
            time.sleep(0.01)

    begun = time.monotonic()
    handles = [await task.enqueue() for task in (saves, in_thread, decorated)]
    failing = [await task.enqueue() for task in (fails, fails_decorated, fails_in_thread)]
    await app.drain()
    assert time.monotonic() - begun < 5
    assert [await handle.result(5) for handle in handles] == ["saved"] * 3
    for handle in failing:
        with pytest.raises(TaskFailed, match=r"SoftTimeout: the soft timeout of the run is over"):
            await handle.result(5)


async def test_the_timeout_ends_a_run_that_goes_on(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.task(timeout=0.3)
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(LONG)
            except SoftTimeout:
                log.append("soft")
            except asyncio.CancelledError:
                log.append("hard")
                raise

    handle = await stubborn.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match="took longer"):
        await handle.result(5)
    assert log == ["soft", "hard"]


async def test_dependencies_and_middleware_see_it(app: AsyncOmniQ) -> None:
    log: list[str] = []

    def resource() -> Iterator[str]:
        try:
            yield "resource"
        except SoftTimeout:
            log.append("torn down")
            raise

    @app.middleware
    async def around(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except SoftTimeout:
            log.append(f"around {context.func}")
            raise

    @app.task
    async def work(resource: Annotated[str, Depends(resource)] = injected) -> None:
        await asyncio.sleep(LONG)

    @app.task
    def blocking(resource: Annotated[str, Depends(resource)] = injected) -> None:
        for _ in range(6000):
            time.sleep(0.01)

    for task in (work, blocking):
        handle = await task.enqueue()
        await app.drain()
        with pytest.raises(TaskFailed, match="SoftTimeout"):
            await handle.result(5)
    assert log == ["torn down", "around work", "torn down", "around blocking"]


async def test_a_clean_up_is_not_disturbed(app: AsyncOmniQ) -> None:
    log: list[str] = []

    def resource() -> Iterator[None]:
        yield
        time.sleep(0.15)
        log.append("torn down")

    @app.task
    def slow_to_end(resource: Annotated[None, Depends(resource)] = injected) -> str:
        return "done"

    @app.task(timeout=0.1, soft_timeout=0.05)
    async def stopped() -> None:
        try:
            await asyncio.sleep(LONG)
        except SoftTimeout:
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(0.01)
            log.append("cleaned up")

    @app.task(soft_timeout=0.15, timeout=LONG)
    async def cancelled() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            # The soft timeout would come now.
            await asyncio.sleep(0.2)
            log.append("undisturbed")

    first, second, third = await slow_to_end.enqueue(), await stopped.enqueue(), await cancelled.enqueue()
    async with app.worker(lease=0.1):
        while await third.status() is not TaskState.RUNNING:
            await asyncio.sleep(0.005)
        await third.cancel()
        assert await first.result(5) == "done"
        for handle in (second, third):
            with pytest.raises(TaskFailed):
                await handle.result(5)
    assert sorted(log) == ["cleaned up", "torn down", "undisturbed"]


async def test_a_cancel_that_is_swallowed_below_is_raised_all_the_same(app: AsyncOmniQ) -> None:
    async def deaf() -> str:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return "swallowed"
        return "late"

    @app.task
    async def work() -> str:
        try:
            await asyncio.ensure_future(deaf())
        except SoftTimeout:
            # What is cancelled from here on is no soft timeout.
            try:
                await asyncio.wait_for(asyncio.sleep(LONG), 0.01)
            except asyncio.TimeoutError:
                return "soft, then a timeout of its own"
        return "nothing"

    handle = await work.enqueue()
    await app.drain()
    assert await handle.result(5) == "soft, then a timeout of its own"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with Python 3.11")
async def test_task_groups_and_timeouts_of_asyncio_end_their_tasks(app: AsyncOmniQ) -> None:
    ended: list[str] = []
    newer: Any = asyncio

    async def part(name: str) -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(name)

    @app.task
    async def group() -> int:
        try:
            async with newer.TaskGroup() as parts:
                parts.create_task(part("a"))
                parts.create_task(part("b"))
        except SoftTimeout:
            pass
        current: Any = asyncio.current_task()
        return int(current.cancelling())

    @app.task
    async def bounded() -> None:
        async with newer.timeout(LONG):
            await asyncio.gather(part("c"), part("d"))

    one, other = await group.enqueue(), await bounded.enqueue()
    await app.drain()
    assert await one.result(5) == 0
    with pytest.raises(TaskFailed, match="SoftTimeout"):
        await other.result(5)
    assert sorted(ended) == ["a", "b", "c", "d"]


async def test_a_run_that_ends_at_that_moment_leaves_nothing_to_the_next(app: AsyncOmniQ) -> None:
    # One thread runs all; each run ends at about its soft timeout.
    seen: set[int] = set()

    @app.task(soft_timeout=0.002)
    def short(place: int) -> int:
        seen.add(threading.get_ident())
        end = time.monotonic() + 0.0015 + place % 10 / 10_000
        try:
            while time.monotonic() < end:
                pass
        except SoftTimeout:
            return -1
        return place

    @app.task(soft_timeout=None)
    def undisturbed(place: int) -> int:
        end = time.monotonic() + 0.001
        while time.monotonic() < end:
            pass
        return place

    handles = [await task.enqueue(place) for place in range(100) for task in (short, undisturbed)]
    await app.drain(threads=1)
    assert len(seen) == 1
    for place, handle in enumerate(handles):
        if place % 2:
            assert await handle.result(5) == place // 2
        else:
            result = await app.backend.results.get(handle.id)
            assert result is not None
            assert result.error is None or "SoftTimeout" in result.error.type
