"""Enqueues and completes inside a transaction of the user's own: a commit makes it visible, a rollback leaves nothing.

The statement and its parameters come from the Rust side; here they are handed to the driver whose connection was given.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq._loop import run, wait
from omniq.errors import OmniQError

if TYPE_CHECKING:
    from omniq import _omniq
    from omniq.app.base import BaseApp

#: A quoted name (it may hold anything), or a place.
_PLACE = re.compile(r'("(?:[^"]|"")*")|\$(\d+)')


async def enqueue(connection: Any, app: BaseApp, template: _omniq.Template | None, written: list[bytes]) -> list[UUID]:
    """On a connection of asyncpg, psycopg or SQLAlchemy, async or blocking."""
    assert template is not None
    # The schema must be there, and no result of an earlier task with the same id.
    await run(template.check(app._core))
    sql, parameters, ids = template.elsewhere(app.settings._core, written)
    await _carry_out(connection, sql, parameters)
    return ids


async def complete(connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]]) -> None:
    """On a connection as for `enqueue`."""
    sql, *parameters = await run(pending)
    await _carry_out(connection, sql, parameters)


def complete_sync(connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]]) -> None:
    """On a connection as for `enqueue_sync`."""
    sql, *parameters = wait(pending)
    _carry_out_sync(connection, sql, parameters, "context.complete(…)")


async def _carry_out(connection: Any, sql: str, parameters: list[Any]) -> None:
    answer = _send(connection, sql, parameters)
    if inspect.isawaitable(answer):
        await answer


def _carry_out_sync(connection: Any, sql: str, parameters: list[Any], call: str) -> None:
    answer = _send(connection, sql, parameters)
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise OmniQError(f"{_kind(connection)} is an async connection: await {call} on it", "invalid")


def enqueue_sync(connection: Any, app: BaseApp, template: _omniq.Template | None, written: list[bytes]) -> list[UUID]:
    """On a blocking connection of psycopg, SQLAlchemy or Django."""
    assert template is not None
    wait(template.check(app._core))
    sql, parameters, ids = template.elsewhere(app.settings._core, written)
    _carry_out_sync(connection, sql, parameters, "f.enqueue(…)")
    return ids


def _send(connection: Any, sql: str, parameters: list[Any]) -> Any:
    """Begins the statement on the connection; gives what is to be awaited, if it is an async one."""
    modules = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
    if "asyncpg" in modules:
        return connection.fetch(sql, *parameters)
    if "psycopg" in modules or "psycopg2" in modules:
        placed = _percent(sql)
        if "psycopg" in modules or hasattr(connection, "connection"):
            # A connection, or a cursor of either.
            return connection.execute(placed, parameters)
        with connection.cursor() as cursor:
            cursor.execute(placed, parameters)
        return None
    if "sqlalchemy" in modules or "sqlmodel" in modules:
        import sqlalchemy

        named = {f"p{place}": value for place, value in enumerate(parameters, 1)}
        return connection.execute(sqlalchemy.text(_colon(sql)), named)
    if "django" in modules:
        with connection.cursor() as cursor:
            cursor.execute(_percent(sql), parameters)
        return None
    known = "asyncpg, psycopg, SQLAlchemy (Session, AsyncSession, Connection, AsyncConnection) or Django"
    raise OmniQError(f"connection = {_kind(connection)} is refused: give one of {known}", "invalid")


def _percent(sql: str) -> str:
    """With ``%s`` for each place, as psycopg and Django have it."""
    return _PLACE.sub(lambda found: "%s" if found[2] else found[1], sql.replace("%", "%%"))


def _colon(sql: str) -> str:
    """With ``:p1`` and so on, as SQLAlchemy has it."""
    return _PLACE.sub(lambda found: f":p{found[2]}" if found[2] else found[1].replace(":", "\\:"), sql)


def _kind(connection: Any) -> str:
    kind = type(connection)
    return f"{kind.__module__}.{kind.__qualname__}"
