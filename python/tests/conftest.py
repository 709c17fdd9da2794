"""Fixtures: a private server for the session, a fresh database for each test, and asyncpg as an independent witness."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
#: Where cargo builds.
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def off_loop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs the coroutine on a new loop in another thread, so that it works also if this thread runs a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


def _on_server(url: str, *statements: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    off_loop(work)


def _start() -> str:
    """The server that all tests of this checkout share; `scripts/stop-test-servers.sh` stops it."""
    user = os.environ.get("USER", "root")
    base = Path(os.environ.get("TMPDIR", "/tmp")) / f"omniq-test-{user}{str(ROOT).replace('/', '_')}"
    base.mkdir(parents=True, exist_ok=True)
    data = base / "pg-python"
    omniq = os.environ.get("OMNIQ_TEST_COMMAND", str(TARGET / "debug/omniq"))
    env = {**os.environ}
    if "OMNIQ_TEST_PG_BIN" in env:
        env["OMNIQ_PG_BIN"] = env["OMNIQ_TEST_PG_BIN"]
    with FileLock(base / "python.lock"):
        subprocess.run([omniq, "--quiet", "dev", "start", "--data", data], check=True, env=env)
        shown = subprocess.run(
            [omniq, "dev", "url", "--data", data], check=True, env=env, capture_output=True, text=True
        )
        url = shown.stdout.strip()
        # The data of tests need not survive a power failure.
        _on_server(url, "alter system set fsync = off", "select pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def server() -> str:
    """The URL of the server, its database `omniq`."""
    return os.environ.get("OMNIQ_TEST_URL") or _start()


def _at(server: str, database: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    _on_server(server, f"create database {name} template {template} strategy file_copy")
    yield _at(server, name)
    _on_server(server, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def model(server: str) -> str:
    """The name of a database with all tables of OmniQ, which is made once. A copy of it takes a tenth of the time of the
    migrations."""
    omniq = Path(os.environ.get("OMNIQ_TEST_COMMAND", TARGET / "debug/omniq"))
    name = f"model_{omniq.stat().st_mtime_ns}"

    async def is_there() -> bool:
        connection = await asyncpg.connect(server)
        there = await connection.fetchval("select count(*) from pg_database where datname = $1", name)
        await connection.close()
        return bool(there)

    with FileLock(Path(tempfile.gettempdir()) / f"omniq-test-{name}.lock"):
        if not off_loop(is_there):
            made = f"m_{uuid.uuid4().hex}"
            _on_server(server, f"create database {made} template template0 strategy file_copy")
            parts = [word for part in ("tasks", "results", "events") for word in ("--part", part)]
            subprocess.run([omniq, "--quiet", "--url", _at(server, made), "db", "migrate", *parts], check=True)
            _on_server(server, f"alter database {made} rename to {name}")
    return name


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database, which is dropped after the test. It has all tables of OmniQ and no rows; with the mark
    `empty_database` it is empty."""
    is_empty = request.node.get_closest_marker("empty_database") is not None
    with _database(server, "template0" if is_empty else request.getfixturevalue("model")) as url:
        yield url


Witness = Callable[..., Coroutine[Any, Any, list[asyncpg.Record]]]


@pytest.fixture
def witness(url: str) -> Witness:
    """Queries the test's database by asyncpg, without OmniQ. Under asyncio only."""

    async def ask(sql: str, *args: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *args)
            return rows
        finally:
            await connection.close()

    return ask


@pytest.fixture
def ask(witness: Witness) -> Callable[..., list[asyncpg.Record]]:
    """The same as `witness` for tests without a loop."""
    return lambda sql, *args: off_loop(lambda: witness(sql, *args))


@pytest.fixture
def anyio_backend() -> Any:
    """The default for tests that name no backend: plain asyncio."""
    return "asyncio"


@pytest.fixture
async def sessions(server: str, url: str) -> AsyncIterator[Callable[[], Coroutine[Any, Any, int]]]:
    """Counts the sessions in the test's database, by a query in another database."""
    connection = await asyncpg.connect(server)
    name = urlsplit(url).path.removeprefix("/")

    async def count() -> int:
        sql = "select count(*) from pg_stat_activity where datname = $1"
        return int(await connection.fetchval(sql, name))

    yield count
    await connection.close()
