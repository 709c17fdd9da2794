"""Enqueues inside the user's transaction: a commit makes the tasks visible, a rollback leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from omniq import _omniq
from omniq._loop import run, wait
from omniq.transaction.connections import accept
from omniq.transaction.send import blocking, carry_out, carry_out_sync

if TYPE_CHECKING:
    from omniq.models import NewTask


class Enqueue(NamedTuple):
    """An enqueue that is to be sent on the user's connection."""

    core: _omniq.Backend | _omniq.Queue
    #: Adds the tasks without the connection. Set if everything is in memory for a test.
    at_once: Callable[[], _omniq.Pending[list[UUID]]] | None
    #: Refuses what only the backend can see, before anything is sent, and opens the backend.
    check: Callable[[], _omniq.Pending[None]]
    #: The statement for the queue in this database, its parameters, and the ids of its tasks.
    raw: Callable[[_omniq.DatabaseId], tuple[str, list[Any], list[UUID]]]


def of_tasks(core: _omniq.Backend | _omniq.Queue, tasks: Sequence[NewTask], is_test: bool) -> Enqueue:
    """The enqueue of these tasks; `is_test`: everything is in memory for a test."""
    return Enqueue(
        core,
        (lambda: core.enqueue_many(tasks)) if is_test else None,
        # A queue alone knows no results that are kept elsewhere.
        (lambda: core.check_chosen(tasks)) if isinstance(core, _omniq.Backend) else core.connect,
        lambda place: core.raw_enqueue(place, tasks),
    )


async def enqueue_in(connection: Any, enqueue: Enqueue) -> list[UUID]:
    """Enqueues on a connection of asyncpg, psycopg or SQLAlchemy, async or blocking, or of Django."""
    core, at_once, check, raw = enqueue
    accepted = accept(connection)
    if at_once is not None:
        return await run(at_once())
    await run(check())
    place = await run(core.database_id(None))
    while True:
        sql, parameters, ids = raw(place)
        refusal = await carry_out(connection, accepted, sql, parameters, place.database)
        if refusal is None:
            return ids
        # What is remembered may be from before a restart of the server.
        before, place = place, await run(core.database_id(place))
        if place == before:
            raise refusal


def enqueue_in_sync(connection: Any, enqueue: Enqueue) -> list[UUID]:
    """Enqueues on a blocking connection of psycopg, SQLAlchemy or Django."""
    core, at_once, check, raw = enqueue
    accepted = blocking(connection, "enqueue of an async application, backend or queue")
    if at_once is not None:
        return wait(at_once())
    wait(check())
    place = wait(core.database_id(None))
    while True:
        sql, parameters, ids = raw(place)
        refusal = carry_out_sync(connection, accepted, sql, parameters, place.database)
        if refusal is None:
            return ids
        before, place = place, wait(core.database_id(place))
        if place == before:
            raise refusal
