"""Tasks that complete in the user's transaction: a commit completes them exactly once, a rollback not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import psycopg2
import pytest
import shop
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from omniq import AsyncOmniQ, Backoff, Context, OmniQError, TaskFailed
from omniq.testing import on_database

pytestmark = pytest.mark.anyio

ORDER = "insert into orders values (1)"


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    with psycopg.connect(url) as connection:
        connection.execute("create table orders (id int)")
    async with AsyncOmniQ(url) as app:
        yield app


def orders(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from orders").fetchone()
        assert row is not None
        return int(row[0])


async def check(app: AsyncOmniQ, url: str, task: Any) -> None:
    """Its first run rolls back or fails, its second one commits: the effect occurs once."""
    handle = await task.enqueue()
    # A drain does not wait until the retry is due.
    while await app.backend.queue.get(handle.id) is not None:
        await app.drain()
    assert await handle.result(5) == "inside"
    assert orders(url) == 1


async def test_asyncpg(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    async def order(context: Context) -> str:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await connection.execute(ORDER)
                await context.complete("inside", connection=connection)
                if context.attempt == 1:
                    raise ValueError("before the commit")
            raise ValueError("after the commit")
        finally:
            await connection.close()

    await check(app, url, order)


async def test_psycopg_async(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    async def order(context: Context) -> str:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute(ORDER)
            await context.complete("inside", connection=connection)
            if context.attempt == 1:
                await connection.rollback()
        return "outside"

    await check(app, url, order)


async def test_psycopg_and_sqlalchemy_in_threads(app: AsyncOmniQ, url: str) -> None:
    engine = sqlalchemy.create_engine(urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg")))

    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    def order(context: Context) -> str:
        if context.attempt == 1:
            with psycopg.connect(url) as connection:
                connection.execute(ORDER)
                context.complete("inside", connection=connection)
                connection.rollback()
        else:
            with Session(engine) as session, session.begin():
                session.execute(sqlalchemy.text(ORDER))
                context.complete("inside", connection=session)
        return "outside"

    await check(app, url, order)
    engine.dispose()


async def test_the_kinds_of_sqlalchemy_and_psycopg2(app: AsyncOmniQ, url: str) -> None:
    def with_driver(driver: str) -> str:
        return urlunsplit(urlsplit(url)._replace(scheme=f"postgresql+{driver}"))

    plain, asynchronous = sqlalchemy.create_engine(with_driver("psycopg2")), create_async_engine(with_driver("psycopg"))

    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    def order(context: Context) -> str:
        if context.attempt == 1:
            with plain.connect() as connection:
                connection.execute(sqlalchemy.text(ORDER))
                context.complete("inside", connection=connection)
                connection.rollback()
        else:
            connection = psycopg2.connect(url)
            connection.cursor().execute(ORDER)
            context.complete("inside", connection=connection)
            connection.commit()
            connection.close()
        return "outside"

    await check(app, url, order)

    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    async def again(context: Context) -> str:
        async with AsyncSession(asynchronous) as session:
            await context.complete("inside", connection=session)
            await (session.rollback() if context.attempt == 1 else session.commit())
        return "outside"

    await check(app, url, again)
    plain.dispose()
    await asynchronous.dispose()


async def test_in_a_process(app: AsyncOmniQ, url: str) -> None:
    with on_database(shop.app, url) as shopping:
        handle = await shop.order.enqueue(url)
        while await shopping.backend.queue.get(handle.id) is not None:
            await shopping.drain(task_processes=1)
        assert await handle.result(5) == "inside"
    assert orders(url) == 1
    # With results kept elsewhere, the completion is refused in the process, which goes on.
    with on_database(shop.app, url, results="memory"):
        handle = await shop.order.with_options(max_retries=0).enqueue(url)
        await shop.app.drain(task_processes=1)
        with pytest.raises(TaskFailed, match="kept elsewhere"):
            await handle.result(5)
    assert orders(url) == 1


async def test_outcomes_after_a_completion_are_ignored(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    def order(context: Context) -> object:
        with psycopg.connect(url) as connection:
            connection.execute(ORDER)
            context.complete("inside", connection=connection)
            if context.attempt == 1:
                connection.rollback()
        return object()

    await check(app, url, order)


async def test_a_queue_in_memory_refuses(url: str) -> None:
    app = AsyncOmniQ(tasks="memory", results="memory")

    @app.task
    def order(context: Context) -> str:
        with psycopg.connect(url) as connection, pytest.raises(OmniQError, match="not on PostgreSQL") as refused:
            context.complete("inside", connection=connection)
        assert refused.value.is_invalid
        return "outside"

    async with app:
        handle = await order.enqueue()
        await app.drain()
        assert await handle.result(5) == "outside"


async def test_sqlalchemy_async(app: AsyncOmniQ, url: str) -> None:
    engine = create_async_engine(urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg")))

    @app.task(max_retries=2, backoff=Backoff(initial=0.01))
    async def order(context: Context) -> str:
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text(ORDER))
            await context.complete("inside", connection=connection)
            await (connection.rollback() if context.attempt == 1 else connection.commit())
        return "outside"

    await check(app, url, order)
    await engine.dispose()
