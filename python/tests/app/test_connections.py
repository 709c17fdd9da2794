"""Every kind of connection that `with_options(connection=…)` accepts: one task and many, committed and rolled back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from omniq import AsyncOmniQ, OmniQError

pytestmark = pytest.mark.anyio

#: A schema name with the placeholders of all drivers.
SCHEMA = 'a %s %% :p1 "$1"'
METADATA = {"é": "'\\", "percent": "%s", "colon": ":p1", "dollar": "$1"}


def with_driver(url: str, driver: str) -> str:
    return urlunsplit(urlsplit(url)._replace(scheme=f"postgresql+{driver}"))


@asynccontextmanager
async def of_asyncpg(url: str) -> AsyncIterator[tuple[Any, Any, Any]]:
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection, transaction.commit, transaction.rollback
    await connection.close()


@asynccontextmanager
async def of_psycopg(url: str) -> AsyncIterator[tuple[Any, Any, Any]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection, connection.commit, connection.rollback


def through_async_engine(driver: str, opened: Callable[[Any], Any]) -> Callable[[str], Any]:
    @asynccontextmanager
    async def made(url: str) -> AsyncIterator[tuple[Any, Any, Any]]:
        engine = create_async_engine(with_driver(url, driver))
        async with opened(engine) as connection:
            yield connection, connection.commit, connection.rollback
        await engine.dispose()

    return made


ASYNC: dict[str, Callable[[str], Any]] = {
    "asyncpg": of_asyncpg,
    "psycopg": of_psycopg,
    "AsyncSession, asyncpg": through_async_engine("asyncpg", AsyncSession),
    "AsyncSession, psycopg": through_async_engine("psycopg", AsyncSession),
    "AsyncConnection, asyncpg": through_async_engine("asyncpg", AsyncEngine.connect),
    "AsyncConnection, psycopg": through_async_engine("psycopg", AsyncEngine.connect),
}


def driver_connection(connect: Callable[[str], Any]) -> Callable[[str], Any]:
    @contextmanager
    def made(url: str) -> Iterator[tuple[Any, Any, Any]]:
        connection = connect(url)
        yield connection, connection.commit, connection.rollback
        connection.close()

    return made


def through_engine(driver: str, opened: Callable[[Any], Any]) -> Callable[[str], Any]:
    @contextmanager
    def made(url: str) -> Iterator[tuple[Any, Any, Any]]:
        engine = sqlalchemy.create_engine(with_driver(url, driver))
        with opened(engine) as connection:
            yield connection, connection.commit, connection.rollback
        engine.dispose()

    return made


BLOCKING: dict[str, Callable[[str], Any]] = {
    "psycopg": driver_connection(psycopg.connect),
    "psycopg2": driver_connection(psycopg2.connect),
    "Session, psycopg": through_engine("psycopg", Session),
    "Session, psycopg2": through_engine("psycopg2", Session),
    "Connection, psycopg": through_engine("psycopg", sqlalchemy.Engine.connect),
    "Connection, psycopg2": through_engine("psycopg2", sqlalchemy.Engine.connect),
}


@pytest.fixture(params=["omniq", SCHEMA], ids=["plain", "odd"])
async def app(request: pytest.FixtureRequest, url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, schema=request.param) as app:
        yield app


def add_to(app: AsyncOmniQ) -> Any:
    @app.task(queue="mail", max_retries=2, timeout=5, metadata=METADATA)
    async def add(a: int, text: str = "%s :p1 $1 '") -> str:
        return f"{a} {text}"

    return add


async def there(app: AsyncOmniQ, handles: list[Any]) -> list[bool]:
    return [await app.backend.queue.get(handle.id) is not None for handle in handles]


async def check(app: AsyncOmniQ, single: Any, many: list[Any]) -> None:
    """Asserts that the tasks have the given options and arguments, and run."""
    task = await app.backend.queue.get(single.id)
    assert task is not None
    assert (task.queue, task.max_retries, task.metadata) == ("mail", 2, METADATA)
    await app.drain()
    assert await single.result(5) == "1 %s :p1 $1 '"
    assert [await handle.result(5) for handle in many] == [f"{n} {'x' * n}" for n in range(20)]


CALLS = [(n, "x" * n) for n in range(20)]


@pytest.mark.parametrize("kind", ASYNC)
async def test_async_connections(app: AsyncOmniQ, url: str, kind: str) -> None:
    add = add_to(app)
    async with ASYNC[kind](url) as (connection, _, rollback):
        inside = add.with_options(connection=connection)
        handles = [await inside.enqueue(1), *await inside.enqueue_many(CALLS)]
        assert not any(await there(app, handles)), "nothing is visible yet"
        await rollback()
        assert not any(await there(app, handles)), "they are rolled back"
    async with ASYNC[kind](url) as (connection, commit, _):
        inside = add.with_options(connection=connection)
        single, many = await inside.enqueue(1), await inside.enqueue_many(CALLS)
        assert not any(await there(app, [single, *many]))
        await commit()
        assert all(await there(app, [single, *many]))
        await check(app, single, many)


@pytest.mark.parametrize("kind", BLOCKING)
async def test_blocking_connections(app: AsyncOmniQ, url: str, kind: str) -> None:
    add = add_to(app)
    with BLOCKING[kind](url) as (connection, _, rollback):
        inside = add.with_options(connection=connection)
        handles = [inside.enqueue_sync(1), *inside.enqueue_many_sync(CALLS)]
        assert not any(await there(app, handles)), "nothing is visible yet"
        rollback()
        assert not any(await there(app, handles)), "they are rolled back"
    with BLOCKING[kind](url) as (connection, commit, _):
        inside = add.with_options(connection=connection)
        # A coroutine may use the connection too.
        single, many = await inside.enqueue(1), inside.enqueue_many_sync(CALLS)
        assert not any(await there(app, [single, *many]))
        commit()
        assert all(await there(app, [single, *many]))
        await check(app, single, many)


@pytest.mark.parametrize("kind", ASYNC)
async def test_an_async_connection_needs_an_await(app: AsyncOmniQ, url: str, kind: str) -> None:
    add = add_to(app)
    async with ASYNC[kind](url) as (connection, _, _):
        inside = add.with_options(connection=connection)
        with pytest.raises(OmniQError, match="is an async connection"):
            inside.enqueue_sync(1)


async def test_what_is_refused_leaves_the_transaction_as_it_was(app: AsyncOmniQ, url: str) -> None:
    add = add_to(app)
    with pytest.raises(OmniQError, match="connection of asyncpg or psycopg"):
        await add.with_options(connection=object()).enqueue(1)
    async with of_asyncpg(url) as (connection, commit, _):
        inside = add.with_options(connection=connection)
        kept = await inside.enqueue(1)
        with pytest.raises(OmniQError, match="argument a"):
            await inside.enqueue("x")
        await commit()
    assert await there(app, [kept]) == [True]


DJANGO = """
import sys
from urllib.parse import urlsplit
if sys.argv[2] == "psycopg2":
    # Django takes psycopg if it is there.
    sys.modules["psycopg"] = None
