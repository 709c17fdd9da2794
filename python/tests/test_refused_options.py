"""Issue 12, errors: options of tasks. A message names the value as it was given, the limit and the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from refusals import AWARE, IDS, INF, NAN, NOWHERE, POSITIVE, SPAN, answered, refused

from omniq import (
    AsyncOmniQ,
    OmniQError,
    Payload,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(NOWHERE, tasks="memory", results="memory", events="memory") as app:
        yield app


# Options: the messages were "'int' object is not an instance of 'str'" and the like.

OPTIONS: list[tuple[str, Any, str]] = [
    ("queue", 5, "^queue = 5 is refused, being of type int: give a text$"),
    ("queue", b"a", "^queue is refused, being of type bytes: give a text$"),
    ("queue", "", "^queue name is empty: give it 1 to 128 bytes$"),
    ("priority", "5", "^priority = '5' is refused, being of type str: give a whole number, -32768 to 32767$"),
    ("priority", 1.5, "^priority = 1.5 is refused, being of type float: give a whole number"),
    ("priority", 10**30, f"^priority = {10**30} is refused: give -32768 to 32767$"),
    ("max_retries", "3", "^max_retries = '3' is refused, being of type str: give a whole number, 0 to 1000000$"),
    ("run_at", "2030-01-01", f"^run_at = '2030-01-01' is refused, being of type str: {AWARE}$"),
    ("run_at", 5, f"^run_at = 5 is refused, being of type int: {AWARE}$"),
    ("run_at", date(2030, 1, 1), f"^run_at = 2030-01-01 is refused, being of type date: {AWARE}$"),
    (
        "run_at",
        datetime(2030, 1, 1),
        "^run_at = 2030-01-01 00:00:00 is refused: it has no time zone: give a datetime with one",
    ),
    ("run_at", datetime.max, "^run_at = 9999-12-31 23:59:59.999999 is refused: it has no time zone"),
    (
        "run_at",
        datetime.max.replace(tzinfo=timezone.utc),
        r"^run_at = 9999-12-31 23:59:59.999999\+00:00 is refused: give a time of the years 1 to 9999, before 9999-12-30 22:00 UTC$",
    ),
    ("delay", -1, f"^delay = -1 is refused: {SPAN}$"),
    ("delay", NAN, f"^delay = nan is refused: {SPAN}$"),
    ("delay", "5", f"^delay = '5' is refused, being of type str: {SPAN}$"),
    ("delay", timedelta(-1), f"^delay = -1 day, 0:00:00 is refused: {SPAN}$"),
    ("delay", 1e10, "^delay = 10000000000 seconds is refused: give at most 100 years$"),
    ("ttl", -1, f"^ttl = -1 is refused: {POSITIVE}$"),
    ("ttl", 0, "^ttl = 0 seconds is refused: give more than 0 seconds and at most 100 years, or none for no limit$"),
    ("timeout", INF, f"^timeout = inf is refused: {POSITIVE}$"),
    ("timeout", "x", f"^timeout = 'x' is refused, being of type str: {POSITIVE}$"),
    ("timeout", 0, "^timeout = 0 seconds is refused: give more than 0 seconds"),
    ("id", "not a uuid", f"^id = 'not a uuid' is refused, being of type str: {IDS}$"),
    ("id", str(uuid4()), f"^id = '.*' is refused, being of type str: {IDS}$"),
    ("id", 5, f"^id = 5 is refused, being of type int: {IDS}$"),
    ("codec", 5, "^codec = 5 is refused, being of type int: give a text$"),
    ("backoff", 5, r"^backoff = 5 is refused, being of type int: give a Backoff, such as Backoff.exponential\(5\)"),
]


@pytest.mark.parametrize(
    ("name", "value", "words"), OPTIONS, ids=[f"{name}{place}" for place, (name, *_) in enumerate(OPTIONS)]
)
async def test_options(app: AsyncOmniQ, name: str, value: Any, words: str) -> None:
    async def work() -> None: ...

    given: Any = {name: value}
    refused(words, lambda: app.task(work).with_options(**given))
    if name not in ("id", "run_at", "delay"):
        refused(words, lambda: app.task(name="other", **given)(work))
    await answered(words, app.backend.enqueue, "work", **given)
    await answered(words, app.backend.queue.enqueue, "work", **given)
    assert await app.backend.queue.count() == 0


async def test_what_may_be_a_secret_or_a_payload_is_not_shown(app: AsyncOmniQ) -> None:
    given: Any = {"priority": "postgresql://me:sesame@db/app"}
    with pytest.raises(OmniQError, match="it may hold a password") as caught:
        await app.backend.enqueue("f", **given)
    assert "sesame" not in str(caught.value)
    given = {"queue": ["sesame"]}
    with pytest.raises(OmniQError, match=r"^queue is refused, being of type list") as caught:
        await app.backend.enqueue("f", **given)
    wrong: Any = [("sesame",)]
    for verb in (app.backend.queue.enqueue_many, app.backend.queue.complete_many, app.backend.queue.settle):
        with pytest.raises(OmniQError, match="is refused, being of type tuple") as caught:
            await verb(wrong)
        assert "sesame" not in str(caught.value)


async def test_an_update_is_refused_whatever_else_it_changes(app: AsyncOmniQ) -> None:
    queue: Any = app.backend.queue
    id = await queue.enqueue("f", 1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"priority": "5"}, "^priority = '5' is refused, being of type str"),
        ({"run_at": "2030"}, "^run_at = '2030' is refused, being of type str"),
        ({"queue": 5}, "^queue = 5 is refused"),
    ]
    for given, words in cases:
        await answered(words, queue.update, id, **given)
    # It was accepted, because there was nothing to encode.
    await answered('^codec "jsn" is unknown: use json', queue.update, id, codec="jsn", kind="codec")


async def test_payloads_that_were_made_by_hand(app: AsyncOmniQ) -> None:
    codec: Any = 5
    await answered(
        "^codec = 5 is refused, being of type int: give a text$", app.backend.enqueue, "f", Payload(codec, b"1")
    )
    await answered('^codec "jsn" is unknown', app.backend.enqueue, "f", Payload("jsn", b"1"), kind="codec")
