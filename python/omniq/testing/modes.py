"""Context managers that change for a while where an application keeps its tasks, or when they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, overload
from uuid import UUID, uuid4

from omniq._checks import a_span, an
from omniq._loop import wait
from omniq.app import AsyncOmniQ, OmniQ
from omniq.app.base import BaseApp
from omniq.errors import ConfigError
from omniq.settings import Settings
from omniq.testing.clock import declare, forward
from omniq.testing.eager import Eager, is_at_work
from omniq.testing.memory import InMemory
from omniq.testing.places import drop, url_of

A = TypeVar("A", bound=BaseApp)

_APP = "give the AsyncOmniQ or OmniQ itself"

__all__ = ["advance", "eager", "in_memory", "on_database"]


@contextmanager
def _as(app: A, settings: Settings, after: Callable[[], None], test: InMemory | None = None) -> Iterator[A]:
    """Gives the application these settings within the block, and restores its former state afterwards."""
    with app._lock:
        before = (app.settings, app._parts, app._opened, app._test)
        app.settings, app._parts, app._opened, app._test = settings, {}, None, test
    try:
        yield app
    finally:
        with app._lock:
            opened = app._opened
            app.settings, app._parts, app._opened, app._test = before
        try:
            if opened is not None:
                wait(opened._core.close())
        finally:
            after()


@contextmanager
def in_memory(app: A) -> Iterator[A]:
    """Keeps tasks, results and events in the memory of this process: no database is needed.

    Tasks that are enqueued with ``connection=`` are added to memory too, and nothing is sent on the connection. They appear
    once its transaction is committed, and never if it is rolled back, also to a savepoint: with Django, and with SQLAlchemy's
    sessions and connections. The drivers asyncpg, psycopg and psycopg2 tell nobody of a commit: there the task is added at
    once. Other verbs with ``connection=``, such as ``complete``, take effect at once too.

    Tasks, results and events last until the end of the block, also if the application is closed in between. The schedules
    in the application's code are saved at its begin. `advance` sets the clock forward, by which they tick.

    >>> with in_memory(app):  # doctest: +SKIP
    ...     greet.enqueue_sync("Ann")
    ...     assert_enqueued(greet, "Ann")
    """
    an(app, BaseApp, "app", _APP)
    settings = app.settings.over(tasks="memory", results="memory", events="memory")
    test = InMemory(app, settings.max_payload, lambda ids: app._enqueued_sync(ids))
    with _as(app, settings, test.close, test) as app:
        declare(app)
        yield app


@contextmanager
def on_database(app: A, database: Any, schema: str | None = None, **options: Any) -> Iterator[A]:
    """Keeps tasks, results and events in a new schema of this database, which is dropped at the end. Results and events
    are on.

    A transaction of the test may have used the schema and still be open at the end, as within Django's `TestCase`,
    which rolls back later. The end does not wait for it: the schema is dropped after that transaction, at the latest
    when the program ends, which waits for at most five seconds, and then says who holds the schema.

    Args:
        database: The URL of the database; or a connection of Django or an engine of SQLAlchemy, whose database is used:
            ``on_database(app, connection)``.
        schema: The schema's name. Default: a new one.
        options: Further settings, such as ``events="off"``.
    """
    an(app, BaseApp, "app", _APP)
    name = schema or f"omniq_test_{uuid4().hex[:16]}"
    places = {"tasks": "postgres", "results": "postgres", "events": "postgres"}
    given: Any = {**places, "url": url_of(database), "schema": name, **options}
    settings = app.settings.over(**given)
    with _as(app, settings, lambda: drop(settings)) as app:
        yield app


@contextmanager
def eager(app: A, *, raise_errors: bool = True) -> Iterator[A]:
    """Keeps everything in memory, as `in_memory`; a worker runs each task before its ``enqueue`` returns.

    Tasks that are enqueued by tasks run too. ``def`` tasks run in the thread of the call, so within Django's `TestCase`
    they see what the test has written. A task with a delay, and a retry after its backoff, run once `advance` has set the
    clock forward. A task that was enqueued with ``connection=`` runs once the transaction is committed.

    Args:
        raise_errors: Whether ``enqueue`` and `advance` raise `TaskFailed` for a task whose last run failed, also if a
            retry follows. Default: true.
    """
    an(app, BaseApp, "app", _APP)
    mode = Eager(app, raise_errors)

    async def enqueued(ids: list[UUID]) -> None:
        await asyncio.to_thread(mode.enqueued, ids)

    with in_memory(app) as app:
        app._eager, app._enqueued, app._enqueued_sync = mode, enqueued, mode.enqueued  # type: ignore[method-assign]
        try:
            yield app
        finally:
            app._eager = None
            del app._enqueued, app._enqueued_sync


@overload
def advance(
    app: AsyncOmniQ,
    by: timedelta | None = None,
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
) -> Coroutine[Any, Any, None]: ...
@overload
def advance(
    app: OmniQ,
    by: timedelta | None = None,
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
) -> None: ...
def advance(
    app: Any,
    by: timedelta | None = None,
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
) -> Any:
    """Sets the clock of an application forward that is in memory: ``advance(app, hours=2)`` for an `OmniQ`, ``await
    advance(app, hours=2)`` for an `AsyncOmniQ`.

    By this clock tasks become due and expire, results expire, and schedules tick: those that were saved, and those in the
    application's code, without a worker. Each tick enqueues its task at its time; in the mode `eager` it runs then. The clock
    stops for the first 1000 times of ticks. Those that are left are missed when it has reached its end, as in a time without
    workers, and the schedule's rule for missed ticks says what becomes of them.

    In the mode `eager` all that becomes due runs, each task at its time, in the order of the times: a task that fails is
    retried after its backoff, as often as the span allows. In the mode `in_memory` the tasks are ready afterwards, and
    ``app.drain()`` runs them. Timeouts of runs, and the time that tasks themselves see, are the machine's.

    Args:
        app: The application, within `in_memory` or `eager`.
        by: The span. Default: the sum of the others.
        days, hours, minutes, seconds: The parts of the span. Default: 0.

    Raises:
        ConfigError: For an application that is not in memory, and within a task.
        InvalidError: For a span that is negative.
        TaskFailed: As `eager` says, after all that is due has run.
    """
    an(app, BaseApp, "app", _APP)
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds) + (by or timedelta())
    a_span(span, "the span of advance")
    if app._test is None:
        raise ConfigError(f"the clock of {app} is the database's: use advance within in_memory(app) or eager(app)")
    if is_at_work():
        raise ConfigError("advance was called by a task: only the test itself sets the clock forward")
    move = partial(_tick, app, span) if app._eager is None else partial(app._eager.advance, span)
    return asyncio.to_thread(move) if isinstance(app, AsyncOmniQ) else move()


def _tick(app: BaseApp, by: timedelta) -> None:
    """Sets the clock forward, and leaves what becomes due to ``drain`` and workers."""
    for _ in forward(app, by, stops_for_tasks=False):
        pass
