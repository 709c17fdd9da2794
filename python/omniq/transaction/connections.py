"""The user's connections in which tasks can be enqueued and completed: which are accepted, and how a statement is sent.

Only an object with one transaction is accepted. A pool may run each statement on another connection, and a cursor holds
the answer of another statement.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from omniq.errors import InvalidError, OmniQError
from omniq.transaction.statement import colon, percent

#: The first row of a statement's answer.
Row = tuple[Any, ...]


class Accepted(NamedTuple):
    """A connection that was accepted."""

    is_async: bool
    #: Executes a statement and returns its first row; with an async connection, an awaitable of the row.
    send: Callable[[str, list[Any]], Any]


def accept(connection: Any) -> Accepted:
    """Accepts a connection: finds how statements are sent on it.

    Raises:
        InvalidError: For any other object than an open connection or session, with the remedy.
    """
    modules = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
    for module, accept_as in _ACCEPT.items():
        if module in modules:
            accepted = accept_as(connection)
            if accepted is not None:
                return accepted
    raise InvalidError(f"connection = {kind_of(connection)} is refused: {_remedy(connection, modules)}")


def kind_of(connection: Any) -> str:
    """The name of a connection's class, for messages."""
    kind = type(connection)
    return f"{kind.__module__}.{kind.__qualname__}"


def _remedy(connection: Any, modules: set[str]) -> str:
    name = type(connection).__name__
    inside = "begin a transaction on it, and give that connection"
    if name.endswith("Pool"):
        return f"each statement of a pool has another connection, outside of your transaction. Acquire one, {inside}"
    if "Cursor" in name or name == "cursor":
        return "a cursor has answers of its own to keep. Give the connection that it is of"
    if "sqlalchemy" in modules:
        if name.endswith("Engine") or name.endswith("sessionmaker"):
            return "it opens connections, and is none. Give the Session or Connection that your transaction is on"
        return (
            "it is none that SQLAlchemy executes on. Give the Session, AsyncSession, Connection or AsyncConnection that your"
            " transaction is on"
        )
    if "django" in modules:
        return "give django.db.connection, or one of django.db.connections, on PostgreSQL"
    return (
        "give an open connection of asyncpg or psycopg, SQLAlchemy's Session, AsyncSession, Connection or AsyncConnection, or"
        " Django's connection"
    )


def _asyncpg(connection: Any) -> Accepted | None:
    import asyncpg.pool

    if not isinstance(connection, (asyncpg.Connection, asyncpg.pool.PoolConnectionProxy)):
        return None

    async def send(sql: str, parameters: list[Any]) -> Row:
        return cast(Row, await connection.fetchrow(sql, *parameters))

    return Accepted(True, send)


def _psycopg(connection: Any) -> Accepted | None:
    import psycopg
    from psycopg.rows import tuple_row

    # Cursors of a fixed class, because the user's cursor class may take other placeholders.

    if isinstance(connection, psycopg.AsyncConnection):

        async def send_async(sql: str, parameters: list[Any]) -> Row | None:
            async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
                return await (await cursor.execute(*percent(sql, parameters))).fetchone()

        return Accepted(True, send_async)
    if isinstance(connection, psycopg.Connection):

        def send(sql: str, parameters: list[Any]) -> Row | None:
            with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
                return cursor.execute(*percent(sql, parameters)).fetchone()

        return Accepted(False, send)
    return None


def _psycopg2(connection: Any) -> Accepted | None:
    import psycopg2.extensions

    if not isinstance(connection, psycopg2.extensions.connection):
        return None

    def send(sql: str, parameters: list[Any]) -> Row:
        with connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
            cursor.execute(*percent(sql, parameters))
            return cast(Row, cursor.fetchone())

    return Accepted(False, send)


def _sqlalchemy(connection: Any) -> Accepted | None:
    import sqlalchemy.engine
    import sqlalchemy.ext.asyncio
    import sqlalchemy.orm

    asynchronous = (
        sqlalchemy.ext.asyncio.AsyncSession,
        sqlalchemy.ext.asyncio.async_scoped_session,
        sqlalchemy.ext.asyncio.AsyncConnection,
    )
    blocking = (sqlalchemy.orm.Session, sqlalchemy.orm.scoped_session, sqlalchemy.engine.Connection)
    if not isinstance(connection, (*asynchronous, *blocking)):
        return None
    of_session = getattr(connection, "get_bind", None)
    bind: Any = connection if of_session is None else of_session()
    if bind.dialect.name != "postgresql":
        raise InvalidError(
            f"connection = {kind_of(connection)} leads to {bind.dialect.name}: give one to the queue's database, on PostgreSQL",
        )

    def statement(sql: str, parameters: list[Any]) -> tuple[Any, dict[str, Any]]:
        text, named = colon(sql, parameters)
        return sqlalchemy.text(text), named

    if isinstance(connection, asynchronous):

        async def send_async(sql: str, parameters: list[Any]) -> Row:
            answer = await connection.execute(*statement(sql, parameters))
            return cast(Row, answer.one())

        return Accepted(True, send_async)

    def send(sql: str, parameters: list[Any]) -> Row:
        return cast(Row, connection.execute(*statement(sql, parameters)).one())

    return Accepted(False, send)


def _django(connection: Any) -> Accepted | None:
    vendor = getattr(connection, "vendor", None)
    if vendor is None or not hasattr(connection, "settings_dict"):
        return None
    if vendor != "postgresql":
        raise InvalidError(
            f"connection {connection.alias!r} of Django leads to {vendor}: give one to the queue's database, on PostgreSQL",
        )

    def send(sql: str, parameters: list[Any]) -> Row:
        with connection.cursor() as cursor:
            cursor.execute(*percent(sql, parameters))
            row: Row = cursor.fetchone()
            return row

    return Accepted(False, send)


#: The functions that accept connections, by the package that defines the connection's class or one of its bases.
_ACCEPT: dict[str, Callable[[Any], Accepted | None]] = {
    "asyncpg": _asyncpg,
    "psycopg": _psycopg,
    "psycopg2": _psycopg2,
    "sqlalchemy": _sqlalchemy,
    "django": _django,
}


def sqlstate_of(error: BaseException | None) -> str | None:
    """The SQLSTATE that the server reported, from an error of any of the drivers; ``None`` if there is none."""
    while error is not None:
        for holder in (error, getattr(error, "orig", None)):
            code = getattr(holder, "sqlstate", None) or getattr(holder, "pgcode", None)
            if code:
                return str(code)
        error = error.__cause__
    return None


def is_in_function(error: BaseException | None) -> bool:
    """Whether the server's report names a function in which the error was raised."""
    while error is not None:
        for holder in (error, getattr(error, "orig", None)):
            if getattr(holder, "context", None) or getattr(getattr(holder, "diag", None), "context", None):
                return True
        error = error.__cause__
    return False


def another_database(connection: Any, leads_to: str | None, right: str) -> OmniQError:
    """The error for a connection that leads to another database than the `right` one. `leads_to`: the database's name;
    ``None``: a database without OmniQ's tables."""
    if leads_to is None:
        where = "to a database without the tables of OmniQ"
    else:
        where = f"to database {leads_to!r}" + (" of another server" if leads_to == right else "")
    message = f"connection = {kind_of(connection)} leads {where}, and OmniQ's tables are in database {right!r}"
    message += ": give a connection to that database; nothing was written"
    if hasattr(connection, "settings_dict") and "django.test" in sys.modules:
        message += (
            ". Django's tests have a database of their own: put the application there by"
            " omniq.testing.on_database(app, connection), or in memory by omniq.testing.in_memory(app)"
        )
    return InvalidError(message)
