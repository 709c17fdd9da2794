"""A task queue with results and events in one object, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq import _omniq
from omniq._given import a_span, a_text_or_none, an_id, many_ids
from omniq._loop import run
from omniq.backend.parts import Parts
from omniq.models import Backoff, Cancelled, NewTask, Settled, Settlement, Task, TaskError, TaskResult, TaskState
from omniq.storage.base.common import a_task, new_tasks, settlements, to_new_task
from omniq.storage.base.events import AsyncEventStorage
from omniq.storage.base.queue import AsyncTaskQueue
from omniq.storage.base.results import AsyncResultStorage

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncBackend"]


class AsyncBackend(Parts):
    """A task queue with, where wanted, a result storage and an event storage, each on whatever it is kept on.

    Where results or events are kept in the same place as the queue, a task's end is written with them in one
    transaction. Where results are kept elsewhere, a result is stored first and the task settled then: after a crash in
    between, the task runs again and its result is replaced. Events are a log beside the work: an event that cannot be
    written is dropped with a warning in the log, and never fails or holds up a task.

    It is connected on entry of its ``with`` block, by `connect`, or at first use.
    """

    _core: _omniq.Backend

    @property
    def queue(self) -> AsyncTaskQueue:
        """The task queue, for all its verbs."""
        return self._part("tasks", AsyncTaskQueue)

    @property
    def results(self) -> AsyncResultStorage:
        """The result storage. Raises `ConfigError` if results are off."""
        return self._part("results", AsyncResultStorage)

    @property
    def events(self) -> AsyncEventStorage:
        """The event storage. Raises `ConfigError` if events are off."""
        return self._part("events", AsyncEventStorage)

    async def connect(self) -> Self:
        """Connects all parts, unless that is done already, and returns the backend itself.

        Raises:
            UnavailableError: If a server cannot be reached.
            ClosedError: After `close`.
        """
        await run(self._core.connect())
        return self

    async def enqueue(
        self,
        task: NewTask | str,
        args: Any = None,
        *,
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        ttl: float | timedelta | None = None,
        max_retries: int | None = None,
        backoff: Backoff | None = None,
        timeout: float | timedelta | None = None,
        metadata: dict[str, Any] | None = None,
        id: UUID | None = None,
        codec: str | None = None,
    ) -> UUID:
        """Adds a task and returns its id; it is durable then. The ``enqueued`` event follows, as well as it can.

        Arguments and errors are those of the queue's `enqueue`.
        """
        options = {
            "id": id,
            "queue": queue,
            "priority": priority,
            "run_at": run_at,
            "delay": delay,
            "ttl": ttl,
            "max_retries": max_retries,
            "backoff": backoff,
            "timeout": timeout,
            "metadata": metadata,
            "codec": codec,
        }
        return await run(self._core.enqueue(to_new_task(task, args, options)))

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order."""
        return await run(self._core.enqueue_many(new_tasks(tasks)))

    async def result(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more).

        Raises:
            ConfigError: If results are off.
        """
        return await run(self._core.result(an_id(id)))

    async def wait(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task, up to `timeout`.

        Raises:
            TimeoutError: If it has not come in time.
            ConfigError: If results are off.
        """
        return await run(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    async def complete(self, task: Task, value: Any = None, *, codec: str | None = None) -> None:
        """Reports success of a dequeued task, with its result and event.

        Args:
            value: What the task came to; stored if results are on.
            codec: How the value is written. Default: as the backend was opened.

        Raises:
            ClaimLostError: If the task is not held any more.
            CodecError: For a value that cannot be written.
        """
        await run(self._core.complete(a_task(task), value, a_text_or_none(codec, "codec")))

    async def fail(self, task: Task, error: TaskError | BaseException) -> TaskState:
        """Reports failure of a dequeued task: it is retried after its backoff, or becomes a dead letter with a result.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: If the task is not held any more.
        """
        return await run(self._core.fail(a_task(task), TaskError.of(error)))

    async def cancel(self, id: UUID) -> Cancelled:
        """Withdraws a task: a waiting one leaves the queue and gets a ``cancelled`` result, a running one is asked to stop."""
        return await run(self._core.cancel(an_id(id)))

    async def cancel_many(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Withdraws tasks; an answer for each in the same order."""
        return await run(self._core.cancel_many(many_ids(ids)))

    async def settle(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        """Settles runs with their results and events, and returns an answer for each in the same order.

        A crash before this returns leaves tasks held, and they run again; none is lost.

        Args:
            all_or_nothing: One lost claim fails the call (`ClaimLostError`), and nothing is written. Otherwise what is
                lost is answered with `Settled.LOST`, what another session holds by a lock with `Settled.BUSY`, and the
                rest is done.
        """
        return await run(self._core.settle(settlements(batch), all_or_nothing))

    async def close(self) -> None:
        """Closes all parts, those that were given too. A second call does nothing."""
        await run(self._core.close())

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
