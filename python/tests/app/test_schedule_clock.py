"""Schedules in the tests of applications: the clock that `advance` sets forward makes them tick."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from omniq import AsyncOmniQ, Backoff, Context, OmniQ, TaskFailed
from omniq.models import TaskState
from omniq.testing import advance, assert_enqueued, eager, in_memory

pytestmark = pytest.mark.anyio

app = OmniQ()
asynchronous = AsyncOmniQ()
ticks: list[tuple[str | None, datetime | None]] = []


@app.task(cron="30 2 * * *", time_zone="UTC")
def close_books(context: Context) -> str:
    ticks.append((context.schedule, context.tick))
    return "closed"


@app.task
def other(context: Context, fails: bool = False) -> None:
    ticks.append((context.schedule, context.tick))
    if fails:
        raise ValueError("other failed")


@app.task(max_retries=1, backoff=Backoff.fixed(3600, jitter=0))
def flaky(context: Context) -> str:
    ticks.append((f"run {context.attempt}", context.tick))
    if context.attempt == 1:
        raise ValueError("the first run")
    return "done"


@app.task
def plan() -> None:
    app.schedules.save("planned", other, every=600, max_runs=2)


@asynchronous.task(every=3600, overlap=False)
async def hourly(context: Context) -> str:
    ticks.append((context.schedule, context.tick))
    return "done"


@pytest.fixture(autouse=True)
def empty() -> None:
    ticks.clear()


def test_a_nightly_task() -> None:
    with eager(app):
        advance(app, days=1)
        assert app.schedules.latest_result("close_books").value == "closed"  # type: ignore[union-attr]
    assert len(ticks) == 1
    name, tick = ticks[0]
    assert name == "close_books"
    assert tick is not None
    assert (tick.hour, tick.minute) == (2, 30)


def test_each_tick_has_its_time_in_eager_mode() -> None:
    with eager(app):
        app.schedules.save("other", other, every=3600)
        later = other.with_options(delay=5400).enqueue()
        first = app.schedules.get("other").next_at  # type: ignore[union-attr]
        assert first is not None
        advance(app, hours=3, minutes=1)
        ours = [(name, tick) for name, tick in ticks if name != "close_books"]
        hours = [("other", first + timedelta(hours=n)) for n in range(3)]
        # What is due between the ticks runs between them.
        assert ours == [hours[0], (None, None), *hours[1:]]
        assert later.result(1) is None
        assert [tick.at for tick in app.schedules.history("other")] == [tick for _, tick in reversed(hours)]


def test_in_memory_the_tasks_wait() -> None:
    with in_memory(app):
        app.schedules.save("other", other, False, every=3600)
        advance(app, days=1)
        assert ticks == []
        assert_enqueued(other, fails=False, count=24)
        assert_enqueued(close_books, count=1)
        app.drain()
        assert len(ticks) == 25
        assert len({tick for _, tick in ticks}) == 25
        result = app.schedules.latest_result("close_books")
        assert result is not None
        assert result.value == "closed"


def test_the_schedules_in_code_are_there_at_once() -> None:
    with eager(app):
        saved = app.schedules.get("close_books")
        assert saved is not None
        assert saved.app == __name__
        handle = app.schedules.trigger("close_books")
        assert handle.status() is TaskState.COMPLETED
        assert ticks[0][0] == "close_books"
        app.schedules.pause("close_books")
        advance(app, days=3)
        assert len(ticks) == 1
    with in_memory(app):
        assert app.schedules.get("close_books").paused_at is None  # type: ignore[union-attr]


def test_a_retry_of_a_scheduled_task_follows_and_a_failure_is_raised() -> None:
    with eager(app):
        app.schedules.save("flaky", flaky, at=datetime.now(timezone.utc) + timedelta(hours=1))
        with pytest.raises(TaskFailed, match="the first run"):
            advance(app, hours=1, minutes=30)
        advance(app, minutes=31)
        assert app.schedules.latest_result("flaky").value == "done"  # type: ignore[union-attr]
        assert [run for run, _ in ticks if run != "close_books"] == ["run 1", "run 2"]
        app.schedules.save("fails", other, True, every=3600, max_runs=1)
        with pytest.raises(TaskFailed, match="other failed"):
            advance(app, hours=2)


def test_a_schedule_that_a_task_saves_ticks_on_the_way() -> None:
    with eager(app):
        plan.with_options(delay=60).enqueue()
        advance(app, hours=1)
        assert [name for name, _ in ticks if name != "close_books"] == ["planned", "planned"]


def test_after_a_thousand_ticks_the_rule_for_missed_ticks_decides() -> None:
    with in_memory(app):
        app.schedules.save("other", other, every=1, missed="skip")
        advance(app, days=365)
        history = app.schedules.history("other", 100)
        known = app.schedules.get("other")
        assert known is not None
        assert known.last_at is not None
        # The thousand, and those of the last minute that are not missed yet.
        assert 1000 <= known.runs <= 1100
        assert [tick.skipped for tick in history].count("missed") == 1
        assert known.last_at - known.created_at > timedelta(days=364)


async def test_async() -> None:
    with eager(asynchronous):
        await advance(asynchronous, hours=3, minutes=1)
        assert [name for name, _ in ticks] == ["hourly"] * 3
        result = await asynchronous.schedules.latest_result("hourly")
        assert result is not None
        assert result.value == "done"
        assert await (await asynchronous.schedules.trigger("hourly")).result() == "done"
        assert (await asynchronous.schedules.history("hourly"))[0].manual
    ticks.clear()
    with in_memory(asynchronous):
        # Without a worker the first task has not ended, so the others are skipped.
        await advance(asynchronous, hours=3, minutes=1)
        skipped = [tick.skipped for tick in await asynchronous.schedules.history("hourly")]
        assert skipped == ["overlap", "overlap", None]
