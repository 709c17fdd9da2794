"""The helpers of `omniq.testing`, used as in users' tests."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from omniq import AsyncOmniQ, OmniQ, TaskFailed
from omniq.testing import assert_enqueued, eager, in_memory, on_database

pytestmark = pytest.mark.anyio

app = AsyncOmniQ("postgresql://nowhere.invalid/none")
blocking = OmniQ("postgresql://nowhere.invalid/none")


@app.task
async def add(a: int, b: int = 2) -> int:
    return a + b


@app.task
async def chain(n: int) -> int:
    return (await (await add.enqueue(n, 1)).result(5)) if n < 0 else n


@app.task(max_retries=0)
def fail(how: str) -> None:
    raise ValueError(how)


@blocking.task
def double(n: int) -> int:
    if n == 2:
        double.enqueue(n + 5)
    return 2 * n


async def test_in_memory_and_assert_enqueued() -> None:
    with in_memory(app):
        await add.enqueue(1, b=5)
        await add.enqueue(7)
        assert len(assert_enqueued(add)) == 2
        assert_enqueued(add, 1)
        assert_enqueued(add, b=5, count=1)
        with pytest.raises(AssertionError, match=r"no task of add with \{'b': 6\}"):
            assert_enqueued(add, b=6)
        with pytest.raises(AssertionError, match="2 task"):
            assert_enqueued(add, count=1)
        await app.drain()
        assert_enqueued(add, count=0)
    assert str(app.settings.url).startswith("postgresql://nowhere")


async def test_eager() -> None:
    with eager(app):
        handle = await add.enqueue(1)
        assert await handle.result(0.1) == 3
        assert add.enqueue_sync(2).result_sync(0.1) == 4
        assert [await one.result(0.1) for one in await add.enqueue_many([(1, 1), (2, 2)])] == [2, 4]
        with pytest.raises(TaskFailed, match="boom"):
            await fail.enqueue("boom")
    with eager(app, raise_errors=False):
        assert await (await fail.enqueue("boom")).status() is not None
    with eager(blocking):
        assert double.enqueue(2).result(0.1) == 4
        assert_enqueued(double, count=0)


async def test_on_a_database_of_its_own(url: str, witness: Any) -> None:
    with on_database(app, url):
        await add.enqueue(1)
        schemas = "select nspname from pg_namespace where nspname like 'omniq_test_%'"
        assert len(await witness(schemas)) == 1
        await app.drain()
    assert await witness(schemas) == []


def test_the_plugin(url: str, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        """
import pytest
from omniq import OmniQ
from omniq.testing import assert_enqueued

app = OmniQ()

@app.task
def add(a: int, b: int = 2) -> int:
    return a + b

def test_database(omniq_on_database):
    omniq_on_database(app)
    handle = add.enqueue(1)
    assert_enqueued(add, 1)
    app.drain()
    assert handle.result(5) == 3

def test_is_empty_again(omniq_on_database):
    omniq_on_database(app)
    assert_enqueued(add, count=0)

def test_memory(omniq_in_memory):
    omniq_in_memory(app)
    add.enqueue(1)
    assert_enqueued(add, count=1)

def test_eager(omniq_eager):
    omniq_eager(app)
    assert add.enqueue(1).result(1) == 3
"""
    )
    # The installed package registers the plugin by an entry point; the source tree cannot.
    announced = any(entry.value == "omniq.testing.plugin" for entry in entry_points(group="pytest11"))
    named = [] if announced else ["-p", "omniq.testing.plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *named, "--omniq-url", url, str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "4 passed" in run.stdout, run.stdout + run.stderr
