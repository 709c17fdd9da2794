"""Settings of the user's connection that must not change the effect of `with_options(connection=…)`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import sqlalchemy
from psycopg import AsyncClientCursor, AsyncRawCursor, ClientCursor, RawCursor
from psycopg.rows import dict_row
from test_connections import ASYNC, BLOCKING, DJANGO

from omniq import AsyncOmniQ, Context
from omniq.models import Payload

pytestmark = pytest.mark.anyio

OFF = "set standard_conforming_strings = off"
#: Texts that must arrive unchanged: quotes, backslashes, and sequences that look like escapes.
TEXTS = ["plain", "'", "\\", '\\x22 "{}," NULL', "é \\001", ""]


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


def echo_of(app: AsyncOmniQ) -> Any:
    @app.task
    async def echo(text: str) -> str:
        return text

    return echo


async def check(app: AsyncOmniQ, handles: list[Any]) -> None:
    for handle, text in zip(handles, TEXTS, strict=True):
        task = await app.backend.queue.get(handle.id)
        assert task is not None
        assert task.payload == Payload.of(text)
    await app.drain()
    assert [await handle.result(5) for handle in handles] == TEXTS


# A newcomer's trial, 1: psycopg escaped bytes in a list as a literal, and they were stored escaped.
@pytest.mark.parametrize("kind", ASYNC)
async def test_strings_that_take_backslashes_async(app: AsyncOmniQ, url: str, kind: str) -> None:
    async with ASYNC[kind](url) as (connection, commit, _):
        await connection.execute(sqlalchemy.text(OFF) if "," in kind else OFF)
        handles = await echo_of(app).with_options(connection=connection).enqueue_many(TEXTS)
        await commit()
        await check(app, handles)


@pytest.mark.parametrize("kind", BLOCKING)
async def test_strings_that_take_backslashes_blocking(app: AsyncOmniQ, url: str, kind: str) -> None:
    with BLOCKING[kind](url) as (connection, commit, _):
        on = connection.cursor() if kind == "psycopg2" else connection
        on.execute(sqlalchemy.text(OFF) if "," in kind else OFF)
        handles = echo_of(app).with_options(connection=connection).enqueue_many_sync(TEXTS)
        commit()
        await check(app, handles)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_strings_that_take_backslashes_django(url: str, driver: str) -> None:
    env = {**os.environ, "PGOPTIONS": "-c standard_conforming_strings=off"}
    called = [sys.executable, "-c", DJANGO, url, driver, "omniq"]
    run = subprocess.run(called, capture_output=True, text=True, env=env)
    assert (run.returncode, run.stdout.strip()) == (0, driver), run.stderr


# A newcomer's trial, 2: a plain TypeError, because the placeholders were those of another cursor class.
@pytest.mark.parametrize("scs", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("made", [RawCursor, ClientCursor])
async def test_cursors_of_psycopg(app: AsyncOmniQ, url: str, made: Any, scs: bool) -> None:
    with psycopg.connect(url, cursor_factory=made, row_factory=dict_row) as connection:
        if not scs:
            connection.execute(OFF)
        handles = echo_of(app).with_options(connection=connection).enqueue_many_sync(TEXTS)
    await check(app, handles)


@pytest.mark.parametrize("scs", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("made", [AsyncRawCursor, AsyncClientCursor])
async def test_async_cursors_of_psycopg(app: AsyncOmniQ, url: str, made: Any, scs: bool) -> None:
    connecting = psycopg.AsyncConnection.connect(url, cursor_factory=made, row_factory=dict_row)
    async with await connecting as connection:
        if not scs:
            await connection.execute(OFF)
        handles = await echo_of(app).with_options(connection=connection).enqueue_many(TEXTS)
    await check(app, handles)


@pytest.mark.parametrize("text", TEXTS)
async def test_values_of_completions(app: AsyncOmniQ, url: str, text: str) -> None:
    @app.task
    async def on_async(context: Context) -> str:
        connecting = psycopg.AsyncConnection.connect(url, cursor_factory=AsyncRawCursor)
        async with await connecting as connection:
            await connection.execute(OFF)
            await context.complete(text, connection=connection)
        return "outside"

    @app.task
    def on_blocking(context: Context) -> str:
        with psycopg.connect(url, cursor_factory=ClientCursor) as connection:
            connection.execute(OFF)
            context.complete(text, connection=connection)
        return "outside"

    @app.task
    def without_value(context: Context) -> None:
        with psycopg.connect(url, cursor_factory=RawCursor) as connection:
            connection.execute(OFF)
            context.complete(connection=connection)

    handles = [await task.enqueue() for task in (on_async, on_blocking, without_value)]
    await app.drain()
    assert [await handle.result(5) for handle in handles] == [text, text, None]
