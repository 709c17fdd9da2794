"""`complete`, `fail`, `settle`, `results.store` and `events.log` with `connection=`: a commit makes what they did visible, a
rollback leaves nothing, and what is no connection to the right database is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest
from test_connections import ASYNC, BLOCKING, SCHEMA

from omniq import AsyncOmniQ, ClaimLostError, InvalidError, OmniQ
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.models import (
    NewTask,
    Outcome,
    Payload,
    ResultStatus,
    Settled,
    Settlement,
    Task,
    TaskEvent,
    TaskResult,
    TaskState,
)
from omniq.storage.memory import AsyncMemoryEventStorage, AsyncMemoryResultStorage
from omniq.storage.postgres import (
    AsyncPostgresEventStorage,
    AsyncPostgresQueue,
    AsyncPostgresResultStorage,
    PostgresEventStorage,
    PostgresQueue,
    PostgresResultStorage,
)
from omniq.testing import in_memory

pytestmark = pytest.mark.anyio

RAW = Payload("raw", b"\x00\\\xff")
VALUE = {"é": "'\\", "bytes": "\\x41", "none": None}


def settlement(task: Task, kind: Any) -> Settlement:
    return Settlement(task_id=task.id, claim=task.claim, outcome=Outcome(kind))


def result_of(task: Task, payload: Payload | None = None) -> TaskResult:
    return TaskResult(task.id, ResultStatus.COMPLETED, payload, queue=task.queue, func=task.func, attempt=1)


async def held(backend: AsyncPostgresBackend) -> list[Task]:
    await backend.enqueue_many([NewTask("f", n, max_retries=0) for n in range(13)])
    return await backend.queue.dequeue_many(limit=13)


async def call_all(url: str, schema: str, backend: AsyncPostgresBackend, tasks: list[Task], connection: Any) -> None:
    async with (
        AsyncPostgresQueue(url, schema=schema) as queue,
        AsyncPostgresResultStorage(url, schema=schema) as results,
        AsyncPostgresEventStorage(url, schema=schema) as events,
    ):
        await queue.complete(tasks[0], connection=connection)
        await queue.complete_many(tasks[1:3], connection=connection)
        assert await queue.fail(tasks[3], "text", connection=connection) is TaskState.DEAD
        failed = await queue.fail_many([(tasks[4], ValueError("v")), (tasks[5], "text")], connection=connection)
        assert failed == [TaskState.DEAD] * 2
        batch = [settlement(tasks[6], "release"), settlement(tasks[6], "discard")]
        assert await queue.settle(batch, connection=connection) == [Settled.DONE, Settled.LOST]
        await backend.complete(tasks[7], VALUE, connection=connection)
        assert await backend.fail(tasks[8], "text", connection=connection) is TaskState.DEAD
        batch = [settlement(tasks[9], "discard")]
        assert await backend.settle(batch, all_or_nothing=True, connection=connection) == [Settled.DONE]
        await backend.complete_many([(tasks[10], VALUE), tasks[11]], connection=connection)
        assert await backend.fail_many([(tasks[12], "text")], connection=connection) == [TaskState.DEAD]
        await results.store(result_of(tasks[0], Payload.of(VALUE)), connection=connection)
        await results.store_many([result_of(tasks[1], RAW), result_of(tasks[2])], connection=connection)
        await events.log(TaskEvent(kind="one"), connection=connection)
        await events.log_many([TaskEvent(kind="two"), TaskEvent(kind="three", data=VALUE)], connection=connection)


async def check_all(backend: AsyncPostgresBackend, tasks: list[Task]) -> None:
    states = [task.state if (task := await backend.queue.get(one.id)) else None for one in tasks]
    dead, none = TaskState.DEAD, None
    assert states == [none, none, none, dead, dead, dead, TaskState.READY, none, dead, none, none, none, dead]
    values = [found.value if (found := await backend.results.get(task.id)) else "none" for task in tasks]
    assert values == [VALUE, RAW.data, None, *["none"] * 4, VALUE, None, "none", VALUE, None, None]
    events = [event for event in await backend.events.query() if event.kind != "enqueued"]
    ends = ["completed", "failed", "completed", "completed", "failed"]
    assert [event.kind for event in events] == [*ends, "one", "two", "three"]
    assert events[-1].data == VALUE


@pytest.mark.parametrize("schema", ["omniq", SCHEMA], ids=["plain", "odd"])
@pytest.mark.parametrize("kind", ASYNC)
async def test_ends_results_and_events_in_a_transaction(url: str, kind: str, schema: str) -> None:
    async with AsyncPostgresBackend(url, schema=schema, events="postgres") as backend:
        tasks = await held(backend)
        async with ASYNC[kind](url) as (connection, _, rollback):
            await call_all(url, schema, backend, tasks, connection)
            await rollback()
        assert await backend.queue.count(state=TaskState.RUNNING) == 13
        assert await backend.results.count() == 0
        async with ASYNC[kind](url) as (connection, commit, _):
            await call_all(url, schema, backend, tasks, connection)
            assert await backend.queue.count(state=TaskState.RUNNING) == 13, "nothing is committed yet"
            await commit()
        await check_all(backend, tasks)


@pytest.mark.parametrize("kind", BLOCKING)
def test_the_same_for_blocking_connections(url: str, kind: str) -> None:
    with (
        PostgresBackend(url, events="postgres") as backend,
        PostgresQueue(url) as queue,
        PostgresResultStorage(url) as results,
        PostgresEventStorage(url) as events,
    ):
        backend.enqueue_many([NewTask("f", n, max_retries=0) for n in range(11)])
        tasks = backend.queue.dequeue_many(limit=11)
        for ends in ("rollback", "commit"):
            with BLOCKING[kind](url) as (connection, commit, rollback):
                queue.complete(tasks[0], connection=connection)
                queue.complete_many_sync(tasks[1:3], connection=connection)
                assert queue.fail_sync(tasks[3], "text", connection=connection) is TaskState.DEAD
                assert queue.fail_many([(tasks[4], ValueError("v"))], connection=connection) == [TaskState.DEAD]
                batch = [settlement(tasks[5], "release")]
                assert queue.settle(batch, connection=connection) == [Settled.DONE]
                backend.complete(tasks[6], VALUE, connection=connection)
                assert backend.fail(tasks[7], "text", connection=connection) is TaskState.DEAD
                batch = [settlement(tasks[8], "discard")]
                assert backend.settle_sync(batch, connection=connection) == [Settled.DONE]
                backend.complete_many([tasks[9]], connection=connection)
                assert backend.fail_many_sync([(tasks[10], "text")], connection=connection) == [TaskState.DEAD]
                results.store(result_of(tasks[0], Payload.of(VALUE)), connection=connection)
                results.store_many_sync([result_of(tasks[1])], connection=connection)
                events.log(TaskEvent(kind="one"), connection=connection)
                events.log_many([TaskEvent(kind="two", data=VALUE)], connection=connection)
                assert queue.count(state=TaskState.RUNNING) == 11
                (commit if ends == "commit" else rollback)()
            if ends == "rollback":
                assert queue.count(state=TaskState.RUNNING) == 11
                assert backend.results.count() == 0
        assert [queue.count(state=state) for state in (TaskState.RUNNING, TaskState.DEAD, TaskState.READY)] == [0, 4, 1]
        assert [found.value for task in (tasks[0], tasks[6]) if (found := backend.results.get(task.id))] == [VALUE] * 2
        logged = [event.kind for event in backend.events.query() if event.kind != "enqueued"]
        assert logged == ["completed", "failed"] * 2 + ["one", "two"]


async def test_a_lost_claim_fails_the_transaction_or_is_answered(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend, await psycopg.AsyncConnection.connect(url) as connection:
        tasks = await held(backend)
        await backend.queue.release(tasks[1])
        for call in (
            lambda: backend.queue.complete_many(tasks[:3], connection=connection),
            lambda: backend.complete(tasks[1], connection=connection),
            lambda: backend.complete_many([(task, 1) for task in tasks[:3]], connection=connection),
            lambda: backend.settle([settlement(tasks[1], "discard")], all_or_nothing=True, connection=connection),
        ):
            with pytest.raises(psycopg.Error) as error:
                await call()
            assert error.value.sqlstate == "OQ001"
            assert str(tasks[1].id) in str(error.value)
            await connection.rollback()
        answers = await backend.settle([settlement(task, "discard") for task in tasks[:3]], connection=connection)
        await connection.commit()
        assert answers == [Settled.DONE, Settled.LOST, Settled.DONE]
        waiting = await backend.queue.get(tasks[1].id)
        assert waiting is not None
        with pytest.raises(ClaimLostError):
            await backend.complete(waiting, connection=connection)


@asynccontextmanager
async def elsewhere(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")))
    yield connection
    await connection.close()


async def test_what_is_no_connection_to_the_right_database_is_refused(url: str) -> None:
    async with (
        AsyncPostgresBackend(url, events="postgres") as backend,
        elsewhere(url) as another,
        await asyncpg.create_pool(url, min_size=1, max_size=1) as pool,
    ):
        task = (await held(backend))[0]
        result, event = result_of(task), TaskEvent(kind="mine")
        for bad, words in ((pool, "Acquire one"), (url, "give an open connection"), (another, "to that database")):
            for call in (
                lambda bad: backend.queue.complete(task, connection=bad),
                lambda bad: backend.queue.complete_many([task], connection=bad),
                lambda bad: backend.queue.fail(task, "text", connection=bad),
                lambda bad: backend.queue.fail_many([(task, "text")], connection=bad),
                lambda bad: backend.queue.settle([settlement(task, "discard")], connection=bad),
                lambda bad: backend.complete(task, connection=bad),
                lambda bad: backend.fail(task, "text", connection=bad),
                lambda bad: backend.complete_many([task], connection=bad),
                lambda bad: backend.fail_many([(task, "text")], connection=bad),
                lambda bad: backend.settle([settlement(task, "discard")], connection=bad),
                lambda bad: backend.results.store(result, connection=bad),
                lambda bad: backend.results.store_many([result], connection=bad),
                lambda bad: backend.events.log(event, connection=bad),
                lambda bad: backend.events.log_many([event], connection=bad),
            ):
                with pytest.raises(InvalidError, match=words):
                    await call(bad)
        await backend.complete(task)


async def test_what_no_transaction_reaches_is_refused(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        async with AsyncPostgresBackend(url, results="memory") as backend:
            task = (await held(backend))[0]
            with pytest.raises(InvalidError, match="results are kept elsewhere"):
                await backend.complete(task, connection=connection)
            with pytest.raises(InvalidError, match="the result storage is not on PostgreSQL"):
                await backend.results.store(result_of(task), connection=connection)
        async with AsyncMemoryResultStorage() as results:
            with pytest.raises(InvalidError, match="the result storage is not on PostgreSQL"):
                await results.store_many([], connection=connection)
        async with AsyncMemoryEventStorage() as events:
            with pytest.raises(InvalidError, match="the event storage is not on PostgreSQL"):
                await events.log(TaskEvent(kind="mine"), connection=connection)


async def test_in_memory_tests_do_it_at_once_and_send_nothing(url: str) -> None:
    app = AsyncOmniQ(url)
    with psycopg.connect(url) as connection:
        with in_memory(app):
            backend = app.backend
            await backend.enqueue_many([NewTask("f", n, max_retries=0) for n in range(5)])
            tasks = await backend.queue.dequeue_many(limit=5)
            await backend.queue.complete(tasks[0], connection=connection)
            assert await backend.queue.fail(tasks[1], "text", connection=connection) is TaskState.DEAD
            assert await backend.fail(tasks[2], "text", connection=connection) is TaskState.DEAD
            await backend.complete(tasks[3], 3, connection=connection)
            batch = [settlement(tasks[4], "discard")]
            assert await backend.queue.settle(batch, connection=connection) == [Settled.DONE]
            await backend.results.store(result_of(tasks[0], Payload.of(0)), connection=connection)
            stored = await backend.results.get_many([task.id for task in tasks])
            assert [found.value if found else "none" for found in stored] == [0, "none", None, 3, "none"]
            with pytest.raises(InvalidError, match="give an open connection"):
                await backend.complete(tasks[0], connection=url)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE, "nothing was sent"
        blocking = OmniQ(url)
        with in_memory(blocking):
            blocking.backend.enqueue("f")
            task = blocking.backend.queue.dequeue()
            assert task is not None
            blocking.backend.complete(task, connection=connection)
            assert blocking.backend.queue.count() == 0


@pytest.mark.parametrize("kind", ["psycopg", "AsyncSession, psycopg"])
async def test_a_session_without_nulls_in_arrays_stores_none(url: str, kind: str) -> None:
    from sqlalchemy import text

    async with AsyncPostgresBackend(url) as backend, ASYNC[kind](url) as (connection, commit, _):
        task = (await held(backend))[0]
        off = "set array_nulls = off"
        await connection.execute(off if kind == "psycopg" else text(off))
        assert await backend.fail(task, "text", connection=connection) is TaskState.DEAD
        await commit()
        async with await psycopg.AsyncConnection.connect(url) as plain:
            rows = await (await plain.execute("select value is null, codec is null from omniq.results")).fetchall()
        assert rows == [(True, True)]
