"""The library's log goes to Python's logger `omniq`, at the level that was set."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from omniq import OmniQError, PostgresBackend, set_log_level
from omniq.logging import LOGGER

from written import BlockingDictResults, ListEvents  # isort: skip


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    before = LOGGER.level
    yield
    LOGGER.setLevel(before)


class BrokenEvents(ListEvents):
    async def log_many(self, events: object) -> None:
        raise OSError("no room")


def test_warnings_arrive_with_level_and_name(url: str, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    from omniq import AsyncPostgresBackend

    async def main() -> None:
        async with AsyncPostgresBackend(url, events=BrokenEvents()) as backend:
            await backend.enqueue("f")

    set_log_level("info")
    with caplog.at_level(logging.INFO, "omniq"):
        asyncio.run(main())
        deadline = time.monotonic() + 5
        while not any(record.levelname == "WARNING" for record in caplog.records) and time.monotonic() < deadline:
            time.sleep(0.01)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.name == "omniq.core.backend.events"
    assert any(record.name.startswith("omniq.postgres") for record in caplog.records)
    assert "events were dropped" in record.getMessage()
    assert abs(record.created - time.time()) < 10


def test_levels_are_set_by_name_and_constant() -> None:
    set_log_level("debug")
    assert LOGGER.level == logging.DEBUG
    set_log_level(logging.ERROR)
    assert LOGGER.level == logging.ERROR
    set_log_level("off")
    assert not LOGGER.isEnabledFor(logging.CRITICAL)
    with pytest.raises(OmniQError, match="chatty"):
        set_log_level("chatty")


PROGRAM = """
import asyncio, omniq, sys
sys.path.insert(0, "python/tests")
from test_logging import BrokenEvents
async def main():
    async with omniq.AsyncPostgresBackend(queue="memory", results="off", events=BrokenEvents()) as backend:
        await backend.enqueue("f", "payload-secret")
asyncio.run(main())
"""


@pytest.mark.parametrize(("level", "shown"), [("warn", True), ("error", False), (None, False)])
def test_the_environment_sets_the_level(level: str | None, shown: bool, pytestconfig: pytest.Config) -> None:
    env = {"PATH": "/usr/bin", **({"OMNIQ_LOG_LEVEL": level} if level else {})}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True
    )
    assert ("events were dropped" in ended.stderr) == shown, ended.stderr
    assert "secret" not in ended.stderr


def test_a_payload_is_never_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    set_log_level("trace")
    with caplog.at_level(1, "omniq"), PostgresBackend(url, results=BlockingDictResults()) as backend:
        backend.enqueue("f", "payload-secret")
        task = backend.queue.dequeue()
        assert task is not None
        backend.complete(task, "result-secret")
        time.sleep(0.1)
    assert "secret" not in caplog.text
