"""The conformance suite of event storages: every implementation behaves the same."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from kinds import EVENTS

from omniq import OmniQError, TaskEvent
from omniq.models import EventKind

pytestmark = pytest.mark.anyio

AT = datetime.now(timezone.utc).replace(microsecond=5) - timedelta(hours=1)


@pytest.fixture(params=EVENTS)
async def events(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    url = request.getfixturevalue("url") if request.param.startswith("postgres") else ""
    events = EVENTS[request.param](url)
    await events.connect()
    yield events
    await events.close()


async def test_an_event_keeps_all_that_it_was_given(events: Any) -> None:
    given = TaskEvent(
        "my.kind", uuid.uuid4(), queue="q", func="f", worker="w", attempt=2, data={"n": [1, {"a": None}]}, at=AT
    )
    await events.log(given)
    await events.log(TaskEvent(EventKind.STARTED))
    first, second = await events.query()
    assert first.replace(id=0) == given
    assert 0 < first.id < second.id
    assert second.kind is EventKind.STARTED
    assert str(second.kind) == "started"


async def test_query_filters_and_pages_in_a_stable_order(events: Any) -> None:
    task = uuid.uuid4()
    await events.log_many(
        [
            TaskEvent(
                EventKind.STARTED if n % 2 else "own",
                task if n < 4 else None,
                queue="a" if n < 6 else "b",
                worker=f"w{n % 3}",
                data={"n": n},
                at=AT + timedelta(seconds=n),
            )
            for n in range(10)
        ]
    )

    async def numbers(**which: Any) -> list[int]:
        return [event.data["n"] for event in await events.query(**which)]

    assert await numbers() == list(range(10))
    assert await numbers(task_id=task, kind="started") == [1, 3]
    assert await numbers(queue="b", worker="w0") == [6, 9]
    assert await numbers(since=AT + timedelta(seconds=2), until=AT + timedelta(seconds=5)) == [2, 3, 4]
    page = await events.query(limit=3)
    assert await numbers(after=page[-1].id, limit=2) == [3, 4]
    assert await numbers(latest=True, limit=2) == [8, 9]
    assert await events.count(kind="own", queue="a") == 3
    assert await events.purge(AT + timedelta(seconds=3), 100) == 3
    assert await events.count() == 7


async def test_bulk_is_all_or_nothing(events: Any) -> None:
    with pytest.raises(OmniQError) as caught:
        await events.log_many([TaskEvent("fine"), TaskEvent("")])
    assert caught.value.is_invalid
    assert await events.count() == 0
    await events.log_many([])


async def test_close_may_be_called_twice(events: Any) -> None:
    await events.close()
    await events.close()
    with pytest.raises(OmniQError) as caught:
        await events.query()
    assert caught.value.is_closed
