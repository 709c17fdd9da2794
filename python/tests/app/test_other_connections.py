"""`with_options(connection=…)` refuses objects that are not connections, and connections to other databases, before
anything is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psycopg
import psycopg2
import psycopg2.pool
import pytest
import shop
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from test_connections import ASYNC, BLOCKING, with_driver

from omniq import AsyncOmniQ, Context, OmniQError, TaskFailed
from omniq.testing import assert_enqueued, eager, in_memory, on_database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


OTHERS = ["without tables", "with tables", "a copy"]


@pytest.fixture(params=["a copy"])
async def other(request: pytest.FixtureRequest, server: str, url: str, app: AsyncOmniQ) -> AsyncIterator[str]:
    """The URL of another database on the same server."""
    name = f"o_{uuid4().hex}"
    here = urlsplit(url).path[1:]
    connection = await asyncpg.connect(server)
    if request.param == "a copy":
        await app.close()
    template = here if request.param == "a copy" else "template0"
    await connection.execute(f"create database {name} template {template} strategy file_copy")
    there = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    if request.param == "with tables":
        async with AsyncOmniQ(there):
            pass
    yield there
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


def add_to(app: AsyncOmniQ) -> Any:
    @app.task
    async def add(a: int) -> int:
        return a

    return add


def tasks_in(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("select to_regclass('omniq.tasks') is not null").fetchone()
        if found != (True,):
            return 0
        row = connection.execute("select count(*) from omniq.tasks").fetchone()
        assert row is not None
        return int(row[0])


# Issue 12, E7: an asyncpg pool was accepted, and its statement was committed outside of the user's transaction.
async def test_what_stands_for_no_transaction_is_refused(app: AsyncOmniQ, url: str, tmp_path: Path) -> None:
    add = add_to(app)
    engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
    async_engine = create_async_engine(with_driver(url, "asyncpg"))
    sqlite = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.db")
    pool = psycopg2.pool.SimpleConnectionPool(1, 1, url)
    with ExitStack() as stack:
        plain = stack.enter_context(psycopg.connect(url))
        second = psycopg2.connect(url)
        opened = stack.enter_context(engine.connect())
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as asyncpg_pool:
            for given, words in [
                (asyncpg_pool, "Pool is refused: each statement of a pool has another connection"),
                (pool, "Pool is refused: each statement of a pool"),
                (plain.cursor(), "a cursor has answers of its own"),
                (second.cursor(), "a cursor has answers of its own"),
                (engine, "it opens connections, and is none"),
                (async_engine, "it opens connections, and is none"),
                (sessionmaker(engine), "it opens connections, and is none"),
                (async_sessionmaker(async_engine), "it opens connections, and is none"),
                (opened.connection, "none that SQLAlchemy executes on"),
                (stack.enter_context(Session(sqlite)), "leads to sqlite"),
                (object(), "give an open connection of asyncpg or psycopg"),
            ]:
                refused = add.with_options(connection=given)
                with pytest.raises(OmniQError, match=words) as error:
                    refused.enqueue_sync(1)
                assert error.value.is_invalid
                with pytest.raises(OmniQError, match=words):
                    await refused.enqueue_many([1])
                with in_memory(app), pytest.raises(OmniQError, match=words):
                    await refused.enqueue(1)
            async with asyncpg_pool.acquire() as connection, connection.transaction():
                await add.with_options(connection=connection).enqueue(1)
        second.close()
    pool.closeall()
    await async_engine.dispose()
    for opened_engine in (engine, sqlite):
        opened_engine.dispose()
    assert tasks_in(url) == 1


# Issue 12, E7: a connection to another database was accepted, and the task was lost there.
@pytest.mark.parametrize(
    ("kind", "other"),
    [*((kind, "a copy") for kind in ASYNC), *(("asyncpg", other) for other in OTHERS)],
    indirect=["other"],
)
async def test_an_async_connection_to_another_database(app: AsyncOmniQ, url: str, other: str, kind: str) -> None:
    async with ASYNC[kind](other) as (connection, commit, _):
        with pytest.raises(OmniQError, match=r"leads to .* OmniQ's tables are in database 't_") as refused:
            await add_to(app).with_options(connection=connection).enqueue(1)
        assert refused.value.is_invalid
        if refused.value.__cause__ is None:
            # No statement has failed on the connection, so its transaction can go on.
            await commit()
    assert (tasks_in(other), tasks_in(url)) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "other"),
    [*((kind, "a copy") for kind in BLOCKING), *(("Session, psycopg2", other) for other in OTHERS)],
    indirect=["other"],
)
async def test_a_blocking_connection_to_another_database(app: AsyncOmniQ, url: str, other: str, kind: str) -> None:
    with BLOCKING[kind](other) as (connection, commit, rollback):
        with pytest.raises(OmniQError, match=r"leads to .* OmniQ's tables are in database 't_") as refused:
            add_to(app).with_options(connection=connection).enqueue_many_sync([1, 2])
        (commit if refused.value.__cause__ is None else rollback)()
    assert (tasks_in(other), tasks_in(url)) == (0, 0)


async def test_a_completion_on_another_database(app: AsyncOmniQ, url: str, other: str) -> None:
    @app.task(max_retries=0)
    async def order(context: Context) -> None:
        connection = await asyncpg.connect(other)
        try:
            await context.complete(connection=connection)
        finally:
            await connection.close()

    handle = await order.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match="OmniQ's tables are in database 't_"):
        await handle.result(5)


# Found by a newcomer: the run's value was discarded, although nothing had been written.
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_run_goes_on_after_a_completion_that_was_refused(
    app: AsyncOmniQ, url: str, other: str, is_async: bool
) -> None:
    if is_async:

        @app.task(name="order", max_retries=0)
        async def order(context: Context) -> int:
            connection = await asyncpg.connect(other)
            with pytest.raises(OmniQError, match="nothing was written"):
                await context.complete(1, connection=connection)
            await connection.close()
            return 3
    else:

        @app.task(name="order", max_retries=0)
        def order(context: Context) -> int:
            with psycopg.connect(other) as connection, pytest.raises(OmniQError, match="nothing was written"):
                context.complete(1, connection=connection)
            return 3

    handle = await order.enqueue()
    await app.drain()
    assert await handle.result(5) == 3


async def test_the_same_in_a_process(url: str, other: str) -> None:
    with on_database(shop.app, url) as shopping:
        handle = await shop.misled.enqueue(other)
        connection = await asyncpg.connect(url)
        schema = await connection.fetchval("select nspname from pg_namespace where nspname like 'omniq_test_%'")
        await connection.close()
        # Without the schema the statement and thus its transaction would fail.
        async with AsyncOmniQ(f"{other}?schema={schema}", events="postgres"):
            pass
        await shopping.drain(task_processes=1)
        assert await handle.result(5) == 3


# The connection must lead to the queue's database, not to the application's.
async def test_a_queue_with_a_place_of_its_own(url: str, other: str) -> None:
    async with AsyncOmniQ(url, tasks=f"{other}?schema=jobs") as app:
        add = add_to(app)
        connection = await asyncpg.connect(url)
        with pytest.raises(OmniQError, match="leads to"):
            await add.with_options(connection=connection).enqueue(1)
        await connection.close()
        connection = await asyncpg.connect(other)
        handle = await add.with_options(connection=connection).enqueue(1)
        assert await app.backend.queue.get(handle.id) is not None
        await connection.close()


async def test_a_queue_that_no_transaction_reaches(url: str) -> None:
    connection = await asyncpg.connect(url)
    async with AsyncOmniQ(url, tasks="memory") as app:
        with pytest.raises(OmniQError, match="not on PostgreSQL: no transaction of a connection reaches it"):
            await add_to(app).with_options(connection=connection).enqueue(1)
    assert tasks_in(url) == 0
    await connection.close()


# The row factory of the user's connection must not affect OmniQ's statements.
async def test_connections_with_rows_of_their_own_kind(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        add.with_options(connection=connection).enqueue_sync(1)
    assert tasks_in(url) == 1


# Issue 12, E2: tasks that were enqueued with a connection went into the real database.
async def test_modes_in_memory_leave_the_database_alone(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    connection, blocking = await asyncpg.connect(url), psycopg.connect(url)
    with in_memory(app):
        handle = await add.with_options(connection=connection).enqueue(1)
        await add.with_options(connection=connection).enqueue_many([2, 3])
        add.with_options(connection=blocking).enqueue_sync(4)
        assert_enqueued(add, count=4)
        await app.drain()
        assert await handle.result(1) == 1
    with eager(app):
        assert await (await add.with_options(connection=connection).enqueue(5)).result(1) == 5
        assert add.with_options(connection=blocking).enqueue_many_sync([6])[0].result_sync(1) == 6
    blocking.commit()
    blocking.close()
    await connection.close()
    assert tasks_in(url) == 0
    # Afterwards the application uses the database again.
    connection = await asyncpg.connect(url)
    await add.with_options(connection=connection).enqueue(7)
    await connection.close()
    assert tasks_in(url) == 1
