"""Enqueues and completes inside the user's transaction: a commit makes the change visible, a rollback undoes it.

The Rust side makes the statement and its parameters; this module sends them by the driver of the given connection. On a
connection that leads to another database than the queue's, the statement does nothing, and its answer says so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq._loop import run, wait
from omniq.app.connections import Accepted, accept, another_database, kind_of, sqlstate_of
from omniq.errors import InvalidError, OmniQError

if TYPE_CHECKING:
    from collections.abc import Callable

    from omniq import _omniq
    from omniq.app.base import BaseApp

#: The SQLSTATEs of a missing schema, table and function.
_MISSING = ("3F000", "42P01", "42883")


async def enqueue_in(
    connection: Any, app: BaseApp, template: _omniq.Template | None, written: list[bytes]
) -> list[UUID]:
    """Enqueues on a connection of asyncpg, psycopg or SQLAlchemy, async or blocking."""
    assert template is not None
    accepted = accept(connection)
    if app._is_test:
        ids = await run(template.enqueue_many(app._core, written))
        await app._enqueued(ids)
        return ids
    # The schema must exist, and no result of an earlier task with the same id.
    await run(template.check(app._core))
    place = await run(app._core.database_id(None))
    while True:
        sql, parameters, ids = template.raw_enqueue(place, written)
        refusal = await _carry_out(connection, accepted, sql, parameters, place.database)
        if refusal is None:
            return ids
        before, place = place, await run(app._core.database_id(place))
        if place == before:
            raise refusal


def enqueue_in_sync(
    connection: Any, app: BaseApp, template: _omniq.Template | None, written: list[bytes]
) -> list[UUID]:
    """Enqueues on a blocking connection of psycopg, SQLAlchemy or Django."""
    assert template is not None
    accepted = _blocking(connection, "f.enqueue(…)")
    if app._is_test:
        ids = wait(template.enqueue_many(app._core, written))
        app._enqueued_sync(ids)
        return ids
    wait(template.check(app._core))
    place = wait(app._core.database_id(None))
    while True:
        sql, parameters, ids = template.raw_enqueue(place, written)
        refusal = _carry_out_sync(connection, accepted, sql, parameters, place.database)
        if refusal is None:
            return ids
        before, place = place, wait(app._core.database_id(place))
        if place == before:
            raise refusal


async def complete_in(
    connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]], take_back: Callable[[], None]
) -> None:
    """Completes on a connection as for `enqueue_in`; calls `take_back` if the statement has done nothing."""
    accepted = accept(connection)
    sql, *parameters = await run(pending)
    refusal = await _carry_out(connection, accepted, sql, parameters, _database(parameters))
    if refusal is not None:
        # The transaction can go on. After an error of the statement it cannot, and the run's writes in it are lost.
        take_back()
        raise refusal


def complete_in_sync(
    connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]], take_back: Callable[[], None]
) -> None:
    """Completes on a connection as for `enqueue_in_sync`; calls `take_back` if the statement has done nothing."""
    accepted = _blocking(connection, "context.complete(…)")
    sql, *parameters = wait(pending)
    refusal = _carry_out_sync(connection, accepted, sql, parameters, _database(parameters))
    if refusal is not None:
        # The transaction can go on. After an error of the statement it cannot, and the run's writes in it are lost.
        take_back()
        raise refusal


def _database(parameters: list[Any]) -> str:
    database: str = json.loads(parameters[0])["database"]
    return database


def _blocking(connection: Any, call: str) -> Accepted:
    accepted = accept(connection)
    if accepted.is_async:
        raise InvalidError(f"{kind_of(connection)} is an async connection: await {call} on it")
    return accepted


async def _carry_out(
    connection: Any, accepted: Accepted, sql: str, parameters: list[Any], queue: str
) -> OmniQError | None:
    """Sends the statement; returns the error if the connection leads to another database than the queue's."""
    if not accepted.is_async:
        return _carry_out_sync(connection, accepted, sql, parameters, queue)
    try:
        database, done = await accepted.send(sql, parameters)
    except Exception as error:
        _explain(error, connection, queue)
        raise
    return None if done is not None else another_database(connection, database, queue)


def _carry_out_sync(
    connection: Any, accepted: Accepted, sql: str, parameters: list[Any], queue: str
) -> OmniQError | None:
    try:
        database, done = accepted.send(sql, parameters)
    except Exception as error:
        _explain(error, connection, queue)
        raise
    return None if done is not None else another_database(connection, database, queue)


def _explain(error: Exception, connection: Any, queue: str) -> None:
    """Raises the error for another database if the statement failed because OmniQ's tables are missing: the queue's own
    database has them."""
    if sqlstate_of(error) in _MISSING:
        raise another_database(connection, None, queue) from error
