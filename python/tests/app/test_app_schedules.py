"""Schedules that are saved at run time: `app.schedules`, and what a worker does with them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import anyio
import pytest
from refusals import answered, refused

from omniq import (
    AsyncHandle,
    AsyncOmniQ,
    AsyncTaskGroup,
    ConfigError,
    Context,
    Cron,
    Ended,
    EnqueueCall,
    Every,
    Handle,
    NewTask,
    OmniQ,
    Payload,
    SavedSchedule,
    TaskGroup,
)

pytestmark = pytest.mark.anyio

NOWHERE = "postgresql://localhost:1/x"
#: Everything in memory.
MEMORY: Any = {"tasks": "memory", "results": "memory", "events": "memory"}


async def until(check: Callable[[], Any], seconds: float = 15) -> None:
    with anyio.fail_after(seconds):
        while not check():
            await anyio.sleep(0.01)


@pytest.fixture(params=["postgres", "memory"])
async def app(request: pytest.FixtureRequest) -> AsyncIterator[AsyncOmniQ]:
    if request.param == "postgres":
        made = AsyncOmniQ(request.getfixturevalue("url"), events="postgres")
    else:
        made = AsyncOmniQ(NOWHERE, **MEMORY)
    async with made:
        yield made


async def test_a_schedule_fires_and_its_task_knows_the_tick(app: AsyncOmniQ) -> None:
    seen: list[tuple[str | None, datetime | None, Any]] = []

    @app.task
    async def work(context: Context, n: int) -> int:
        seen.append((context.schedule, context.tick, context.metadata))
        return n * 2

    began = datetime.now(timezone.utc)
    saved = await app.schedules.save("often", work, 21, every=0.2)
    assert isinstance(saved, SavedSchedule)
    assert (saved.name, saved.app, saved.timing) == ("often", None, Every(timedelta(seconds=0.2)))
    async with app.worker(maintenance_interval=0.05):
        await until(lambda: len(seen) >= 3)
        plain = await work.enqueue(1)
        assert await plain.result(10) == 2
        other = await work.with_options(metadata={"schedule": "mine", "tick": "no time"}).enqueue(1)
        assert await other.result(10) == 2
    ticked = [(name, tick) for name, tick, _ in seen if name == "often"]
    ticks = [tick for _, tick in ticked if tick is not None]
    assert len(ticks) == len(ticked) >= 3
    assert all(tick.utcoffset() == timedelta(0) for tick in ticks)
    # A grid of 0.2 seconds from when it was saved.
    assert {(tick - saved.created_at) % timedelta(seconds=0.2) for tick in ticks} == {timedelta(0)}
    assert abs(min(ticks) - began) < timedelta(minutes=1)
    assert len(set(ticks)) == len(ticks)
    assert [(name, tick) for name, tick, _ in seen if name != "often"] == [(None, None)] * 2
    history = await app.schedules.history("often")
    assert {tick.at for tick in history} >= set(ticks)
    assert all(tick.skipped is None and not tick.manual for tick in history)
    known = await app.schedules.get("often")
    assert known is not None
    assert known.runs == len(history)
    assert known.last_at == history[0].at
    result = await app.schedules.latest_result("often")
    assert result is not None
    assert result.value == 42


async def test_the_verbs(app: AsyncOmniQ) -> None:
    @app.task(queue="slow")
    async def work(n: int, *, loud: bool = False) -> str:
        return f"{n} {loud}"

    schedules = app.schedules
    saved = await schedules.save("a", work, {"n": 1, "loud": True}, cron="30 2 * * *", time_zone="Europe/Berlin")
    assert saved.timing == Cron("30 2 * * *", "Europe/Berlin")
    assert saved.task.queue == "slow"
    assert (await schedules.save("b", work, (2,), cron="0 0 3 * * *")).timing == Cron("0 0 3 * * *", "UTC")
    with_options = work.with_options(priority=7, metadata={"k": 1}, delay=5)
    by_name = await schedules.save("c", "work", (3,), every=timedelta(hours=1), missed="all", grace=120, jitter=1.5)
    assert (by_name.task.queue, by_name.missed, by_name.grace) == ("slow", "all", timedelta(minutes=2))
    moved = await schedules.save(
        "d", with_options, (4,), at=datetime(2101, 1, 1, tzinfo=timezone.utc), overlap=False, max_runs=3, missed=17
    )
    assert (moved.task.priority, moved.task.metadata, moved.task.delay) == (7, {"k": 1}, timedelta(seconds=5))
    assert (moved.overlap, moved.max_runs, moved.missed) == (False, 3, 17)
    starts, ends = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2100, 2200))
    whole = await schedules.save("e", NewTask("elsewhere", [1]), every=60, starts_at=starts, ends_at=ends)
    assert (whole.starts_at, whole.ends_at, whole.next_at) == (starts, ends, starts)
    assert (await schedules.save("f", "elsewhere", {"x": 1}, every=60)).task.args == Payload.of({"x": 1})
    assert [one.name for one in await schedules.list()] == list("abcdef")
    assert [one.name for one in await schedules.list(func="work", after="b", limit=1)] == ["c"]
    assert [one.name async for one in schedules.iterate(page=2)] == list("abcdef")
    await schedules.pause("a")
    assert [one.name for one in await schedules.list(paused=True)] == ["a"]
    handle = await schedules.trigger("a")
    assert isinstance(handle, AsyncHandle)
    assert str(handle.id) in repr(handle)
    await app.drain()
    assert await handle.result(10) == "1 True"
    assert [tick.task_id for tick in await schedules.history("a")] == [handle.id]
    await schedules.resume("a")
    assert await schedules.delete("a") is True
    assert await schedules.get("a") is None


async def test_the_blocking_names_of_an_async_application(app: AsyncOmniQ) -> None:
    @app.task
    async def work() -> str:
        return "done"

    def blocking() -> None:
        schedules = app.schedules
        assert schedules.save_sync("a", work, cron="0 3 * * *").name == "a"
        schedules.pause_sync("a")
        assert [one.name for one in schedules.list_sync(paused=True)] == ["a"]
        schedules.resume_sync("a")
        assert [one.name for one in schedules.iterate_sync()] == ["a"]
        handle = schedules.trigger_sync("a")
        app_drained = anyio.from_thread.run(app.drain)
        assert app_drained is None
        assert handle.result_sync(10) == "done"
        result = schedules.latest_result_sync("a")
        assert result is not None
        assert result.value == "done"
        assert schedules.history_sync("a", 1)[0].task_id == handle.id
        assert schedules.get_sync("a") is not None
        assert schedules.delete_sync("a") is True

    await anyio.to_thread.run_sync(blocking)


def test_a_blocking_application(url: str) -> None:
    with OmniQ(url) as app:

        @app.task
        def work(context: Context, n: int = 1) -> str:
            return f"{n} {context.schedule}"

        schedules = app.schedules
        schedules.save("often", work, 5, every=0.1)
        assert schedules.save_sync("late", work, cron="0 3 * * *").next_at is not None
        with app.worker(maintenance_interval=0.05):
            end = time.monotonic() + 15
            while (result := schedules.latest_result("often")) is None:
                assert time.monotonic() < end
                time.sleep(0.02)
            assert result.value == "5 often"
            schedules.pause("often")
            handle = schedules.trigger("late")
            assert isinstance(handle, Handle)
            assert handle.result(10) == "1 late"
        schedules.resume("often")
        assert [one.name for one in schedules.iterate()] == [one.name for one in schedules.list()] == ["late", "often"]
        assert schedules.history("late")[0].manual
        assert schedules.get("late") == schedules.get_sync("late")
        assert schedules.delete("late") is schedules.delete_sync("often") is True


async def test_a_paused_schedule_does_not_fire(app: AsyncOmniQ) -> None:
    runs: list[str] = []

    @app.task
    async def work(context: Context) -> None:
        runs.append(context.schedule or "")

    for name in ("paused", "goes on"):
        await app.schedules.save(name, work, every=0.1)
    await app.schedules.pause("paused")
    async with app.worker(maintenance_interval=0.05):
        await until(lambda: runs.count("goes on") >= 3)
        assert "paused" not in runs
        await app.schedules.resume("paused")
        await until(lambda: "paused" in runs)
    assert (await app.schedules.history("paused"))[0].skipped is None


async def test_a_schedule_ends_after_its_runs(app: AsyncOmniQ) -> None:
    runs: list[int] = []

    @app.task
    async def work() -> None:
        runs.append(1)

    await app.schedules.save("twice", work, every=0.1, max_runs=2)
    await app.schedules.save("at once", work, at=datetime(2024, 1, 1, tzinfo=timezone.utc))
    async with app.worker(maintenance_interval=0.05):
        await until(lambda: len(runs) == 3)
        await anyio.sleep(0.5)
    assert len(runs) == 3
    for name, count in (("twice", 2), ("at once", 1)):
        known = await app.schedules.get(name)
        assert known is not None
        assert (known.runs, known.next_at) == (count, None)


async def test_without_overlap_a_tick_is_skipped_while_a_task_runs(app: AsyncOmniQ) -> None:
    goes_on = anyio.Event()

    @app.task
    async def work() -> None:
        await goes_on.wait()

    await app.schedules.save("slow", work, every=0.1, overlap=False)
    skipped: list[str | None] = []
    async with app.worker(maintenance_interval=0.05):
        with anyio.fail_after(15):
            while skipped.count("overlap") < 2:
                await anyio.sleep(0.05)
                skipped = [tick.skipped for tick in await app.schedules.history("slow")]
        goes_on.set()
    assert skipped.count(None) == 1


@pytest.mark.parametrize(("missed", "runs", "skips"), [("skip", 1, 1), ("once", 2, 0), (3, 4, 0), ("all", 31, 0)])
async def test_what_becomes_of_missed_ticks(url: str, witness: Any, missed: Any, runs: int, skips: int) -> None:
    async with AsyncOmniQ(url) as app:

        @app.task
        async def work() -> None: ...

        await app.schedules.save("hourly", work, every=3600, missed=missed)
        # As if the workers had been away: 30 ticks are missed, and one comes now.
        moved = (
            "update omniq.schedules set next_at = next_at - interval '31 hours', anchor = anchor - interval '31 hours'"
        )
        await witness(moved)
        async with app.worker(maintenance_interval=0.05):
            with anyio.fail_after(15):
                while len(await app.schedules.history("hourly")) < runs + skips:
                    await anyio.sleep(0.02)
        history = await app.schedules.history("hourly")
        assert [tick.skipped for tick in history if tick.task_id is None] == ["missed"] * skips
        assert len([tick for tick in history if tick.task_id is not None]) == runs
        known = await app.schedules.get("hourly")
        assert known is not None
        assert known.runs == runs


async def test_callbacks_of_the_application_count(app: AsyncOmniQ) -> None:
    ended: list[Ended] = []

    @app.on_success
    @app.task
    async def note(one: Ended) -> None:
        ended.append(one)

    @app.task
    async def work() -> str:
        return "done"

    called: list[str] = []

    @app.enqueue_middleware
    def middleware(call: EnqueueCall) -> Any:
        called.append(call.func)
        yield

    await app.schedules.save("a", work, cron="0 3 * * *")
    handle = await app.schedules.trigger("a")
    async with app.worker():
        await until(lambda: ended)
    assert (ended[0].task_id, ended[0].func) == (handle.id, "work")
    # The storage enqueues, not the application.
    assert called == []


async def test_a_schedule_of_a_group_and_of_another_application(app: AsyncOmniQ) -> None:
    group, lost = AsyncTaskGroup("mail"), AsyncTaskGroup("lost")

    @group.task
    async def send(to: str) -> None: ...

    @lost.task
    async def other() -> None: ...

    app.include(group)
    assert (await app.schedules.save("a", send, "ann", every=60)).task.func == "mail.send"
    stranger = AsyncOmniQ(NOWHERE, **MEMORY)
    with pytest.raises(ConfigError, match="belongs to another application"):
        await stranger.schedules.save("a", send, "ann", every=60)
    with pytest.raises(ConfigError, match="is in no application"):
        await app.schedules.save("a", other, every=60)


async def test_refusals() -> None:
    app = AsyncOmniQ(NOWHERE, **MEMORY)

    @app.task
    async def one(n: int) -> None: ...

    @app.task
    async def two(a: int, b: int = 1) -> None: ...

    save: Any = app.schedules.save
    at = datetime(2101, 1, 1, tzinfo=timezone.utc)
    await answered(
        "schedule 'x' has none of cron, every and at: give exactly one of cron, every and at", save, "x", one, 1
    )
    await answered("has cron and every: give exactly one", save, "x", one, 1, cron="0 3 * * *", every=60)
    await answered("has every and at: give exactly one", save, "x", one, 1, every=60, at=at)
    zone = "has time_zone = 'Europe/Berlin' with every: leave it out, as cron alone has one"
    await answered(zone, save, "x", one, 1, every=60, time_zone="Europe/Berlin")
    await answered("a schedule has no option crom: cron was meant", save, "x", one, 1, crom="x", kind="config")
    await answered("task one.*argument n", save, "x", one, "text", every=60)
    await answered("task one.*missing.*'n'", save, "x", one, every=60)
    await answered("a function of one parameter takes the value", save, "x", one, (1,), every=60)
    await answered("there is no parameter c", save, "x", two, {"a": 1, "c": 2}, every=60)
    await answered(
        "connection=…: it is saved in a transaction of its own", save, "x", one.with_options(connection=1), 1, every=60
    )
    named = one.with_options(id=uuid4())
    await answered("its task has the id .*: leave it out", save, "x", named, 1, every=60)
    later = one.with_options(run_at=at)
    await answered("its task has run_at = .*: leave it out, or give a delay", save, "x", later, 1, every=60)
    marked = one.with_options(metadata={"tick": 1})
    await answered('its task has the metadata "tick", which each tick sets', save, "x", marked, 1, every=60)
    await answered("task is refused, being of type int: give a task function", save, "x", 3, every=60)
    await answered("^name = 3 is refused", save, 3, one, 1, every=60)
    await answered("schedule name is empty", save, "", one, 1, every=60)
    await answered('cron expression "0 3 \\* \\*" does not have five fields', save, "x", one, 1, cron="0 3 * *")
    await answered('"0 0 30 2 \\*" never fires', save, "x", one, 1, cron="0 0 30 2 *")
    await answered("cron = 3 is refused", save, "x", one, 1, cron=3)
    await answered(
        'time zone "Europe/Atlantis" is unknown', save, "x", one, 1, cron="0 3 * * *", time_zone="Europe/Atlantis"
    )
    await answered("time_zone = 3 is refused", save, "x", one, 1, cron="0 3 * * *", time_zone=3)
    await answered("interval = 0.05 seconds is refused: give at least 0.1 seconds", save, "x", one, 1, every=0.05)
    await answered("every = -1 is refused", save, "x", one, 1, every=-1)
    await answered("at = 3 is refused, being of type int: give a datetime", save, "x", one, 1, at=3)
    await answered("has no time zone", save, "x", one, 1, at=datetime(2101, 1, 1))
    for missed in ("often", 0, 10_001, True, 1.5, object()):
        words = 'missed.* is refused.*give "skip", "once", "all", or how many of the latest: 1 to 10000'
        await answered(words, save, "x", one, 1, every=60, missed=missed)
    await answered("grace = 0.5 seconds is refused: give at least 1 second", save, "x", one, 1, every=60, grace=0.5)
    await answered("jitter", save, "x", one, 1, every=60, jitter=0)
    await answered(
        "overlap = 'no' is refused, being of type str: give True or False", save, "x", one, 1, every=60, overlap="no"
    )
    await answered("max_runs = 0 is refused", save, "x", one, 1, every=60, max_runs=0)
    backwards: dict[str, Any] = {"starts_at": at, "ends_at": at - timedelta(days=1)}
    await answered("give an end that is not before the start", save, "x", one, 1, every=60, **backwards)
    assert await app.schedules.list() == []
    await app.close()
    blocking: Any = OmniQ(NOWHERE, **MEMORY)
    refused("has none of cron, every and at", lambda: blocking.schedules.save("x", "one"))
    group = TaskGroup("mail")
    refused("has no option cron", lambda: TaskGroup("x", cron="0 3 * * *"), "config")  # type: ignore[call-arg]
    refused("has none of", lambda: group.schedule("x", "one"))
