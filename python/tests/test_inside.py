"""`enqueue(…, connection=…)` and `enqueue_many(…, connection=…)` of queues and backends: a commit makes the tasks visible,
a rollback leaves nothing, and what is no connection to the queue's database is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
import sqlalchemy
from test_connections import ASYNC, BLOCKING, METADATA, SCHEMA, with_driver

from omniq import AsyncOmniQ, ClosedError, DuplicateError, InvalidError, NewTask, OmniQ
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.codecs import register
from omniq.models import Payload
from omniq.storage.memory import AsyncMemoryQueue, MemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue
from omniq.testing import in_memory

pytestmark = pytest.mark.anyio

ASYNC_MADE: dict[str, Callable[..., AbstractAsyncContextManager[Any]]] = {
    "queue": AsyncPostgresQueue,
    "backend": AsyncPostgresBackend,
}
MADE: dict[str, Callable[..., AbstractContextManager[Any]]] = {"queue": PostgresQueue, "backend": PostgresBackend}
OPTIONS: dict[str, Any] = {"queue": "mail", "priority": 3, "max_retries": 1, "metadata": METADATA}


def queue_of(made: Any) -> Any:
    return made.queue if hasattr(made, "queue") else made


def written(task: Any) -> tuple[Any, ...]:
    return (task.func, task.payload, task.queue, task.priority, task.max_retries, task.metadata)


EXPECTED = ("send", Payload.of({"to": "é '\\"}), "mail", 3, 1, METADATA)


@pytest.mark.parametrize("schema", ["omniq", SCHEMA], ids=["plain", "odd"])
@pytest.mark.parametrize("kind", ASYNC)
@pytest.mark.parametrize("what", ASYNC_MADE)
async def test_a_commit_makes_tasks_visible_and_a_rollback_leaves_nothing(
    url: str, what: str, kind: str, schema: str
) -> None:
    async with ASYNC_MADE[what](url, schema=schema) as made:
        queue = queue_of(made)

        async def add(connection: Any) -> list[UUID]:
            one = await made.enqueue("send", {"to": "é '\\"}, **OPTIONS, connection=connection)
            tasks = [NewTask("send", {"to": "é '\\"}, **OPTIONS) for _ in range(3)]
            return [one, *await made.enqueue_many(tasks, connection=connection)]

        async with ASYNC[kind](url) as (connection, commit, _):
            ids = await add(connection)
            assert [await queue.get(id) for id in ids] == [None] * 4, "nothing is committed yet"
            await commit()
            assert [written(await queue.get(id)) for id in ids] == [EXPECTED] * 4
        async with ASYNC[kind](url) as (connection, _, rollback):
            ids = await add(connection)
            await rollback()
            assert [await queue.get(id) for id in ids] == [None] * 4
        assert await queue.count() == 4


@pytest.mark.parametrize("kind", BLOCKING)
@pytest.mark.parametrize("what", MADE)
def test_the_same_for_blocking_connections(url: str, what: str, kind: str) -> None:
    with MADE[what](url, schema=SCHEMA) as made:
        queue = queue_of(made)
        with BLOCKING[kind](url) as (connection, commit, rollback):
            one = made.enqueue_sync(NewTask("send", {"to": "é '\\"}, **OPTIONS), connection=connection)
            many = made.enqueue_many_sync([NewTask("send", {"to": "é '\\"}, **OPTIONS)] * 2, connection=connection)
            assert queue.count() == 0
            commit()
            assert [written(queue.get(id)) for id in (one, *many)] == [EXPECTED] * 3
            made.enqueue("send", connection=connection)
            rollback()
            assert queue.count() == 3


async def test_blocking_connections_of_async_classes(url: str) -> None:
    async with AsyncPostgresQueue(url) as queue:
        with psycopg.connect(url) as connection:
            id = await queue.enqueue("send", connection=connection)
        assert await queue.get(id) is not None


def test_an_async_connection_of_a_blocking_class_is_refused(url: str) -> None:
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(url))
    with PostgresQueue(url) as queue:
        with pytest.raises(
            InvalidError, match=r"asyncpg\.connection\.Connection is an async connection: give it to a verb"
        ):
            queue.enqueue("send", connection=connection)
        assert queue.count() == 0
    loop.run_until_complete(connection.close())
    loop.close()


@pytest.mark.parametrize("what", ASYNC_MADE)
async def test_what_is_no_connection_to_the_queues_database_is_refused(url: str, what: str) -> None:
    async with ASYNC_MADE[what](url) as made:
        pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
        engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
        opened = engine.connect()
        for bad, words in (
            (pool, "Acquire one"),
            (opened.connection.cursor(), "Give the connection that it is of"),
            (opened.connection, "Give the Session, AsyncSession, Connection or AsyncConnection"),
            (engine, "Give the Session or Connection that your transaction is on"),
            (url, "give an open connection"),
            (object(), "give an open connection"),
        ):
            with pytest.raises(InvalidError, match=words):
                await made.enqueue("send", connection=bad)
            with pytest.raises(InvalidError, match=words):
                await made.enqueue_many([NewTask("send")], connection=bad)
        await pool.close()
        opened.close()
        engine.dispose()
        elsewhere = await asyncpg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")))
        with pytest.raises(InvalidError, match="give a connection to that database; nothing was written"):
            await made.enqueue("send", connection=elsewhere)
        await elsewhere.close()
        assert await queue_of(made).count() == 0


@pytest.mark.parametrize("what", ASYNC_MADE)
async def test_bad_input_is_refused_before_anything_is_sent(url: str, what: str) -> None:
    async with ASYNC_MADE[what](url) as made, await psycopg.AsyncConnection.connect(url) as connection:
        id = uuid4()
        await made.enqueue("send", id=id)
        with pytest.raises(InvalidError, match="priority"):
            await made.enqueue("send", priority=100_000, connection=connection)
        with pytest.raises(InvalidError, match="queue"):
            await made.enqueue_many([NewTask("send"), NewTask("send", queue="")], connection=connection)
        # The transaction can go on.
        await made.enqueue("send", connection=connection)
        await connection.commit()
        with pytest.raises((DuplicateError, psycopg.errors.UniqueViolation)):
            await made.enqueue("send", id=id, connection=connection)
        await connection.rollback()
        assert await queue_of(made).count() == 2


async def test_arguments_are_read_once_and_at_the_call(url: str) -> None:
    register("x-once", b"".join, bytes)
    async with AsyncPostgresBackend(url) as backend, await psycopg.AsyncConnection.connect(url) as connection:
        id = await backend.enqueue("send", iter([b"a", b"b"]), codec="x-once", connection=connection)
        args = {"to": "Ann"}
        other = asyncio.ensure_future(backend.enqueue("send", args, connection=connection))
        await asyncio.sleep(0)
        args["to"] = "Bob"
        ids = [id, await other]
        await connection.commit()
        found = [await backend.queue.get(id) for id in ids]
        assert [task.payload.data for task in found if task] == [b"ab", b'{"to":"Ann"}']


async def test_the_event_of_the_enqueue_is_in_the_transaction(url: str) -> None:
    async with AsyncPostgresBackend(url, events="postgres") as backend:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            id = await backend.enqueue("send", connection=connection)
            await connection.rollback()
            assert await backend.events.query(task_id=id) == []
            id = await backend.queue.enqueue("send", connection=connection)
        assert [event.kind for event in await backend.events.query(task_id=id)] == ["enqueued"]


async def test_a_closed_queue_and_one_in_memory(url: str) -> None:
    with psycopg.connect(url) as connection:
        queue = AsyncPostgresQueue(url)
        await queue.connect()
        await queue.close()
        with pytest.raises(ClosedError):
            await queue.enqueue("send", connection=connection)
        async with AsyncMemoryQueue() as memory:
            with pytest.raises(InvalidError, match="the queue is not on PostgreSQL"):
                await memory.enqueue("send", connection=connection)
            assert await memory.count() == 0
        with MemoryQueue() as blocking, pytest.raises(InvalidError, match="the queue is not on PostgreSQL"):
            blocking.enqueue_many([NewTask("send")], connection=connection)


@pytest.fixture
def connection(url: str) -> Iterator[Any]:
    with psycopg.connect(url) as connection:
        yield connection


async def test_in_memory_tests_add_at_once_and_send_nothing(url: str, connection: Any) -> None:
    app = AsyncOmniQ(url)
    with in_memory(app):
        first = await app.backend.enqueue("send", connection=connection)
        second, third = await app.backend.enqueue_many([NewTask("send")] * 2, connection=connection)
        fourth = await app.backend.queue.enqueue("send", connection=connection)
        assert {task.id for task in await app.backend.queue.list()} == {first, second, third, fourth}
        with pytest.raises(InvalidError, match="give an open connection"):
            await app.backend.enqueue("send", connection=url)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE, "nothing was sent"
    blocking = OmniQ(url)
    with in_memory(blocking):
        id = blocking.backend.enqueue("send", connection=connection)
        assert [task.id for task in blocking.backend.queue.list()] == [id]
