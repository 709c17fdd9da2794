"""The clock of tests: `advance` runs what becomes due as a worker would, without the wait."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest

import omniq
from omniq import AsyncOmniQ, Backoff, ConfigError, Context, InvalidError, OmniQ, Retry, Snooze, TaskFailed
from omniq.models import TaskState
from omniq.testing import advance, assert_enqueued, eager, in_memory

pytestmark = pytest.mark.anyio

app = OmniQ()
asynchronous = AsyncOmniQ()
runs: list[tuple[str, int]] = []
threads: list[threading.Thread] = []


@app.task(max_retries=2, backoff=Backoff.list(60, 3600, jitter=0))
def flaky(context: Context, name: str, fails: int) -> str:
    runs.append((name, context.attempt))
    threads.append(threading.current_thread())
    if context.attempt <= fails:
        raise ValueError(f"run {context.attempt}")
    return f"run {context.attempt}"


@app.task
def later(name: str) -> None:
    runs.append((name, 1))


@app.task
def chain(name: str) -> None:
    later.with_options(delay=60).enqueue(name)


@app.task(max_retries=0)
def other(context: Context, how: str) -> str:
    runs.append((how, context.attempt))
    if len(runs) < 3:
        raise Snooze(60) if how == "snooze" else Retry("not yet", delay=60, unlimited=True)
    return how


@app.task
def impatient() -> None:
    advance(app, hours=1)


@asynchronous.task(max_retries=1, backoff=Backoff.fixed(60, jitter=0))
async def half(n: int) -> int:
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n // 2


@asynchronous.task
async def child() -> str:
    return "child"


@asynchronous.task
async def parent() -> str:
    handle = await child.with_options(delay=0.05).enqueue()
    return await handle.result()


@pytest.fixture(autouse=True)
def empty() -> None:
    runs.clear()
    threads.clear()


def test_retries_come_after_their_backoff() -> None:
    with eager(app, raise_errors=False):
        handle = flaky.enqueue("a", 2)
        assert runs == [("a", 1)]
        assert handle.status() is TaskState.SCHEDULED
        advance(app, seconds=59)
        assert runs == [("a", 1)]
        advance(app, seconds=1.5)
        assert runs == [("a", 1), ("a", 2)]
        advance(app, minutes=59, seconds=59)
        assert len(runs) == 2
        advance(app, timedelta(seconds=5))
        assert handle.result(1) == "run 3"
        # A `def` task runs in the thread of the test.
        assert set(threads) == {threading.current_thread()}


def test_a_wait_that_only_the_clock_would_end_says_so() -> None:
    with eager(app, raise_errors=False):
        handle = flaky.enqueue("a", 1)
        delayed = later.with_options(delay=3600).enqueue("b")
        app.backend.queue.pause("paused")
        paused = later.with_options(queue="paused").enqueue("c")
        done = flaky.enqueue("d", 0)
        for one, why in (
            (handle, r"its last run failed \(ValueError\), and it is due at 2"),
            (delayed, r"it is due at 2.*: set the clock forward by omniq.testing.advance"),
            (paused, "it is ready, and nothing runs it: its queue 'paused' is paused"),
            (later.handle(uuid4()), "there is no such task; one that was enqueued with connection="),
        ):
            for wait in (
                one.result,
                lambda one=one: omniq.gather(done, one, return_exceptions=True),
                lambda one=one: next(omniq.as_completed(done, one)),
            ):
                with pytest.raises(TimeoutError, match=f"a wait for task {one.id} would never end: {why}"):
                    wait()
        with pytest.raises(TimeoutError, match=r"a wait for task .* would never end: its last run failed"):
            app.map(flaky, [("e", 1)], return_exceptions=True)
        # With a timeout it is waited for: another thread may set the clock forward.
        clock = threading.Timer(0.05, advance, (app,), {"hours": 2})
        clock.start()
        assert handle.result(30) == "run 2"
        clock.join()
        assert omniq.gather(handle, delayed, done) == ["run 2", None, "run 1"]


def test_all_that_is_due_runs_in_the_order_of_its_times() -> None:
    with eager(app, raise_errors=False):
        flaky.enqueue("retried", 1)
        later.with_options(delay=90).enqueue("third")
        later.with_options(run_at=datetime.now(timezone.utc) + timedelta(seconds=30)).enqueue("first")
        chain.enqueue("of a task")
        advance(app, hours=2)
        assert [name for name, _ in runs] == [
            "retried",
            "first",
            *sorted(["retried", "of a task"], reverse=True),
            "third",
        ]
        advance(app, days=1)
        assert len(runs) == 5


def test_failures_are_raised() -> None:
    with eager(app):
        with pytest.raises(TaskFailed, match="run 1"):
            flaky.enqueue("a", 3)
        advance(app, seconds=1)
        with pytest.raises(TaskFailed, match="run 2"):
            advance(app, seconds=60)
        with pytest.raises(TaskFailed, match="run 3"):
            advance(app, hours=1)
        assert runs == [("a", 1), ("a", 2), ("a", 3)]
        assert_enqueued(flaky, count=1)
        advance(app, hours=1)
        # One that fails on its way and succeeds in the end has not failed.
        with pytest.raises(TaskFailed, match="run 1"):
            flaky.enqueue("b", 2)
        advance(app, hours=2)
        assert runs[-1] == ("b", 3)


@pytest.mark.parametrize("how", ["snooze", "retry"])
def test_other_waits(how: str) -> None:
    with eager(app, raise_errors=False):
        handle = other.enqueue(how)
        advance(app, minutes=1, seconds=1)
        assert len(runs) == 2
        advance(app, minutes=1)
        assert handle.result(1) == how


def test_tasks_and_results_expire() -> None:
    with eager(app):
        never = later.with_options(delay=60, ttl=30, queue="paused").enqueue("never")
        app.backend.queue.pause("paused")
        advance(app, minutes=2)
        assert never.status() is TaskState.EXPIRED
        assert runs == []
        done = flaky.enqueue("a", 0)
        advance(app, days=6)
        assert done.result(1) == "run 1"
        advance(app, days=2)
        assert done.status() is None


def test_in_memory_only_moves_the_clock() -> None:
    with in_memory(app):
        later.with_options(delay=7200).enqueue("a")
        app.drain()
        advance(app, hours=2)
        assert runs == []
        assert app.backend.queue.count(state="ready") == 1
        app.drain()
        assert runs == [("a", 1)]
        # A close in between, as at the end of a web application's life, loses nothing.
        later.enqueue("b")
        app.close()
        assert_enqueued(later, "b", count=1)


async def test_async() -> None:
    with eager(asynchronous):
        waiting = await half.with_options(delay=60).enqueue(2)
        for wait in (waiting.result(), omniq.gather(waiting), asyncio.to_thread(waiting.result_sync)):
            with pytest.raises(TimeoutError, match=f"a wait for task {waiting.id} would never end"):
                await wait
        with pytest.raises(TimeoutError, match="would never end"):
            omniq.as_completed(waiting)
        # A worker runs while a task waits, so that what becomes due runs as well.
        assert await (await parent.enqueue()).result() == "child"
        with pytest.raises(TaskFailed, match="3 is odd"):
            await half.enqueue(3)
        with pytest.raises(TaskFailed, match="3 is odd"):
            await advance(asynchronous, hours=1)
        handle = await half.with_options(delay=60).enqueue(4)
        await advance(asynchronous, hours=1)
        assert await handle.result(1) == 2


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r"use advance within in_memory\(app\) or eager\(app\)"):
        advance(app, hours=1)
    with eager(app), pytest.raises(InvalidError, match="span of advance"):
        advance(app, hours=-1)
    with eager(app), pytest.raises(TaskFailed, match="only the test itself"):
        impatient.enqueue()
