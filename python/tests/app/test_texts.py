"""Texts that are not valid UTF-8, and runs that cannot be answered in the usual way: each run is answered, and its slot
becomes free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import shop

from omniq import AsyncOmniQ, Backoff, Context, Discard, Fail, NewTask, OmniQError, Retry, Snooze, TaskError, TaskFailed
from omniq.models import ResultStatus
from omniq.testing import on_database

pytestmark = pytest.mark.anyio

#: A message with a file name that is not valid UTF-8, as Python decodes it.
BAD = "cannot read report-\udcff.csv"
#: The stored form, as Python itself writes it to stderr.
SHOWN = r"cannot read report-\udcff.csv"


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


async def failure(app: AsyncOmniQ, function: Any, *args: Any) -> TaskFailed:
    handle = await function.enqueue(*args)
    async with app.worker(concurrency=1):
        with pytest.raises(TaskFailed) as caught:
            await handle.result(10)
    return caught.value


def shown_of(error: TaskFailed) -> tuple[str, str]:
    assert error.error is not None
    return error.error.type, error.error.message


class Odd(Exception):
    """An exception whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_message_that_is_no_utf8_is_kept_and_frees_the_slot(app: AsyncOmniQ, kind: str) -> None:
    # Issue 12, C2.
    def body() -> None:
        raise ValueError(BAD)

    async def async_body() -> None:
        raise ValueError(BAD)

    function = app.task(max_retries=0, timeout=5, name="read")(async_body if kind == "async" else body)

    @app.task
    async def after() -> str:
        return "fine"

    handle = await function.enqueue()
    async with app.worker(concurrency=1):
        with pytest.raises(TaskFailed) as caught:
            await handle.result(3)
        assert await (await after.enqueue()).result(3) == "fine"
    assert shown_of(caught.value) == ("ValueError", SHOWN)
    assert caught.value.error is not None
    assert SHOWN in (caught.value.error.trace or "")


async def test_a_message_from_a_process_is_kept(url: str) -> None:
    with on_database(shop.app, url):
        error = await failure(shop.app, shop.fail, BAD.encode("utf-8", "backslashreplace").decode())
        assert shown_of(error) == ("ValueError", SHOWN)
        error = await failure(shop.app, shop.fail_with_surrogates)
        assert shown_of(error) == ("ValueError", SHOWN)


