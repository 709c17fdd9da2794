"""Context managers that change for a while where an application keeps its tasks, or when they run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID, uuid4

from omniq._loop import run, wait
from omniq.app.base import BaseApp
from omniq.app.exceptions import TaskFailed
from omniq.models import ResultStatus, TaskResult
from omniq.settings import Settings
from omniq.testing.places import drop, url_of
from omniq.worker import AsyncWorker

A = TypeVar("A", bound=BaseApp)

__all__ = ["eager", "in_memory", "on_database"]


@contextmanager
def _as(app: A, settings: Settings, after: Callable[[], None] = lambda: None, *, is_test: bool = False) -> Iterator[A]:
    """Gives the application these settings within the block, and restores its former state afterwards."""
    with app._lock:
        before = (app.settings, app._parts, app._opened, app._is_test)
        app.settings, app._parts, app._opened, app._is_test = settings, {}, None, is_test
    try:
        yield app
    finally:
        with app._lock:
            opened = app._opened
            app.settings, app._parts, app._opened, app._is_test = before
        if opened is not None:
            wait(opened._core.close())
        after()


@contextmanager
def in_memory(app: A) -> Iterator[A]:
    """Keeps tasks, results and events in the memory of this process: no database is needed.

    Tasks that are enqueued with ``connection=`` are added to memory too, and at once: nothing is sent on the
    connection, and its rollback does not remove them.

    >>> with in_memory(app):  # doctest: +SKIP
    ...     greet.enqueue_sync("Ann")
    ...     assert_enqueued(greet, "Ann")
    """
    with _as(app, app.settings.over(tasks="memory", results="memory", events="memory"), is_test=True) as app:
        yield app


@contextmanager
def on_database(app: A, database: Any, schema: str | None = None, **options: Any) -> Iterator[A]:
    """Keeps tasks, results and events in a new schema of this database, which is dropped at the end. Results and events
    are on.

    A transaction of the test may have used the schema and still be open at the end, as within Django's `TestCase`,
    which rolls back later. The end does not wait for it: the schema is dropped after that transaction, at the latest
    when the program ends.

    Args:
        database: The URL of the database, or a connection of Django, whose database is used:
            ``on_database(app, connection)``.
        schema: The schema's name. Default: a new one.
        options: Further settings, such as ``events="off"``.
    """
    url = url_of(database) if hasattr(database, "settings_dict") else database
    name = schema or f"omniq_test_{uuid4().hex[:16]}"
    places = {"tasks": "postgres", "results": "postgres", "events": "postgres"}
    given: Any = {**places, "url": url, "schema": name, **options}
    settings = app.settings.over(**given)
    with _as(app, settings, lambda: drop(settings)) as app:
        yield app


@contextmanager
def eager(app: A, *, raise_errors: bool = True) -> Iterator[A]:
    """Keeps everything in memory, as `in_memory`; a worker runs each task before its ``enqueue`` returns.

    Tasks that are enqueued by tasks run too. Tasks with a delay do not run, nor do retries after a wait.

    Args:
        raise_errors: Whether ``enqueue`` raises `TaskFailed` for a task that fails at its first run. Default: true.
    """

    def check(found: list[TaskResult | None]) -> None:
        for result in found:
            if raise_errors and result is not None and result.status is ResultStatus.FAILED:
                raise TaskFailed(result)

    def failed_once(ids: list[UUID], tasks: list[Any]) -> list[TaskResult | None]:
        return [
            TaskResult(
                id, ResultStatus.FAILED, error=task.error, queue=task.queue, func=task.func, attempt=task.attempt
            )
            for id, task in zip(ids, tasks, strict=True)
            if task is not None and task.error is not None
        ]

    def drain() -> None:
        # On a new loop in a new thread, because the caller's loop waits for it.
        thread = threading.Thread(target=lambda: asyncio.run(_drain(app)), name="omniq-eager")
        thread.start()
        thread.join()

    def enqueued_sync(ids: list[UUID]) -> None:
        if _inside_worker():
            return
        drain()
        core = app._core
        check([wait(core.result(id)) for id in ids])
        check(failed_once(ids, [wait(core.queue().get(id)) for id in ids]))

    async def enqueued(ids: list[UUID]) -> None:
        if _inside_worker():
            return
        await asyncio.to_thread(drain)
        core = app._core
        check([await run(core.result(id)) for id in ids])
        check(failed_once(ids, [await run(core.queue().get(id)) for id in ids]))

    with in_memory(app) as app:
        app._is_eager, app._enqueued, app._enqueued_sync = True, enqueued, enqueued_sync  # type: ignore[method-assign]
        try:
            yield app
        finally:
            app._is_eager = False
            del app._enqueued, app._enqueued_sync


def _inside_worker() -> bool:
    # An enqueue from within a task must not wait for the worker that runs the task.
    return threading.current_thread().name.startswith(("omniq-eager", "omniq-task"))


async def _drain(app: BaseApp) -> None:
    await AsyncWorker(app, {}).run_until_idle()
