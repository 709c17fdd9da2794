"""How tasks end: retries, snoozes, failures, dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from omniq import AsyncOmniQ, Backoff, Context, Discard, Fail, OmniQError, Retry, Snooze, TaskFailed
from omniq.models import ResultStatus, TaskState

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


async def test_delay_is_the_wait_of_a_retry_and_of_a_snooze(app: AsyncOmniQ) -> None:
    @app.task
    async def retries() -> None:
        raise Retry("not yet", delay=timedelta(hours=1))

    @app.task
    async def snoozes() -> None:
        raise Snooze(delay=3600)

    handles = [await retries.enqueue(), await snoozes.enqueue()]
    await app.drain()
    for handle, attempt in zip(handles, (1, 0), strict=True):
        task = await app.backend.queue.get(handle.id)
        assert task is not None
        assert (task.state, task.attempt) == (TaskState.SCHEDULED, attempt)
        wait = task.run_at - datetime.now(timezone.utc)
        assert timedelta(minutes=59) < wait <= timedelta(hours=1)
    assert (Retry(delay=5).delay, Snooze(5).delay, Retry().delay) == (5, 5, None)
    for kind in (Retry, Snooze):
        with pytest.raises(TypeError, match="in_"):
            kind(in_=5)  # type: ignore[call-arg]


async def test_exceptions_say_what_should_become_of_a_task(app: AsyncOmniQ) -> None:
    seen: list[tuple[str, int]] = []

    @app.task(max_retries=0, backoff=Backoff.fixed(0))
    async def again(context: Context) -> str:
        seen.append(("again", context.attempt))
        if context.attempt == 1:
            raise Retry("not yet", delay=0, unlimited=True)
        if context.attempt == 2:
            raise Retry("not yet", unlimited=True)
        return "in the end"

    @app.task(max_retries=1)
    async def counted(context: Context) -> None:
        seen.append(("counted", context.attempt))
        raise Retry("never", delay=0)

    @app.task(max_retries=1, backoff=Backoff.fixed(0))
    def as_usual(context: Context) -> None:
        seen.append(("as_usual", context.attempt))
        raise Retry("no luck")

    @app.task(max_retries=5)
    def hopeless(context: Context) -> None:
        seen.append(("hopeless", context.attempt))
        raise Fail("no such customer")

    @app.task
    def dropped() -> None:
        raise Discard("not wanted")

    slept = False

    @app.task
    async def snoozes(context: Context) -> int:
        nonlocal slept
        if not slept:
            slept = True
            raise Snooze(delay=0)
        return context.attempt

    @app.task
    async def bad_wait() -> None:
        raise Snooze(delay=-1)

    handles = [await one.enqueue() for one in (again, as_usual, dropped, snoozes, bad_wait.with_options(max_retries=0))]
    lost = await hopeless.enqueue()
    limited = await counted.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match="never"):
        await limited.result(5)
    assert await limited.status() is TaskState.DEAD
    assert [attempt for name, attempt in seen if name == "counted"] == [1, 2]
    assert await handles[0].result(5) == "in the end"
    with pytest.raises(TaskFailed, match="no luck"):
        await handles[1].result(5)
    with pytest.raises(TaskFailed, match="not wanted") as discarded:
        await handles[2].result(5)
    assert discarded.value.status is ResultStatus.DISCARDED
    assert await handles[3].result(5) == 1
    with pytest.raises(TaskFailed, match="snooze"):
        await handles[4].result(5)
    assert seen.count(("again", 2)) == seen.count(("again", 3)) == 1
    assert seen.count(("as_usual", 2)) == 1
    with pytest.raises(TaskFailed, match="no such customer") as failed:
        await lost.result(5)
    assert failed.value.error is not None
    assert (failed.value.status, failed.value.error.type) == (ResultStatus.FAILED, "omniq.Fail")
    assert seen.count(("hopeless", 1)) == 1
    assert await lost.status() is TaskState.DEAD


async def test_arguments_that_do_not_fit_are_a_dead_letter_at_once(app: AsyncOmniQ) -> None:
    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    payloads: list[Any] = [["x", 1], [1], {"a": 1, "c": 2}, [1, 2, 3], "text", None]
    ids = [await app.backend.enqueue("add", payload) for payload in payloads]
    await app.drain()
    texts = []
    for id in ids:
        with pytest.raises(TaskFailed) as caught:
            await add.handle(id).result(5)
        error = caught.value.error
        assert error is not None
        assert error.type == "bad_arguments"
        assert caught.value.result.attempt == 1
        texts.append(error.message)
    assert "argument a" in texts[0]
    assert "'b'" in texts[1]
    assert "no parameter c" in texts[2]
    assert "3 arguments" in texts[3]


async def test_a_value_that_cannot_be_encoded_is_reported(app: AsyncOmniQ) -> None:
    @app.task
    async def odd() -> object:
        return object()

    handle = await odd.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match="bad_result"):
        await handle.result(5)


async def test_pickle_only_where_both_ends_opted_in(url: str) -> None:
    async with AsyncOmniQ(url, allow_pickle=True) as app:

        @app.task(codec="pickle")
        async def same(value: Any, other: Any = None) -> Any:
            return value

        handle = await same.enqueue(1 + 2j, other={1, 2})
        await app.drain()
        assert await handle.result(5) == 1 + 2j
    async with AsyncOmniQ(url) as strict:
        plain = strict.task(codec="pickle")(lambda value: value)
        with pytest.raises(OmniQError, match="allow_pickle"):
            await plain.enqueue(1)
