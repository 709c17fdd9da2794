"""Tasks that complete in the user's own transaction: with a commit once and for all, with a rollback not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from omniq import AsyncOmniQ, Backoff, Context

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
    """Its first run rolls back or fails, its second one commits: the effect is there once."""
    handle = await task.enqueue()
    # A drain does not wait for the retry to be due.
    while await app.backend.queue.get(handle.id) is not None:
        await app.drain()
    assert await handle.result(5) == "inside"
    assert orders(url) == 1


async def test_asyncpg(app: AsyncOmniQ, url: str) -> None:
    @app.task(retries=2, backoff=Backoff(initial=0.01))
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
    @app.task(retries=2, backoff=Backoff(initial=0.01))
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

    @app.task(retries=2, backoff=Backoff(initial=0.01))
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


async def test_sqlalchemy_async(app: AsyncOmniQ, url: str) -> None:
    engine = create_async_engine(urlunsplit(urlsplit(url)._replace(scheme="postgresql+asyncpg")))

    @app.task(retries=2, backoff=Backoff(initial=0.01))
    async def order(context: Context) -> str:
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text(ORDER))
            await context.complete("inside", connection=connection)
            await (connection.rollback() if context.attempt == 1 else connection.commit())
        return "outside"

    await check(app, url, order)
    await engine.dispose()
