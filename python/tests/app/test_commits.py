"""Enqueues with `connection=` while a test keeps everything in memory: what a commit, and a rollback, of the connection does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from omniq import AsyncOmniQ, ConfigError, Context, DuplicateError, InvalidError, OmniQ, TaskFailed
from omniq.testing import assert_enqueued, eager, in_memory

pytestmark = [pytest.mark.anyio, pytest.mark.empty_database]

blocking = OmniQ("postgresql://nowhere.invalid/none", max_payload=1000)
app = AsyncOmniQ("postgresql://nowhere.invalid/none")
ran: list[str] = []


@blocking.task(max_retries=0)
def note(name: str) -> str:
    ran.append(name)
    if name == "bad":
        raise ValueError(name)
    return name


@app.task
async def note_async(name: str) -> str:
    ran.append(name)
    return name


def names() -> list[str]:
    return sorted(task.args for task in blocking.backend.queue.list())


def with_driver(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


@pytest.fixture
def engine(url: str, ask: Any) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(with_driver(url, "psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("create table orders (name text)")
    yield engine
    engine.dispose()
    # Nothing of the queue was written to the database.
    assert ask("select nspname from pg_namespace where nspname like 'omniq%'") == []


def enqueue(connection: Any, name: str) -> None:
    note.with_options(connection=connection).enqueue(name)


def test_a_session(engine: sqlalchemy.Engine) -> None:
    with in_memory(blocking):
        with Session(engine) as session:
            session.execute(sqlalchemy.text("insert into orders values ('a')"))
            enqueue(session, "committed")
            with session.begin_nested():
                enqueue(session, "of a savepoint")
            with session.begin_nested() as savepoint:
                with session.begin_nested():
                    enqueue(session, "of a savepoint in one that was rolled back")
                enqueue(session, "rolled back to a savepoint")
                savepoint.rollback()
            session.flush()
            assert names() == []
            session.commit()
            assert names() == ["committed", "of a savepoint"]
            enqueue(session, "rolled back")
            session.rollback()
            enqueue(session, "closed")
        with Session(engine) as session, session.begin():
            note.with_options(connection=session).enqueue_many(["first of two", "second of two"])
            blocking.backend.enqueue("note", "by the backend", connection=session)
            blocking.backend.queue.enqueue_many([("note", "by the queue")], connection=session)
            assert len(names()) == 2
        first, second = (
            ["committed", "of a savepoint"],
            ["by the backend", "by the queue", "first of two", "second of two"],
        )
        assert names() == sorted(first + second)
        scoped = scoped_session(sessionmaker(engine))
        enqueue(scoped, "scoped")
        scoped.commit()
        scoped.remove()
        assert "scoped" in names()
        left = Session(engine)
        enqueue(left, "committed after the end of the mode")
    left.commit()
    left.close()
    with in_memory(blocking):
        assert names() == []


def test_a_session_that_the_test_rolls_back(engine: sqlalchemy.Engine) -> None:
    with in_memory(blocking), engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            enqueue(session, "committed by the code under test")
            session.commit()
            enqueue(session, "rolled back by it")
            session.rollback()
        assert names() == ["committed by the code under test"]
        outer.rollback()


def test_a_connection(engine: sqlalchemy.Engine) -> None:
    with in_memory(blocking), engine.connect() as connection:
        with connection.begin():
            enqueue(connection, "a")
            with connection.begin_nested() as savepoint:
                enqueue(connection, "rolled back")
                with connection.begin_nested():
                    enqueue(connection, "rolled back within")
                savepoint.rollback()
            with connection.begin_nested():
                enqueue(connection, "b")
            assert names() == []
        assert names() == ["a", "b"]
        enqueue(connection, "rolled back")
        connection.rollback()
        enqueue(connection, "c")
        connection.commit()
        assert names() == ["a", "b", "c"]
    with in_memory(blocking), engine.connect() as connection:
        connection.exec_driver_sql("create table one (n int unique deferrable initially deferred)")
        connection.exec_driver_sql("insert into one values (1), (1)")
        enqueue(connection, "of a commit that fails")
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            connection.commit()
        connection.rollback()
        enqueue(connection, "of a later one")
        connection.commit()
        assert names() == ["of a later one"]


def test_connections_beside_each_other_and_savepoints_of_before(engine: sqlalchemy.Engine) -> None:
    with in_memory(blocking), engine.connect() as connection, engine.connect() as other:
        connection.begin()
        outer = connection.begin_nested()
        enqueue(connection, "rolled back to a savepoint of before")
        enqueue(other, "of the other one")
        with connection.begin_nested():
            enqueue(connection, "within both")
        outer.rollback()
        enqueue(connection, "after it")
        connection.commit()
        assert names() == ["after it"]
        other.commit()
        assert names() == ["after it", "of the other one"]
        connection.close()
        enqueue(other, "after the other was closed")
        other.commit()
        assert "after the other was closed" in names()
    # The dialect is as it was.
    assert not {"do_commit", "do_savepoint", "do_commit_twophase"} & vars(engine.dialect).keys()


def test_commits_in_two_phases(engine: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server of the tests prepares no transaction.
    monkeypatch.setattr(engine.dialect, "do_begin_twophase", lambda *_: None)
    monkeypatch.setattr(engine.dialect, "do_prepare_twophase", lambda *_: None)
    monkeypatch.setattr(engine.dialect, "do_commit_twophase", lambda one, *_: one.connection.commit())
    monkeypatch.setattr(engine.dialect, "do_rollback_twophase", lambda one, *_: one.connection.rollback())
    with in_memory(blocking), engine.connect() as connection:
        with connection.begin_twophase() as transaction:
            enqueue(connection, "prepared")
            transaction.prepare()
            assert names() == []
        assert names() == ["prepared"]
        transaction = connection.begin_twophase()
        enqueue(connection, "rolled back")
        transaction.rollback()
        connection.commit()
        assert names() == ["prepared"]
    with in_memory(blocking), Session(engine, twophase=True) as session:
        session.execute(sqlalchemy.text("select 1"))
        enqueue(session, "of a session")
        session.commit()
        assert names() == ["of a session"]


def test_a_sqlalchemy_that_does_not_tell_of_commits_is_refused(
    engine: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, in_memory(blocking), engine.connect() as connection:
        patched.setattr(engine.dialect, "do_commit", None)
        with pytest.raises(ConfigError, match=r"SQLAlchemy 2\..* has no method do_commit, so .* give a Session"):
            enqueue(connection, "a")
    # A version that commits in another way is noticed at the end of the mode.
    monkeypatch.setattr(
        sqlalchemy.Connection, "_commit_impl", lambda self: (self.dispatch.commit(self), self.connection.commit())
    )

    def commit_in_another_way() -> None:
        with in_memory(blocking), engine.connect() as connection:
            enqueue(connection, "a")
            connection.commit()

    with pytest.raises(ConfigError, match=r"did not call its dialect, so that tasks .* would not appear"):
        commit_in_another_way()


def test_completion_in_a_transaction(engine: sqlalchemy.Engine) -> None:
    own = OmniQ()

    @own.task(max_retries=0)
    def pay(context: Context, how: str) -> str:
        with Session(engine) as session:
            session.execute(sqlalchemy.text("insert into orders values (:how)"), {"how": how})
            context.complete(how, connection=session)
            if how != "rolled back":
                session.commit()
        if how == "raises":
            raise ValueError(how)
        return "ignored"

    with eager(own):
        assert pay.enqueue("returns").result(1) == "returns"
        assert pay.enqueue("raises").result(1) == "raises"
        with pytest.raises(TaskFailed, match="completed its task was not committed"):
            pay.enqueue("rolled back")
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select count(*) from orders")).scalar() == 2


def test_drivers_without_news_of_commits(url: str) -> None:
    with in_memory(blocking), psycopg.connect(url) as connection:
        enqueue(connection, "at once")
        connection.rollback()
        assert names() == ["at once"]


def test_what_is_refused_is_refused_by_the_call(engine: sqlalchemy.Engine) -> None:
    with in_memory(blocking), Session(engine) as session:
        with pytest.raises(InvalidError, match="argument name"):
            note.with_options(connection=session).enqueue(5)  # type: ignore[arg-type]
        with pytest.raises(InvalidError, match="max_payload"):
            enqueue(session, "x" * 2000)
        with pytest.raises(InvalidError, match="Give the Session or Connection"):
            enqueue(engine, "x")
        with pytest.raises(InvalidError, match="is an async connection"):
            enqueue(AsyncSession(create_async_engine("postgresql+asyncpg://")), "x")
        id = uuid4()
        note.with_options(id=id).enqueue("first")
        with pytest.raises(DuplicateError):
            note.with_options(id=id, connection=session).enqueue("second")
        session.commit()
        assert names() == ["first"]


def test_eager_runs_at_the_commit(engine: sqlalchemy.Engine) -> None:
    ran.clear()
    with eager(blocking), Session(engine) as session:
        handle = note.with_options(connection=session).enqueue("eager")
        assert handle.status() is None
        assert ran == []
        session.commit()
        assert ran == ["eager"]
        assert handle.result(1) == "eager"
        enqueue(session, "bad")
        with pytest.raises(TaskFailed, match="bad"):
            session.commit()
        # The session can be used as after any commit.
        assert session.execute(sqlalchemy.text("select 1")).scalar() == 1


async def test_async_connections(url: str) -> None:
    engine = create_async_engine(with_driver(url, "asyncpg"))
    maker = async_sessionmaker(engine)
    with in_memory(app):
        async with maker() as session:
            await note_async.with_options(connection=session).enqueue("session")
            assert_enqueued(note_async, count=0)
            await session.commit()
            assert_enqueued(note_async, "session", count=1)
            await note_async.with_options(connection=session).enqueue_many(["gone"])
            await session.rollback()
        scoped = async_scoped_session(maker, scopefunc=lambda: 1)
        await note_async.with_options(connection=scoped).enqueue("scoped")
        await scoped.commit()
        await scoped.remove()
        async with engine.begin() as connection:
            await app.backend.enqueue("note_async", "connection", connection=connection)
            assert_enqueued(note_async, count=2)
        assert {task.args for task in await app.backend.queue.list()} == {"session", "scoped", "connection"}
    ran.clear()
    with eager(app):
        async with maker.begin() as session:
            handle = await note_async.with_options(connection=session).enqueue("eager")
            assert ran == []
        assert ran == ["eager"]
        assert await handle.result(1) == "eager"
        direct = await asyncpg.connect(url)
        async with direct.transaction():
            await note_async.with_options(connection=direct).enqueue("at once")
            assert ran == ["eager", "at once"]
        await direct.close()
    await engine.dispose()
