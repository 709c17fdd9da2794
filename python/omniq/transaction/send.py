"""Sends statements of the Rust side on the user's connection: a commit makes the change visible, a rollback undoes it.

The Rust side makes a statement; this module sends it by the driver of the given connection. On a connection that leads to
another database than the right one, the statement does nothing, and its answer says so. Each function that awaits has a
blocking form with the suffix ``_sync``, for blocking connections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast
from uuid import UUID

from omniq._loop import run, wait
from omniq.errors import InvalidError
from omniq.models.unique import Enqueued, EnqueuedId, EnqueuedKind
from omniq.transaction.connections import Accepted, accept, another_database, is_in_function, kind_of, sqlstate_of

if TYPE_CHECKING:
    from omniq._omniq import Backend, Memory, NewTasks, Pending, Queue, _RawStatement

#: The SQLSTATEs of a missing schema, table and function.
_MISSING = ("3F000", "42P01", "42883")


class Statement(NamedTuple):
    """A statement of the Rust side."""

    sql: str
    #: The parameters ``$1`` and ``$2``.
    record: str
    values: list[bytes | None]
    #: The database that the connection must lead to: its name, when its server was started, and the schema.
    database: tuple[str, str, str]
    #: What the verb returns after the statement: the ids of new tasks, the states of failed ones.
    returns: Any

    def done(self, connection: Any, name: str, done: list[str] | None) -> list[str]:
        """The answer; an error if the connection leads elsewhere."""
        if done is None:
            raise another_database(connection, name, self.database[0])
        return done


class Answer(NamedTuple):
    """What became of a statement."""

    #: Whether each task was held, for a settlement.
    done: list[bool]
    returns: Any


class InTest(Protocol):
    """What stands for the user's transactions while a test keeps everything in memory: nothing is sent on a connection."""

    #: The tasks, results and events.
    memory: Memory

    async def enqueue(self, connection: Any, tasks: NewTasks) -> list[UUID]:
        """Adds the tasks when the connection's transaction is committed."""
        ...

    def enqueue_sync(self, connection: Any, tasks: NewTasks) -> list[UUID]:
        """As `enqueue`, blocking."""
        ...

    def after_commit(self, connection: Any, work: Callable[[], None]) -> None:
        """Calls `work` when the connection's transaction is committed."""
        ...


async def is_inside(connection: Any, test: InTest | None) -> bool:
    """Whether a call goes to the user's connection. Not if there is none, and not in a test: then the connection is only
    looked at."""
    if connection is not None:
        accept(connection)
    return connection is not None and test is None


def is_inside_sync(connection: Any, test: InTest | None) -> bool:
    if connection is not None:
        blocking(connection)
    return connection is not None and test is None


async def execute_in(
    connection: Any, pending: Pending[_RawStatement], take_back: Callable[[], None] | None = None
) -> Answer:
    """Executes a statement on a connection of asyncpg, psycopg or SQLAlchemy, async or blocking, or of Django. Calls
    `take_back` if the connection leads elsewhere: then nothing was done, and the transaction can go on."""
    accepted = accept(connection)
    statement = Statement(*await run(pending))
    name, done = await _send(connection, accepted, statement)
    if done is None and take_back is not None:
        take_back()
    return Answer([held == "true" for held in statement.done(connection, name, done)], statement.returns)


def execute_in_sync(
    connection: Any, pending: Pending[_RawStatement], take_back: Callable[[], None] | None = None
) -> Answer:
    accepted = blocking(connection)
    statement = Statement(*wait(pending))
    name, done = _send_sync(connection, accepted, statement)
    if done is None and take_back is not None:
        take_back()
    return Answer([held == "true" for held in statement.done(connection, name, done)], statement.returns)


async def enqueue_in(connection: Any, core: Backend | Queue, tasks: NewTasks, test: InTest | None) -> list[UUID]:
    """Enqueues on a connection, as for `execute_in`; in a test in memory, when its transaction is committed."""
    accepted = accept(connection)
    if test is not None:
        return await test.enqueue(connection, tasks)
    statement = Statement(*await run(core.enqueue_statement(tasks, None)))
    name, done = await _send(connection, accepted, statement)
    if done is None:
        # What is remembered of the database may be from before a restart of its server.
        anew = Statement(*await run(core.enqueue_statement(tasks, statement.database)))
        if anew.database != statement.database:
            statement = anew
            name, done = await _send(connection, accepted, statement)
    return enqueued(statement.returns, statement.done(connection, name, done))


def enqueue_in_sync(connection: Any, core: Backend | Queue, tasks: NewTasks, test: InTest | None) -> list[UUID]:
    accepted = blocking(connection)
    if test is not None:
        return test.enqueue_sync(connection, tasks)
    statement = Statement(*wait(core.enqueue_statement(tasks, None)))
    name, done = _send_sync(connection, accepted, statement)
    if done is None:
        anew = Statement(*wait(core.enqueue_statement(tasks, statement.database)))
        if anew.database != statement.database:
            statement = anew
            name, done = _send_sync(connection, accepted, statement)
    return enqueued(statement.returns, statement.done(connection, name, done))


def enqueued(ids: list[UUID], answer: list[str]) -> list[UUID]:
    """The ids of the tasks that were added, or that hold the keys: `answer` is empty if all were added, else for each ``new``,
    or its kind and the id of the task that holds the key."""
    if not answer:
        return ids
    read = []
    for id, text in zip(ids, answer, strict=True):
        kind, _, holder = text.partition(" ")
        read.append(EnqueuedId(Enqueued(UUID(holder) if holder else id, cast(EnqueuedKind, kind))))
    return cast("list[UUID]", read)


def blocking(connection: Any) -> Accepted:
    """Accepts a blocking connection."""
    accepted = accept(connection)
    if accepted.is_async:
        raise InvalidError(
            f"{kind_of(connection)} is an async connection: give it to a verb of an async application, backend, queue or"
            " storage, or in an async def task, and await the call"
        )
    return accepted


async def _send(connection: Any, accepted: Accepted, statement: Statement) -> tuple[str, list[str] | None]:
    if not accepted.is_async:
        return _send_sync(connection, accepted, statement)
    try:
        name, done = await accepted.send(statement.sql, [statement.record, statement.values])
    except Exception as error:
        _explain(error, connection, statement.database[0])
        raise
    return name, done


def _send_sync(connection: Any, accepted: Accepted, statement: Statement) -> tuple[str, list[str] | None]:
    try:
        name, done = accepted.send(statement.sql, [statement.record, statement.values])
    except Exception as error:
        _explain(error, connection, statement.database[0])
        raise
    return name, done


def _explain(error: Exception, connection: Any, database: str) -> None:
    """Raises the error for another database if the statement failed because OmniQ's functions are missing: the right
    database has them. What one of these functions lacks is no sign of another database."""
    if sqlstate_of(error) in _MISSING and not is_in_function(error):
        raise another_database(connection, None, database) from error
