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
    at_once = (lambda: core.enqueue_many(tasks)) if is_test else None
    made = core.new_tasks([] if is_test else tasks)
    # A queue alone knows no results that are kept elsewhere.
    check = (lambda: core.check_chosen(made)) if isinstance(core, _omniq.Backend) else core.connect
    return Enqueue(core, at_once, check, made.raw_enqueue)


async def enqueue_in(connection: Any, enqueue: Enqueue) -> list[UUID]:
    """Enqueues on a connection of asyncpg, psycopg or SQLAlchemy, async or blocking, or of Django."""
    core, at_once, check, raw = enqueue
    accepted = accept(connection)
    if at_once is not None:
        return await run(at_once())
    await run(check())
    place = await run(core.database_id(None))
    sql, parameters, ids = raw(place)
    refusal = await carry_out(connection, accepted, sql, parameters, place.database)
    if refusal is None:
        return ids
    # What was remembered may be from before a restart of the server.
    anew = await run(core.database_id(place))
    if anew != place:
        sql, parameters, ids = raw(anew)
        refusal = await carry_out(connection, accepted, sql, parameters, anew.database)
        if refusal is None:
            return ids
    raise refusal


def enqueue_in_sync(connection: Any, enqueue: Enqueue) -> list[UUID]:
    """Enqueues on a blocking connection of psycopg, SQLAlchemy or Django."""
    core, at_once, check, raw = enqueue
    accepted = blocking(connection, "enqueue(…) of an async application, backend or queue")
    if at_once is not None:
        return wait(at_once())
    wait(check())
    place = wait(core.database_id(None))
    sql, parameters, ids = raw(place)
    refusal = carry_out_sync(connection, accepted, sql, parameters, place.database)
    if refusal is None:
        return ids
    anew = wait(core.database_id(place))
    if anew != place:
        sql, parameters, ids = raw(anew)
        refusal = carry_out_sync(connection, accepted, sql, parameters, anew.database)
        if refusal is None:
            return ids
    raise refusal
