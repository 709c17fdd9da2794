"""Runs tasks when they are enqueued, and when the clock of the test is set forward."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from datetime import timedelta
from uuid import UUID

from omniq._loop import wait
from omniq.app.base import BaseApp
from omniq.app.exceptions import TaskFailed
from omniq.errors import TimeoutError
from omniq.models import ResultStatus, Task, TaskFilter, TaskResult, TaskState
from omniq.testing.clock import forward
from omniq.worker import AsyncWorker
from omniq.worker.running import RunningWorker

__all__ = ["Eager", "drain", "is_at_work"]

_MOST = 1000

_ENDED = (TaskState.COMPLETED, TaskState.DEAD)

#: The threads that run ``def`` tasks now, besides the threads of workers.
_at_work: set[int] = set()


class Eager:
    """The eager mode of an application. All methods block, and are called from any thread."""

    def __init__(self, app: BaseApp, raise_errors: bool) -> None:
        self._app, self._raises = app, raise_errors

    def enqueued(self, ids: list[UUID]) -> None:
        """Runs what is ready, among it these tasks, which have just been enqueued."""
        if is_at_work():
            # The worker that runs the caller runs them as well.
            return
        drain(self._app)
        self._check(dict.fromkeys(ids, 0))

    def advance(self, by: timedelta) -> None:
        """Sets the clock forward, and runs each task at the time at which it becomes due, or its schedule ticks."""
        queue = self._app._core.queue()
        # Blocked tasks run after those that become due.
        states = (TaskState.SCHEDULED, TaskState.BLOCKED)
        waiting = [task for state in states for task in wait(queue.list(TaskFilter(state=state, limit=_MOST)))]
        attempts = {task.id: task.attempt for task in waiting}
        for ids in forward(self._app, by, stops_for_tasks=True):
            attempts.update(dict.fromkeys(ids, 0))
            drain(self._app)
        self._check(attempts)

    def refuse_endless(self, ids: list[UUID]) -> None:
        """Refuses a wait without a timeout for tasks that nothing runs: no time passes here but by `advance`.

        Raises:
            TimeoutError: For the first of the tasks that would never end, with the reason.
        """
        if is_at_work():
            # The worker that runs the caller runs the others as well, when they become due by the machine's time.
            return
        core = self._app._core
        tasks = wait(core.queue().get_many(ids))
        ended = [id for id, task in zip(ids, tasks, strict=True) if task is None or task.state in _ENDED]
        found = wait(core.results().get_many(ended))
        results = dict(zip(ended, found, strict=True))
        for id, task in zip(ids, tasks, strict=True):
            why = _why_endless(task) if results.get(id) is None else None
            if why is not None:
                raise TimeoutError(
                    f"a wait for task {id} would never end: {why} (with a timeout it is waited for all the same, as for one"
                    " that another thread brings to its end)"
                )

    def _check(self, attempts: dict[UUID, int]) -> None:
        """Raises the failure of the first of these tasks whose last run failed, each given with its runs before."""
        if not self._raises:
            return
        core = self._app._core
        for id, before in attempts.items():
            result = wait(core.result(id))
            if result is None:
                task = wait(core.queue().get(id))
                result = None if task is None or task.attempt <= before else _failed_run(task)
            if result is not None and result.status is ResultStatus.FAILED:
                raise TaskFailed(result)


def _why_endless(task: Task | None) -> str | None:
    """Why a task without a result has none, if it will not get one by itself."""
    if task is None:
        return (
            "there is no such task; one that was enqueued with connection= is there once the transaction is committed, and one"
            " that has ended may have left no result, or one that has expired"
        )
    match task.state:
        case TaskState.RUNNING:
            # In another thread.
            return None
        case TaskState.SCHEDULED:
            failed = "" if task.error is None else f"its last run failed ({task.error.type}), and "
            return f"{failed}it is due at {task.run_at}: set the clock forward by omniq.testing.advance(app, …), which runs it"
        case TaskState.BLOCKED:
            return (
                "it is blocked, as it runs after tasks that have not ended: set the clock forward by omniq.testing.advance(app, …)"
                " if they are due later, or retry those that have failed"
            )
        case TaskState.READY:
            return (
                f"it is ready, and nothing runs it: its queue {task.queue!r} is paused, or is that of no function of the"
                " application"
            )
        case _:
            return "it has ended, and its result has expired or was deleted"


def _failed_run(task: Task) -> TaskResult | None:
    if task.error is None:
        return None
    return TaskResult(
        task.id, ResultStatus.FAILED, error=task.error, queue=task.queue, func=task.func, attempt=task.attempt
    )


def is_at_work() -> bool:
    """Whether a task runs in this thread."""
    # A call from within a task must not wait for the worker that runs the task.
    thread = threading.current_thread()
    return thread.ident in _at_work or thread.name.startswith(("omniq-eager", "omniq-task"))


def drain(app: BaseApp) -> None:
    """Runs a worker until nothing is left to claim, on an event loop in a thread of its own: one may run in this thread,
    and waits. ``def`` tasks run in this thread, unless a loop runs in it: so they see what belongs to it, such as the
    connection of Django that has the transaction of a test."""
    is_lent = asyncio._get_running_loop() is None
    begun: Future[RunningWorker] = Future()

    async def work() -> None:
        try:
            running = AsyncWorker(app, {})._begin()
        except BaseException as error:
            begun.set_exception(error)
            return
        if is_lent:
            running.expect_thread()
        begun.set_result(running)
        try:
            await running.until_stopped(until_idle=True)
        finally:
            running.close_threads()

    ended: Future[None] = Future()

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    thread = threading.Thread(target=run, name="omniq-eager")
    thread.start()
    ident = threading.get_ident()
    _at_work.add(ident)
    try:
        running = begun.result()
        if is_lent:
            running.work_here()
    finally:
        _at_work.discard(ident)
        thread.join()
    ended.result()
