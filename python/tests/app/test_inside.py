"""Enqueues inside the user's own transaction: a commit makes them visible, a rollback leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from omniq import AsyncOmniQ, OmniQ, OmniQError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


def with_driver(url: str, driver: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme=f"postgresql+{driver}"))


def add_to(app: Any) -> Any:
    @app.task(queue="mail", retries=2, timeout=5)  # type: ignore[untyped-decorator]
    async def add(a: int, b: int = 2) -> int:
        return a + b

    return add


async def check(app: AsyncOmniQ, before: Any, after: Any) -> None:
    """What was enqueued and rolled back is not there; what was committed runs."""
    assert await app.backend.queue.get(before.id) is None
    task = await app.backend.queue.get(after.id)
    assert task is not None
    assert (task.queue, task.max_retries, task.metadata) == ("mail", 2, {"é": "'\\"})
    await app.drain()
    assert await after.result(5) == 3


async def test_asyncpg(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    connection = await asyncpg.connect(url)
    inside = add.with_options(connection=connection, metadata={"é": "'\\"})
    transaction = connection.transaction()
    await transaction.start()
    rolled_back = await inside.enqueue(1)
    assert await app.backend.queue.get(rolled_back.id) is None, "nobody sees it yet"
    await transaction.rollback()
    async with connection.transaction():
        kept = await inside.enqueue(1)
        assert await app.backend.queue.get(kept.id) is None
        with pytest.raises(OmniQError, match="argument a"):
            await inside.enqueue("x")
    await check(app, rolled_back, kept)
    async with connection.transaction():
        many = await inside.enqueue_many([(n, n) for n in range(50)])
    await app.drain()
    assert [await one.result(5) for one in many] == [2 * n for n in range(50)]
    await connection.close()


async def test_psycopg(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        inside = add.with_options(connection=connection, metadata={"é": "'\\"})
        rolled_back = await inside.enqueue(1)
        await connection.rollback()
        kept = await inside.enqueue(1)
        await connection.commit()
    await check(app, rolled_back, kept)
    with psycopg.connect(url) as blocking:
        inside = add.with_options(connection=blocking, metadata={"é": "'\\"})
        rolled_back = inside.enqueue_sync(1)
        blocking.rollback()
        kept = inside.enqueue_sync(1)
    await check(app, rolled_back, kept)


async def test_sqlalchemy_async(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    for driver in ("asyncpg", "psycopg"):
        engine = create_async_engine(with_driver(url, driver))
        async with AsyncSession(engine) as session:
            inside = add.with_options(connection=session, metadata={"é": "'\\"})
            rolled_back = await inside.enqueue(1)
            await session.rollback()
            kept = await inside.enqueue(1)
            await session.commit()
        await check(app, rolled_back, kept)
        await engine.dispose()


async def test_sqlalchemy_blocking(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
    with Session(engine) as session:
        inside = add.with_options(connection=session, metadata={"é": "'\\"})
        rolled_back = inside.enqueue_sync(1)
        session.rollback()
        kept = inside.enqueue_sync(1)
        session.commit()
    await check(app, rolled_back, kept)
    with engine.begin() as connection:
        kept = add.with_options(connection=connection, metadata={"é": "'\\"}).enqueue_sync(1)
    await check(app, rolled_back, kept)
    engine.dispose()


async def test_other_connections_are_refused(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    with pytest.raises(OmniQError, match="asyncpg, psycopg, SQLAlchemy"):
        await add.with_options(connection=object()).enqueue(1)
    connection = await asyncpg.connect(url)
    blocking = OmniQ(app.settings)
    with pytest.raises(OmniQError, match="is an async connection"):
        add_to(blocking).with_options(connection=connection).enqueue(1)
    blocking.close()
    await connection.close()


def test_django(url: str) -> None:
    # In a process of its own: Django is configured once in each.
    code = f"""
from urllib.parse import urlsplit
from django.conf import settings
from omniq import OmniQ
at = urlsplit({url!r})
settings.configure(DATABASES={{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:], "HOST": at.hostname, "PORT": at.port,
    "USER": at.username, "PASSWORD": at.password,
}}}})
from django.db import connection, transaction
app = OmniQ({url!r})

@app.task
def add(a: int, b: int = 2) -> int:
    return a + b

inside = add.with_options(connection=connection)
with app:
    with transaction.atomic():
        dropped = inside.enqueue(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = inside.enqueue(1)
        assert app.backend.queue.get(kept.id) is None
    assert app.backend.queue.get(dropped.id) is None
    app.drain()
    assert kept.result(5) == 3
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
