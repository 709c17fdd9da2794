"""The conformance suite of result storages: every implementation behaves the same."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import anyio
import pytest
from kinds import RESULTS

from omniq import OmniQError, Payload, TaskError, TaskResult
from omniq.models import ResultStatus

pytestmark = pytest.mark.anyio


@pytest.fixture(params=RESULTS)
async def results(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    url = request.getfixturevalue("url") if request.param.startswith("postgres") else ""
    results = RESULTS[request.param](url)
    await results.connect()
    yield results
    await results.close()


def made(**fields: Any) -> TaskResult:
    return TaskResult(uuid.uuid4(), ResultStatus.COMPLETED, **fields)


async def test_a_result_keeps_all_that_it_was_given(results: Any) -> None:
    at = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
    given = TaskResult(
        uuid.uuid4(),
        ResultStatus.FAILED,
        payload=Payload.of({"a": [1, None, "ü"]}),
        error=TaskError("ValueError", "no", "trace"),
        queue="q",
        func="f",
        worker="host:1",
        attempt=3,
        metadata={"k": [1]},
        enqueued_at=at,
        started_at=at + timedelta(seconds=1),
        finished_at=at + timedelta(seconds=2),
        ttl=timedelta(hours=1),
    )
    await results.store(given)
    found = await results.get(given.task_id)
    assert found.replace(ttl=given.ttl, expires_at=None) == given
    assert found.value == {"a": [1, None, "ü"]}
    assert found.expires_at - datetime.now(timezone.utc) == pytest.approx(timedelta(hours=1), abs=timedelta(minutes=1))


async def test_values_come_back_with_their_type(results: Any) -> None:
    when = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
    one, two, three = made(payload=Payload.of(when)), made(payload=Payload.of(when, "msgpack")), made()
    await results.store_many([one, two, three])
    found = await results.get_many([three.task_id, one.task_id, uuid.uuid4(), two.task_id])
    assert found[0].value is None
    assert found[0].payload is None
    assert (found[1].payload.codec, found[1].payload.decode(datetime)) == ("json", when)
    assert found[2] is None
    assert (found[3].payload.codec, found[3].value) == ("msgpack", when)


async def test_storing_again_replaces(results: Any) -> None:
    first = made(payload=Payload.of(1))
    await results.store_many([first, first.replace(payload=Payload.of(2))])
    assert (await results.get(first.task_id)).value == 2
    await results.store(first)
    assert (await results.get(first.task_id)).value == 1
    assert await results.count() == 1


async def test_wait_wakes_when_the_result_comes(results: Any) -> None:
    late = made(payload=Payload.of("there"))
    with pytest.raises(OmniQError) as caught:
        await results.wait(late.task_id, 0.1)
    assert caught.value.is_timeout
    began = time.monotonic()
    async with anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(0.2)
            await results.store(late)

        group.start_soon(later)
        assert (await results.wait(late.task_id, timedelta(seconds=20))).value == "there"
    assert time.monotonic() - began < 10


async def test_expiry_is_honoured_on_read_and_by_clean_up(results: Any) -> None:
    brief, lasting = made(ttl=timedelta(seconds=0.2)), made()
    await results.store_many([brief, lasting])
    assert await results.get(brief.task_id) is not None
    await anyio.sleep(0.4)
    assert await results.get(brief.task_id) is None
    assert await results.count() == 1
    assert await results.delete(brief.task_id) is False
    assert await results.purge_expired(10) in (0, 1)


async def test_delete(results: Any) -> None:
    stored = [made() for _ in range(4)]
    await results.store_many(stored)
    assert await results.delete(stored[0].task_id) is True
    assert await results.delete(stored[0].task_id) is False
    assert await results.delete_many([result.task_id for result in stored]) == 3


async def test_list_filters_and_pages(results: Any) -> None:
    at = datetime(2024, 1, 1, tzinfo=timezone.utc)
    stored = [
        TaskResult(
            uuid.uuid4(),
            ResultStatus.FAILED if n % 2 else ResultStatus.COMPLETED,
            queue="a" if n < 3 else "b",
            func="f",
            finished_at=at + timedelta(minutes=n),
        )
        for n in range(6)
    ]
    await results.store_many(stored)
    newest_first = [result.task_id for result in reversed(stored)]
    assert [r.task_id for r in await results.list()] == newest_first
    page = await results.list(limit=2)
    rest = await results.list(after=(page[-1].finished_at, page[-1].task_id))
    assert [r.task_id for r in [*page, *rest]] == newest_first
    assert await results.count(status=ResultStatus.FAILED, queue="a", func="f") == 1
    assert len(await results.list(status="failed", since=at + timedelta(minutes=3))) == 2
    early = {"since": at + timedelta(minutes=1), "until": at + timedelta(minutes=3)}
    assert [r.task_id for r in await results.list(**early)] == newest_first[3:5]
    assert await results.count(**early) == 2


async def test_bad_input_is_refused(results: Any) -> None:
    for bad in (made(queue="a\nb"), made(ttl=timedelta(0)), made(metadata={"a": "\0"})):
        with pytest.raises(OmniQError) as caught:
            await results.store(bad)
        assert caught.value.is_invalid
    with pytest.raises(OmniQError) as caught:
        await results.list(status="nope")
    assert "nope" in str(caught.value)
    assert await results.count() == 0


async def test_close_may_be_called_twice(results: Any) -> None:
    await results.close()
    await results.close()
    with pytest.raises(OmniQError) as caught:
        await results.get(uuid.uuid4())
    assert caught.value.is_closed
