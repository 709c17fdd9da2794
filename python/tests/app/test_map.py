"""`app.map`: a call for each item, and the values in order; and the progress of many tasks."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import omniq
from omniq import AsyncOmniQ, ConfigError, InvalidError, OmniQ, TaskFailed
from omniq.models import TaskState
from omniq.testing import eager

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, defaults={"max_retries": 0}) as app:
        yield app


def root(n: int, power: int = 2) -> int:
    if n < 0:
        raise ValueError(f"{n} is negative")
    found: float = n ** (1 / power)
    return round(found)


def whole(n: int) -> int:
    if n < 0:
        raise ValueError(f"{n} is negative")
    return n


async def test_values_come_in_the_order_of_the_items(app: AsyncOmniQ) -> None:
    roots, same = app.task(root), app.task(whole)
    async with app.worker():
        assert await app.map(same, range(20), timeout=20) == list(range(20))
        assert await app.map(roots, [(9,), (8, 3), {"n": 16}]) == [3, 2, 4]
        assert await app.map(same.with_options(priority=5), (n for n in (2, 1))) == [2, 1]
        assert await app.map(same, []) == []
        assert await app.map(same, [], concurrency=1) == []
        assert await asyncio.to_thread(app.map_sync, same, [3, 4]) == [3, 4]


async def test_no_more_tasks_than_asked_for_are_unfinished(app: AsyncOmniQ) -> None:
    taken: list[int] = []
    ended: list[int] = []
    most = 0

    @app.task
    async def work(n: int) -> int:
        await asyncio.sleep(0.001 * (n % 3))
        ended.append(n)
        return -n

    def items() -> Iterator[int]:
        nonlocal most
        for n in range(40):
            taken.append(n)
            most = max(most, len(taken) - len(ended))
            yield n

    async with app.worker():
        assert await app.map(work, items(), concurrency=4, timeout=20) == [-n for n in range(40)]
    assert most == 4


async def test_a_failed_task_ends_the_map_or_takes_its_place(app: AsyncOmniQ) -> None:
    same = app.task(whole)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in (1, -2, 3, 4, 5):
            taken.append(n)
            yield n

    async with app.worker():
        with pytest.raises(TaskFailed, match="-2 is negative"):
            await app.map(same, items(), concurrency=1)
        assert taken == [1, -2], "no further items are enqueued"
        values = await app.map(same, [1, -2, 3], return_exceptions=True)
        assert isinstance(values[1], TaskFailed)
        assert values[::2] == [1, 3]


async def test_the_rest_is_cancelled_if_that_is_asked_for(app: AsyncOmniQ) -> None:
    @app.task
    async def work(n: int) -> int:
        if n == 0:
            raise ValueError("the first fails")
        await asyncio.sleep(30)
        return n

    async with app.worker(concurrency=2, lease=0.6):
        with pytest.raises(TaskFailed, match="the first fails"):
            await app.map(work, range(5), cancel_rest=True)
        # With exceptions in place of values, too, nothing further is enqueued.
        options: Any = {"return_exceptions": True, "cancel_rest": True, "concurrency": 2}
        assert [type(value) for value in await app.map(work, range(100), **options)] == [TaskFailed] * 2
        while await app.backend.queue.count(state=TaskState.RUNNING):
            await asyncio.sleep(0.01)
    assert await app.backend.queue.count(state=TaskState.READY) == 0
    assert await app.backend.results.count(status="cancelled") == 5


async def test_an_item_that_is_refused_later_cancels_the_rest_too(app: AsyncOmniQ) -> None:
    same = app.task(whole)

    async def end_one() -> None:
        while (task := await app.backend.queue.dequeue()) is None:
            await asyncio.sleep(0.01)
        await app.backend.complete(task, 1)

    worker = asyncio.ensure_future(end_one())
    with pytest.raises(InvalidError, match=r"calls\[3\] of task whole: argument n"):
        await app.map(same, [1, 2, 3, "x"], concurrency=3, cancel_rest=True, timeout=20)
    await worker
    assert await app.backend.queue.count() == 0
    assert await app.backend.results.count(status="cancelled") == 2


def test_blocking_code_maps_too(url: str) -> None:
    with OmniQ(url) as app:
        same = app.task(whole)
        with app.worker():
            assert app.map(same, range(10), concurrency=3, timeout=20) == list(range(10))
            assert app.map_sync(same, [7]) == [7]


async def test_in_eager_mode_the_tasks_run_at_once(url: str) -> None:
    app, blocking = AsyncOmniQ(url, defaults={"max_retries": 0}), OmniQ(url)
    same, plain = app.task(whole), blocking.task(whole)
    with eager(app), eager(blocking):
        assert await app.map(same, range(3), concurrency=2) == [0, 1, 2]
        assert await asyncio.to_thread(blocking.map, plain, range(3)) == [0, 1, 2]
        with pytest.raises(TaskFailed):
            await app.map(same, [1, -1])
        values = await app.map(same, [1, -1], return_exceptions=True)
        assert values[0] == 1
        assert isinstance(values[1], TaskFailed)


async def test_what_cannot_be_mapped_is_refused(app: AsyncOmniQ, url: str) -> None:
    same: Any = app.task(whole)
    other: Any = AsyncOmniQ(url).task(whole)
    items: Any
    options: Any
    for function, items, options, words in [
        (whole, [1], {}, "function is refused, being of type function: give a task of this application"),
        (other, [1], {}, "belongs to another application"),
        (same.with_options(connection=object()), [1], {}, "with connection=…: its tasks would wait"),
        (same, "abc", {}, "items is refused, being of type str: give a list of items"),
        (same, 3, {}, "items is refused, being of type int"),
        (same, [1], {"concurrency": 0}, "concurrency = 0 is refused: give 1 to"),
        (same, [1], {"timeout": "x"}, "timeout = 'x' is refused"),
        (same, ["x"], {}, r"calls\[0\] of task whole: argument n"),
    ]:
        with pytest.raises((InvalidError, ConfigError), match=words):
            await app.map(function, items, **options)
    assert await app.backend.queue.count() == 0


async def test_progress_goes_to_a_function(app: AsyncOmniQ) -> None:
    same = app.task(whole)
    seen: list[tuple[int, int | None]] = []
    async with app.worker():
        await app.map(same, range(5), progress=lambda done, total: seen.append((done, total)))
        assert (seen[0], seen[-1]) == ((0, 5), (5, 5))
        await app.map(same, iter([1]), progress=lambda done, total: seen.append((done, total)))
        assert seen[-2:] == [(0, None), (1, None)]
        handles = await same.enqueue_many([1, -1])
        del seen[:]
        async for _ in omniq.as_completed(handles, progress=lambda done, total: seen.append((done, total))):
            pass
        assert (seen[0], seen[-1]) == ((0, 2), (2, 2))

    def broken(done: int, total: int | None) -> None:
        if done:
            raise LookupError("no such bar")

    with pytest.raises(LookupError):
        await omniq.gather(handles, progress=broken, return_exceptions=True)


@pytest.mark.parametrize("bar", ["tqdm", "rich", True])
def test_progress_is_shown_by_a_bar(url: str, bar: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with OmniQ(url) as app:
        same = app.task(whole)
        with app.worker():
            app.map(same, range(30), progress=bar)
    shown = "".join(capfd.readouterr())
    assert "30/30" in shown, shown


async def test_a_bar_that_is_not_installed_is_refused(app: AsyncOmniQ, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = await app.task(whole).enqueue_many([1])
    find = importlib.util.find_spec
    hidden = {"tqdm"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in hidden else find(name, *more))
    await app.drain()
    assert await omniq.gather(handles, progress=True) == [1], "rich is there"
    with pytest.raises(ConfigError, match='progress="tqdm" needs the package tqdm, which is not installed'):
        await omniq.gather(handles, progress="tqdm")
    hidden.add("rich")
    with pytest.raises(ConfigError, match="progress=True needs the package tqdm or rich, and neither is installed"):
        await omniq.gather(handles, progress=True)
    wrong: Any
    for wrong, words in [("dots", "progress = 'dots' is refused"), (3, "progress = 3 is refused, being of type int")]:
        with pytest.raises(InvalidError, match=words):
            omniq.as_completed(handles, progress=wrong)
