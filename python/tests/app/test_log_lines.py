"""What a worker logs, and what the records of handlers carry."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from omniq import AsyncOmniQ, Backoff, OmniQError, set_log_level
from omniq.logging import LOGGER, JsonFormatter, TextFormatter
from omniq.testing import in_memory

log = logging.getLogger("shop")
RUN = ("omniq_task", "omniq_func", "omniq_queue", "omniq_attempt")


@pytest.fixture
def app() -> Iterator[AsyncOmniQ]:
    app = AsyncOmniQ("postgresql://nowhere/")
    level, factory = LOGGER.level, logging.getLogRecordFactory()
    with in_memory(app):
        yield app
    LOGGER.setLevel(level)
    logging.setLogRecordFactory(factory)


def of_run(record: logging.LogRecord) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in RUN)


def test_records_of_handlers_carry_their_run(app: AsyncOmniQ, caplog: pytest.LogCaptureFixture) -> None:
    @app.middleware
    def around(_: Any) -> Iterator[None]:
        log.info("around")
        yield

    @app.task(queue="mail")
    async def on_the_loop(n: int) -> None:
        # Names of a program's own fields do not clash with those of the run.
        log.info("before", extra={"task": "mine", "queue": "mine", "func": "mine"})
        await asyncio.sleep(0.01)
        await asyncio.gather(*(spawned() for _ in range(2)))

    async def spawned() -> None:
        log.info("spawned")

    @app.task(max_retries=1, backoff=Backoff.fixed(0))
    def in_a_thread(n: int) -> None:
        log.info("in a thread")
        raise ValueError("no")

    async def main() -> tuple[Any, Any]:
        handles = [await on_the_loop.enqueue(n) for n in range(20)]
        retried = await in_a_thread.enqueue(1)
        await app.drain()
        log.info("after the worker")
        return handles, retried

    caplog.set_level(logging.INFO, "shop")
    handles, retried = asyncio.run(main())
    by_task: dict[str, list[str]] = {}
    for record in caplog.records:
        if record.name == "shop" and of_run(record)[1:] == ("on_the_loop", "mail", 1):
            by_task.setdefault(of_run(record)[0], []).append(record.message)
    assert by_task == {str(handle.id): ["around", "before", "spawned", "spawned"] for handle in handles}
    in_thread = [of_run(record) for record in caplog.records if record.message == "in a thread"]
    assert in_thread == [(str(retried.id), "in_a_thread", "default", attempt) for attempt in (1, 2)]
    (after,) = [of_run(record) for record in caplog.records if record.message == "after the worker"]
    assert after == (None,) * 4


def failure(app: AsyncOmniQ, caplog: pytest.LogCaptureFixture, level: str, **options: Any) -> Any:
    """The one record of a run that fails, with the exception `ValueError("two\\nlines")`."""
    if "fails" not in app.functions:

        @app.task(max_retries=0)
        def fails() -> None:
            raise ValueError("two\nlines")

    async def main() -> None:
        await cast(Any, app.functions["fails"]).enqueue()
        await app.drain(**options)

    caplog.clear()
    set_log_level(level)
    with caplog.at_level(logging.getLevelName(level.upper()), "omniq"):
        asyncio.run(main())
        end = time.monotonic() + 5
        found: list[logging.LogRecord] = []
        while not found and time.monotonic() < end:
            time.sleep(0.01)
            found = [record for record in caplog.records if getattr(record, "omniq_fields", {}).get("error")]
    (record,) = found
    return record


def test_a_failure_is_one_record_and_a_setting_says_what_it_shows(
    app: AsyncOmniQ, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = failure(app, caplog, "warning")
    assert plain.levelname == "WARNING"
    assert plain.message.startswith(r"task failed for good: ValueError: two\nlines task=")
    assert {
        "func": "fails",
        "queue": "default",
        "attempt": 1,
        "error": "ValueError",
    }.items() <= plain.omniq_fields.items()
    assert plain.exc_text is None
    at_info = failure(app, caplog, "info")
    assert at_info.exc_text is not None
    assert at_info.exc_text.endswith("ValueError: two\nlines\n")
    assert "two" not in failure(app, caplog, "info", log_errors="type").message
    assert failure(app, caplog, "info", log_errors="message").exc_text is None
    assert failure(app, caplog, "warning", log_errors="trace").exc_text is not None
    monkeypatch.setenv("OMNIQ_LOG_ERRORS", "type")
    assert failure(app, caplog, "info").message.startswith("task failed for good: ValueError task=")
    for refused in (lambda: failure(app, caplog, "info", log_errors="all"), bad_environment(app, monkeypatch)):
        with pytest.raises(OmniQError, match="use type, message or trace"):
            refused()


def bad_environment(app: AsyncOmniQ, monkeypatch: pytest.MonkeyPatch) -> Any:
    def refused() -> None:
        monkeypatch.setenv("OMNIQ_LOG_ERRORS", "much")
        asyncio.run(app.drain())

    return refused


def record_of(message: str = "text of %s", *args: Any, **extra: Any) -> logging.LogRecord:
    trace = sys.exc_info() if sys.exc_info()[0] else None
    return log.makeRecord("shop", logging.INFO, "file.py", 1, message, args or ("it",), trace, extra=extra)


def test_a_line_of_json_has_what_a_record_has() -> None:
    line = json.loads(JsonFormatter().format(record_of(price=2.5, at={1: {2}}, who=Unknown())))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO", "logger": "shop", "message": "text of it",
        "price": 2.5, "at": {"1": [2]}, "who": "somebody",
    }  # fmt: skip
    odd = json.loads(JsonFormatter().format(record_of(of={(1, 2): 3})))
    assert "3" in str(odd["of"])
    with contextlib.suppress(ZeroDivisionError):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            assert json.loads(JsonFormatter().format(record_of()))["trace"].endswith("division by zero")
            raise
    record = record_of()
    record.omniq_task, record.omniq_func, record.omniq_queue, record.omniq_attempt = "id", "send", "mail", 2
    line = json.loads(JsonFormatter().format(record))
    assert (line["task"], line["func"], line["queue"], line["attempt"]) == ("id", "send", "mail", 2)
    assert "\n" not in JsonFormatter().format(record_of("two\nlines of %s"))
    assert TextFormatter().format(record).endswith("INFO shop: text of it task=id func=send queue=mail attempt=2")


class Unknown:
    def __str__(self) -> str:
        return "somebody"