from django.conf import settings
from omniq import OmniQ
from omniq.models import Outcome, ResultStatus, Settlement, TaskEvent, TaskResult
at = urlsplit(sys.argv[1])
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:], "HOST": at.hostname, "PORT": at.port,
    "USER": at.username, "PASSWORD": at.password,
}})
from django.db import connection, transaction
app = OmniQ(sys.argv[1], schema=sys.argv[3], events="postgres")

@app.task
def add(a: int, text: str = "%s :p1 $1 '") -> str:
    return f"{a} {text}"

inside = add.with_options(connection=connection)
with app:
    with transaction.atomic():
        dropped = [inside.enqueue(1), *inside.enqueue_many([1, 2])]
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = [inside.enqueue(1), *inside.enqueue_many([(1, "x"), (2, "y")])]
        assert all(app.backend.queue.get(one.id) is None for one in kept)
    assert all(app.backend.queue.get(one.id) is None for one in dropped)
    app.drain()
    assert [one.result(5) for one in kept] == ["1 %s :p1 $1 '", "1 x", "2 y"]

    # The verbs of the storages, which end tasks, store results and log events.
    backend, queue = app.backend, app.backend.queue
    backend.enqueue_many([("held", n) for n in range(6)], queue="held", max_retries=0)
    held = queue.dequeue_many("held", limit=6)
    for commit in (False, True):
        with transaction.atomic():
            queue.complete(held[0], connection=connection)
            queue.fail_many([(held[1], "text")], connection=connection)
            backend.complete(held[2], "é '\\\\", connection=connection)
            backend.complete_many([(held[3], 3)], connection=connection)
            backend.fail(held[4], "text", connection=connection)
            queue.settle([Settlement(held[5].id, held[5].claim, Outcome("discard"))], connection=connection)
            backend.results.store(TaskResult(held[0].id, ResultStatus.CANCELLED), connection=connection)
            backend.events.log(TaskEvent("mine"), connection=connection)
            transaction.set_rollback(not commit)
        assert queue.count(queue="held", state="running") == (0 if commit else 6)
    assert queue.count(queue="held", state="dead") == 2
    found = backend.results.get_many([task.id for task in held])
    assert [one and one.status for one in found] == ["cancelled", None, "completed", "completed", "failed", None]
    assert [found[2].value, found[3].value] == ["é '\\\\", 3]
    assert backend.events.count(kind="mine") == 1
print(type(connection.connection).__module__.partition(".")[0])
"""


@pytest.mark.parametrize("schema", ["omniq", SCHEMA], ids=["plain", "odd"])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_django(url: str, driver: str, schema: str) -> None:
    # In another process, because Django can be configured only once in a process.
    run = subprocess.run([sys.executable, "-c", DJANGO, url, driver, schema], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, driver), run.stderr