async def test_reasons_are_kept_whatever_they_are(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def raises(which: str) -> None:
        kinds: dict[str, BaseException] = {
            "fail": Fail(BAD),
            "discard": Discard(BAD),
            "retry": Retry(BAD),
            "number": Fail(42),  # type: ignore[arg-type]
            "odd": Odd(),
            "snooze": Snooze(BAD),  # type: ignore[arg-type]
            "delay": Retry("x", delay=BAD),  # type: ignore[arg-type]
            "exit": SystemExit(BAD),
        }
        raise kinds[which]

    found = {}
    async with app.worker(concurrency=1):
        for which in ("fail", "discard", "retry", "number", "odd", "snooze", "delay", "exit"):
            with pytest.raises(TaskFailed) as caught:
                await (await raises.enqueue(which)).result(5)
            found[which] = (caught.value.status, *shown_of(caught.value))
    assert found["fail"] == (ResultStatus.FAILED, "omniq.Fail", SHOWN)
    assert found["discard"][0] is ResultStatus.DISCARDED
    assert found["discard"][2] == SHOWN
    assert found["retry"] == (ResultStatus.FAILED, "omniq.Retry", SHOWN)
    assert found["number"] == (ResultStatus.FAILED, "omniq.Fail", "42")
    assert found["odd"][2] == "its message cannot be read"
    assert "is refused" in found["snooze"][2]
    assert "is refused" in found["delay"][2]
    assert found["exit"] == (ResultStatus.FAILED, "SystemExit", SHOWN)


async def test_a_retry_with_a_reason_that_is_no_utf8_is_a_retry(app: AsyncOmniQ) -> None:
    @app.task(max_retries=1)
    async def twice(context: Context) -> int:
        if context.attempt == 1:
            raise Retry(BAD, delay=0)
        return context.attempt

    handle = await twice.enqueue()
    async with app.worker(concurrency=1):
        assert await handle.result(10) == 2


async def test_event_data_progress_and_metadata_are_made_valid(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def tells(context: Context) -> Any:
        context.log_event("read", file=BAD, list=[BAD, {BAD: (BAD,)}])
        context.progress(0.5, BAD)
        return context.metadata

    handle = await tells.with_options(metadata={"file": BAD, BAD: [1, 2.5, None, True]}).enqueue()
    async with app.worker(concurrency=1):
        assert await handle.result(5) == {"file": SHOWN, SHOWN: [1, 2.5, None, True]}
    events = {str(event.kind): event.data for event in await handle.events()}
    assert events["read"] == {"file": SHOWN, "list": [SHOWN, {SHOWN: [SHOWN]}]}
    assert events["progress"]["message"] == SHOWN
    # Two keys must not become equal.
    with pytest.raises(OmniQError, match="twice") as caught:
        await app.backend.queue.enqueue("f", metadata={BAD: 1, SHOWN: 2})
    assert caught.value.is_invalid


async def test_names_that_are_no_utf8_are_refused_in_plain_words(app: AsyncOmniQ) -> None:
    queue = app.backend.queue
    bad = "q\udcff"
    calls: list[Any] = [
        lambda: queue.enqueue(bad),
        lambda: queue.enqueue("f", queue=bad),
        lambda: queue.enqueue_many([NewTask("f", queue=bad)]),
        lambda: queue.pause(bad),
        lambda: queue.resume(bad),
        lambda: queue.dequeue([bad]),
        lambda: queue.dequeue(funcs=[bad]),
        lambda: app.worker(name=bad, queues=["default"]).run_until_idle(),
        lambda: app.worker(queues=[bad]).run_until_idle(),
    ]

    @app.task
    async def nothing() -> None: ...

    for call in calls:
        with pytest.raises(OmniQError, match=r"udcff") as caught:
            await call()
        assert caught.value.is_invalid or caught.value.is_config
        assert "UTF-8" in str(caught.value)
    with pytest.raises(OmniQError, match="UTF-8"):
        app.task(name=bad)(lambda: None)


async def test_an_event_of_a_bad_name_fails_the_run_and_no_more(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def tells(context: Context) -> None:
        context.log_event("read\udcff")

    error = await failure(app, tells)
    assert shown_of(error)[0] == "omniq.errors.InvalidError"
    assert r"read\udcff" in shown_of(error)[1]


async def test_a_failure_is_reported_with_a_text_and_with_one_that_is_no_utf8(app: AsyncOmniQ) -> None:
    # Issue 12, E11: a plain TypeError from the traceback module.
    queue = app.backend.queue
    for given, kind, message in [
        ("broken", "error", "broken"),
        (BAD, "error", SHOWN),
        (ValueError(BAD), "ValueError", SHOWN),
        (Odd(), f"{__name__}.Odd", "its message cannot be read"),
        (TaskError("x", BAD, BAD), "x", SHOWN),
    ]:
        id = await queue.enqueue("f", max_retries=0)
        task = await queue.dequeue()
        assert task is not None
        await queue.fail(task, given)  # type: ignore[arg-type]
        kept = await queue.get(id)
        assert kept is not None
        assert kept.error is not None
        assert (kept.error.type, kept.error.message) == (kind, message)
        await queue.delete(id)
    await queue.enqueue("f", max_retries=0)
    task = await queue.dequeue()
    assert task is not None
    with pytest.raises(OmniQError, match="42 is refused") as caught:
        await queue.fail(task, 42)  # type: ignore[arg-type]
    assert caught.value.is_invalid


class Unwritable:
    """A value that raises `SystemExit` while it is encoded."""

    @classmethod
    def model_dump(cls, value: Any, mode: str) -> Any:
        raise SystemExit("no")


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_value_that_breaks_while_it_is_written_is_a_failure(app: AsyncOmniQ, kind: str) -> None:
    def body() -> Any:
        return Unwritable()

    async def async_body() -> Any:
        return Unwritable()

    function = app.task(max_retries=0, name="make")(async_body if kind == "async" else body)
    error = await failure(app, function)
    assert shown_of(error)[0] == "bad_result"


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_timeout_frees_the_slot_even_if_python_is_silent(
    app: AsyncOmniQ, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run that ignores a stop: after its timeout it has `PATIENCE` seconds to end, then its slot is given to others.
    from omniq.worker import running

    monkeypatch.setattr(running, "PATIENCE", 0.3)
    over = time.monotonic() + 4
    ended: list[bool] = []

    async def deaf() -> None:
        while time.monotonic() < over:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                continue
        ended.append(True)

    def deaf_thread() -> None:
        time.sleep(max(0.0, over - time.monotonic()))
        ended.append(True)

    function = app.task(name="deaf", max_retries=0, timeout=0.2)(deaf if kind == "async" else deaf_thread)

    @app.task(max_retries=0, backoff=Backoff.fixed(0))
    def after(n: int) -> int:
        return n

    handle = await function.enqueue()
    async with app.worker(concurrency=1, threads=1, grace=5):
        with pytest.raises(TaskFailed, match="took longer than"):
            await handle.result(3)
        assert [await (await after.enqueue(n)).result(2) for n in range(3)] == [0, 1, 2]
        assert not ended
        while not ended:
            await asyncio.sleep(0.05)
        # Its late answer changes nothing, and its thread ends.
        assert await (await after.enqueue(4)).result(2) == 4
    with pytest.raises(TaskFailed, match="took longer than"):
        await handle.result(1)
