"""Sends statements on the user's connection, and completes tasks there: a commit makes the change visible, a rollback
undoes it.

The Rust side makes the statement and its parameters; this module sends them by the driver of the given connection. On a
connection that leads to another database than the queue's, the statement does nothing, and its answer says so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from omniq._loop import run, wait
from omniq.errors import InvalidError, OmniQError
from omniq.transaction.connections import Accepted, accept, another_database, kind_of, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from omniq import _omniq

#: The SQLSTATEs of a missing schema, table and function.
_MISSING = ("3F000", "42P01", "42883")


async def complete_in(
    connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]], take_back: Callable[[], None]
) -> None:
    """Completes on a connection as for `enqueue_in`; calls `take_back` if the statement has done nothing."""
    accepted = accept(connection)
    sql, *parameters = await run(pending)
    refusal = await carry_out(connection, accepted, sql, parameters, _database(parameters))
    if refusal is not None:
        # The transaction can go on. After an error of the statement it cannot, and the run's writes in it are lost.
        take_back()
        raise refusal


def complete_in_sync(
    connection: Any, pending: _omniq.Pending[tuple[str, str, bytes | None]], take_back: Callable[[], None]
) -> None:
    """Completes on a connection as for `enqueue_in_sync`; calls `take_back` if the statement has done nothing."""
    accepted = blocking(connection, "context.complete(…) of an async def task")
    sql, *parameters = wait(pending)
    refusal = carry_out_sync(connection, accepted, sql, parameters, _database(parameters))
    if refusal is not None:
        # The transaction can go on. After an error of the statement it cannot, and the run's writes in it are lost.
        take_back()
        raise refusal


def _database(parameters: list[Any]) -> str:
    database: str = json.loads(parameters[0])["database"]
    return database


def blocking(connection: Any, call: str) -> Accepted:
    """Accepts a blocking connection. `call` takes an async one, as the message says."""
    accepted = accept(connection)
    if accepted.is_async:
        raise InvalidError(f"{kind_of(connection)} is an async connection: give it to {call}, and await the call")
    return accepted


async def carry_out(
    connection: Any, accepted: Accepted, sql: str, parameters: list[Any], queue: str
) -> OmniQError | None:
    """Sends the statement; returns the error if the connection leads to another database than the queue's."""
    if not accepted.is_async:
        return carry_out_sync(connection, accepted, sql, parameters, queue)
    try:
        database, done = await accepted.send(sql, parameters)
    except Exception as error:
        _explain(error, connection, queue)
        raise
    return None if done is not None else another_database(connection, database, queue)


def carry_out_sync(
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
