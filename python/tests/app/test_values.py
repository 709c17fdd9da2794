"""Values that cannot be stored unchanged are refused, and an id that is used again shows no earlier result (issue 12,
E1, E3, E7, E11)."""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest

from omniq import AsyncOmniQ, OmniQError, TaskFailed
from omniq.models import TaskEvent

pytestmark = pytest.mark.anyio

NAN = float("nan")


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres", max_payload=1000) as app:
        yield app


async def test_numbers_of_arguments_and_values_are_kept_or_refused(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def give(value: Any, other: Any = None) -> Any:
        return NAN if value == "nan" else value

    exact = [2**70, -(2**63) - 1, -0.0, 123456789012345678.0, 1e16, None, 0.1]
    handle = await give.enqueue(exact)
    for bad in ([None, NAN], {"a": {"b": math.inf}}):
        with pytest.raises(OmniQError, match="argument other: it holds the number") as caught:
            await give.enqueue(1, bad)
        assert caught.value.is_invalid
    with pytest.raises(OmniQError, match="it holds the number"):
        await give.enqueue_many([(1,), (NAN,)])
    nan = await give.enqueue("nan")
    await app.drain()
    value = await handle.result(timeout=10)
    assert value == exact
    assert [type(one) for one in value] == [type(one) for one in exact]
    assert math.copysign(1, value[2]) == -1
    with pytest.raises(TaskFailed, match="it holds the number nan"):
        await nan.result(timeout=10)


async def test_numbers_of_metadata_and_events_are_kept_or_refused(app: AsyncOmniQ) -> None:
    @app.task
    async def work() -> None: ...

    exact: dict[str, Any] = {"a": [2**64 - 1, -(2**63), 1e16, 123456789012345678.0, 1e300, 0.0, None, 9007199254740993]}
    handle = await work.with_options(metadata=exact).enqueue()
    task = await app.backend.queue.get(handle.id)
    assert task is not None
    assert repr(task.metadata) == repr(exact)
    for bad, words in [(NAN, "the number nan"), (2**70, "1180591620717411303424"), (-0.0, "-0.0")]:
        with pytest.raises(OmniQError, match=words) as caught:
            await work.with_options(metadata={"a": [bad]}).enqueue()
        assert caught.value.is_invalid
        with pytest.raises(OmniQError, match=words):
            await app.backend.events.log(TaskEvent("odd", data={"a": [bad]}))
    await app.backend.events.log(TaskEvent("fine", data=exact))
    [event] = await app.backend.events.query(kind="fine")
    assert repr(event.data) == repr(exact)


# Found by a newcomer: a time of Amsterdam before 1937 was returned 28 seconds later.
@pytest.mark.parametrize("kind", [datetime, Any])
async def test_times_are_kept_or_refused(app: AsyncOmniQ, kind: Any) -> None:
    async def give(when: Any) -> Any:
        return when

    give.__annotations__ = {"when": kind, "return": kind}
    task = app.task(max_retries=0)(give)
    odd = datetime(1930, 6, 1, 12, tzinfo=timezone(timedelta(hours=1, minutes=19, seconds=32)))
    for value in (odd, {odd: 1}, [{"at": odd}]) if kind is Any else (odd,):
        with pytest.raises(OmniQError, match=r"distance from UTC has seconds.*astimezone\(timezone.utc\)") as refused:
            await task.enqueue(value)
        assert refused.value.is_invalid
    even = [datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), odd.astimezone(timezone.utc)]
    handles = [await task.enqueue(value) for value in even]
    await app.drain()
    if kind is datetime:
        assert [await handle.result(5) for handle in handles] == even


async def test_the_later_one_of_delay_and_run_at_counts(app: AsyncOmniQ) -> None:
    @app.task
    async def f() -> None: ...

    hour = datetime.now(timezone.utc) + timedelta(hours=1)
    by_delay = await f.with_options(run_at=hour).with_options(delay=60).enqueue()
    by_time = await f.with_options(delay=60).with_options(run_at=hour).enqueue()
    starts = [(await app.backend.queue.get(handle.id)).run_at for handle in (by_delay, by_time)]  # type: ignore[union-attr]
    assert starts[0] < hour - timedelta(minutes=50)
    assert abs(starts[1] - hour) < timedelta(seconds=1)
    with pytest.raises(OmniQError, match=r"run_at = .* and delay = 60 seconds are both given") as refused:
        await f.with_options(delay=60, run_at=hour).enqueue()
    assert refused.value.is_invalid


async def test_a_value_above_the_limit_fails_the_task(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def letters(count: int) -> str:
        return "x" * count

    large, small = await letters.enqueue_many([999, 998])
    await app.drain()
    with pytest.raises(TaskFailed, match="has 1001 bytes: at most 1000 are allowed"):
        await large.result(timeout=10)
    assert await small.result(timeout=10) == "x" * 998


async def test_an_id_used_again_shows_no_earlier_result(app: AsyncOmniQ, url: str) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    chosen = double.with_options(id=uuid.uuid4())
    first = await chosen.enqueue(1)
    await app.drain()
    assert await first.result(timeout=10) == 2
    connection = await asyncpg.connect(url)
    for again in (chosen, chosen.with_options(connection=connection)):
        with pytest.raises((OmniQError, asyncpg.UniqueViolationError), match="earlier task"):
            await again.enqueue(2)
    await connection.close()
    assert await app.backend.results.delete(first.id)
    second = await chosen.enqueue(3)
    await app.drain()
    assert await second.result(timeout=10) == 6


async def test_an_id_is_refused_wherever_results_are_kept(url: str) -> None:
    async with AsyncOmniQ(url, results="memory") as app:

        @app.task
        async def double(n: int) -> int:
            return 2 * n

        chosen = double.with_options(id=uuid.uuid4())
        await chosen.enqueue(1)
        await app.drain()
        connection = await asyncpg.connect(url)
        for again in (chosen, chosen.with_options(connection=connection)):
            with pytest.raises(OmniQError, match="earlier task") as caught:
                await again.enqueue(2)
            assert caught.value.is_duplicate
        await connection.close()


def test_a_number_out_of_range_is_refused_by_its_name(url: str) -> None:
    app = AsyncOmniQ(url)
    for retries in (-1, 1_000_001, 2**70):
        with pytest.raises(OmniQError, match=rf"^max_retries = {retries} is refused: give 0 to 1000000") as caught:
            app.task(max_retries=retries)(lambda: None)
        assert caught.value.is_invalid

    @app.task
    def work() -> None: ...

    with pytest.raises(OmniQError, match=r"^max_retries = -1 is refused: give 0 to 1000000"):
        work.with_options(max_retries=-1)
    with pytest.raises(OmniQError, match=r"^priority = 40000 is refused: give -32768 to 32767"):
        work.with_options(priority=40000)
