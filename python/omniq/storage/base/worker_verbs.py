"""The part of the task queue's interface that workers call, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_number, a_span, texts
from omniq._loop import run
from omniq.models import Settled, Settlement, Task, TaskError, TaskState
from omniq.storage._checks import a_task, failures, held_tasks
from omniq.storage.common import AsyncStorage

__all__ = ["AsyncWorkerVerbs"]


class AsyncWorkerVerbs(AsyncStorage):
    """The verbs of workers. Programs can call those that claim a task and end its run; the Rust worker calls the others.
    A custom queue must implement the abstract ones, which are marked as required.
    """

    @cached_property
    def _core(self) -> _omniq.Queue:
        # Two threads may come here at once, and must have the same handle.
        core: _omniq.Queue = vars(self).setdefault("_core", _omniq.Queue.custom(self, True, "json", False))
        return core

    async def dequeue(
        self,
        queues: str | Iterable[str] = "default",
        *,
        timeout: float | timedelta = 0,
        funcs: Iterable[str] | None = None,
    ) -> Task | None:
        """Claims the next task: by queue in the order given, then priority (higher first), then first in, first out.

        At the first call the queue object registers as a worker. A heartbeat in the background extends its lease until
        the object is closed, which releases the tasks that are not settled by then. After a crash a task returns once
        the lease has ended (by default 10 seconds) and its loss is detected; the attempt counts.

        Args:
            queues: One queue or several; the first is served first. Default: ``"default"``.
            timeout: How long to wait for a task, in seconds or as `timedelta`. Default: no wait.
            funcs: Only tasks of these functions. Default: any.

        Returns:
            The task, or ``None`` if there was none. Settle it by `complete`, `fail` or another verb.
        """
        return await run(
            self._core.dequeue(
                texts(queues, "queues"), a_span(timeout, "timeout"), None if funcs is None else texts(funcs, "funcs")
            )
        )

    async def dequeue_many(
        self,
        queues: str | Iterable[str] = "default",
        *,
        limit: int,
        timeout: float | timedelta = 0,
        funcs: Iterable[str] | None = None,
    ) -> builtins.list[Task]:
        """Claims up to `limit` tasks, as `dequeue` does.

        Args:
            queues: As for `dequeue`.
            limit: The most tasks to claim, 1 to 10,000.
            timeout: How long to wait for the first task, in seconds or as `timedelta`. Default: no wait.
            funcs: As for `dequeue`.

        Returns:
            The tasks; an empty list if there was none.
        """
        return await run(
            self._core.dequeue_many(
                texts(queues, "queues"),
                a_number(limit, "limit", 1, 10_000),
                a_span(timeout, "timeout"),
                None if funcs is None else texts(funcs, "funcs"),
            )
        )

    async def cancel_requested(self, task: Task) -> bool:
        """Whether a user has asked to stop this task, which a dequeue of this queue object has given: then end it, by
        `discard` or by a settlement ``cancel``. A run that completes all the same counts.

        The heartbeat tells of it, three times in the span of the lease (by default each 3.3 seconds); no statement is
        sent, so a long run can ask often.

        Raises:
            ClaimLostError: If this object does not hold the task (any more).
        """
        return await run(self._core.cancel_requested(a_task(task)))

    async def complete(self, task: Task) -> None:
        """Reports success: the task leaves the queue.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        await run(self._core.complete(a_task(task)))

    async def complete_many(self, tasks: Sequence[Task]) -> None:
        """Reports success of all, or of none if one is not held any more (`ClaimLostError`)."""
        await run(self._core.complete_many(held_tasks(tasks)))

    async def fail(self, task: Task, error: TaskError | BaseException | str) -> TaskState:
        """Reports a failure: the task is retried after its backoff, or becomes a dead letter.

        Args:
            task: The task, as `dequeue` returned it.
            error: The reason. Of an exception, type, message and traceback are stored.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        return await run(self._core.fail(a_task(task), TaskError.of(error)))

    async def fail_many(
        self, failed: Sequence[tuple[Task, TaskError | BaseException | str]]
    ) -> builtins.list[TaskState]:
        """Reports the failure of all, or of none if one is not held any more (`ClaimLostError`).

        Args:
            failed: The tasks, each with its error as for `fail`.

        Returns:
            The new state of each task in the same order, as `fail` returns it.
        """
        return await run(self._core.fail_many(failures(failed)))

    async def retry_later(
        self, task: Task, delay: float | timedelta, error: TaskError | BaseException | None = None
    ) -> None:
        """Schedules another attempt after `delay`, even if no retries are left. This attempt counts.

        Args:
            task: The task, as `dequeue` returned it.
            delay: The wait, in seconds or as `timedelta`, at most 100 years.
            error: The reason, stored as the error of this run. Default: none.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        await run(
            self._core.retry_later(a_task(task), a_span(delay, "delay"), None if error is None else TaskError.of(error))
        )

    async def release(self, task: Task) -> None:
        """Releases the task: it returns to the queue, and the attempt is not counted.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        await run(self._core.release(a_task(task)))

    async def release_many(self, tasks: Sequence[Task]) -> None:
        """Releases all, or none if one is not held any more (`ClaimLostError`)."""
        await run(self._core.release_many(held_tasks(tasks)))

    async def snooze(self, task: Task, delay: float | timedelta) -> None:
        """Postpones the task by `delay`, at most 100 years; the attempt is not counted.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        await run(self._core.snooze(a_task(task), a_span(delay, "delay")))

    async def discard(self, task: Task) -> None:
        """Drops a task that is held: it leaves the queue.

        Raises:
            ClaimLostError: If the task is not held any more; nothing is changed then.
        """
        await run(self._core.discard(a_task(task)))

    @abstractmethod
    async def settle(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        """Settles runs, each fenced by its claim, and returns one answer for each in the same order.

        Results and events in the settlements are written in the same transaction. A settlement without a claim is
        answered `Settled.LOST` also if another call changes the task, or another task of its segment, at that moment:
        only another lookup shows which.

        Args:
            batch: The settlements.
            all_or_nothing: If true, one lost claim fails the call (`ClaimLostError`) and nothing is written. Otherwise
                a lost claim is answered with `Settled.LOST`, a row that another session has locked with `Settled.BUSY`,
                and the rest is settled. Default: false.
        """

    @abstractmethod
    async def register_worker(self, name: str, queues: Sequence[str], lease: float | timedelta) -> int:
        """Adds a worker and returns its id. Its claims hold for `lease` from now and from each heartbeat.

        Args:
            name: The worker's name.
            queues: The queues that it serves.
            lease: The lease, in seconds or as `timedelta`: at least 0.1 seconds, at most 100 years.
        """

    @abstractmethod
    async def deregister_worker(self, worker: int) -> int:
        """Removes a worker and releases the tasks that it holds, their attempts not counted. Those that it was asked to stop
        are cancelled then, also if it had handed them back before.

        Returns:
            How many tasks it held.
        """

    @abstractmethod
    async def heartbeat(self, worker: int) -> tuple[bool, Sequence[tuple[UUID, int]]]:
        """Extends a worker's lease.

        Returns:
            Whether the worker is still known, and the tasks that users have cancelled while it held them, each by its id
            and its `seq`: one that was enqueued anew with the same id has another. Each comes with every heartbeat until
            the task has left the worker, and at least once after that.
        """

    @abstractmethod
    async def claim(
        self, worker: int, queues: Sequence[str], limit: int, funcs: Sequence[str] | None
    ) -> builtins.list[Task]:
        """Claims up to `limit` tasks, 1 to 10,000, for this worker without waiting, in the order of `dequeue`.

        Raises:
            ClaimLostError: If the worker is not known (any more).
        """

    @abstractmethod
    async def lost(self, limit: int) -> builtins.list[tuple[Task, str, bool]]:
        """Tasks held by workers whose lease has ended, about `limit`, each with its worker's name and whether a user has
        cancelled it while that worker held it.

        These workers are marked as lost and cannot come back. The caller settles each task by its claim.
        After them come tasks that such workers had handed back before they were told of their cancel: these have no claim,
        and the caller cancels them.
        """

    @abstractmethod
    async def expired(self, limit: int) -> builtins.list[Task]:
        """Waiting tasks whose time to live has ended, about `limit`.

        The caller settles them as ``expire``.
        """

    @abstractmethod
    async def prune(self, limit: int) -> int:
        """Removes completed tasks and dead letters whose retention is over, about `limit`; returns how many.

        The retention is set where the queue is opened. Workers call this at intervals.
        """
