"""A task queue with results and events in one object, blocking: made from `base.py` by `python/twins.py`, not to be changed by hand."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq import _omniq
from omniq._given import a_span, a_text_or_none, an_id, many_ids
from omniq._loop import wait
from omniq.backend.parts import Parts
from omniq.models import Backoff, Cancelled, NewTask, Settled, Settlement, Task, TaskError, TaskResult, TaskState
from omniq.storage.base.blocking_events import EventStorage
from omniq.storage.base.blocking_queue import TaskQueue
from omniq.storage.base.blocking_results import ResultStorage
from omniq.storage.base.common import a_task, new_tasks, settlements, to_new_task

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Backend"]


class Backend(Parts):
    """A task queue with, where wanted, a result storage and an event storage, each on whatever it is kept on.

    Where results or events are kept in the same place as the queue, a task's end is written with them in one
    transaction. Where results are kept elsewhere, a result is stored first and the task settled then: after a crash in
    between, the task runs again and its result is replaced. Events are a log beside the work: an event that cannot be
    written is dropped with a warning in the log, and never fails or holds up a task.

    It is connected on entry of its ``with`` block, by `connect`, or at first use.
    """

    _core: _omniq.Backend

    @property
    def queue(self) -> TaskQueue:
        """The task queue, for all its verbs."""
        return self._part("tasks", TaskQueue)

    @property
    def results(self) -> ResultStorage:
        """The result storage. Raises `ConfigError` if results are off."""
        return self._part("results", ResultStorage)

    @property
    def events(self) -> EventStorage:
        """The event storage. Raises `ConfigError` if events are off."""
        return self._part("events", EventStorage)

    def connect_sync(self) -> Self:
        """Connects all parts, unless that is done already, and returns the backend itself.

        Raises:
            UnavailableError: If a server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    connect = connect_sync

    def enqueue_sync(
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
        return wait(self._core.enqueue(to_new_task(task, args, options)))

    enqueue = enqueue_sync

    def enqueue_many_sync(self, tasks: Sequence[NewTask]) -> builtins.list[UUID]:
        """Adds tasks, all or none, and returns their ids in the same order."""
        return wait(self._core.enqueue_many(new_tasks(tasks)))

    enqueue_many = enqueue_many_sync

    def result_sync(self, id: UUID) -> TaskResult | None:
        """The result of a task, or ``None`` if there is none (yet, or any more).

        Raises:
            ConfigError: If results are off.
        """
        return wait(self._core.result(an_id(id)))

    result = result_sync

    def wait_sync(self, id: UUID, timeout: float | timedelta) -> TaskResult:
        """Waits for the result of a task, up to `timeout`.

        Raises:
            TimeoutError: If it has not come in time.
            ConfigError: If results are off.
        """
        return wait(self._core.wait(an_id(id), a_span(timeout, "timeout")))

    wait = wait_sync

    def complete_sync(self, task: Task, value: Any = None, *, codec: str | None = None) -> None:
        """Reports success of a dequeued task, with its result and event.

        Args:
            value: What the task came to; stored if results are on.
            codec: How the value is written. Default: as the backend was opened.

        Raises:
            ClaimLostError: If the task is not held any more.
            CodecError: For a value that cannot be written.
        """
        wait(self._core.complete(a_task(task), value, a_text_or_none(codec, "codec")))

    complete = complete_sync

    def fail_sync(self, task: Task, error: TaskError | BaseException) -> TaskState:
        """Reports failure of a dequeued task: it is retried after its backoff, or becomes a dead letter with a result.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: If the task is not held any more.
        """
        return wait(self._core.fail(a_task(task), TaskError.of(error)))

    fail = fail_sync

    def cancel_sync(self, id: UUID) -> Cancelled:
        """Withdraws a task: a waiting one leaves the queue and gets a ``cancelled`` result, a running one is asked to stop."""
        return wait(self._core.cancel(an_id(id)))

    cancel = cancel_sync

    def cancel_many_sync(self, ids: Sequence[UUID]) -> builtins.list[Cancelled]:
        """Withdraws tasks; an answer for each in the same order."""
        return wait(self._core.cancel_many(many_ids(ids)))

    cancel_many = cancel_many_sync

    def settle_sync(self, batch: Sequence[Settlement], *, all_or_nothing: bool = False) -> builtins.list[Settled]:
        """Settles runs with their results and events, and returns an answer for each in the same order.

        A crash before this returns leaves tasks held, and they run again; none is lost.

        Args:
            all_or_nothing: One lost claim fails the call (`ClaimLostError`), and nothing is written. Otherwise what is
                lost is answered with `Settled.LOST`, what another session holds by a lock with `Settled.BUSY`, and the
                rest is done.
        """
        return wait(self._core.settle(settlements(batch), all_or_nothing))

    settle = settle_sync

    def close_sync(self) -> None:
        """Closes all parts, those that were given too. A second call does nothing."""
        wait(self._core.close())

    close = close_sync

    def __enter__(self) -> Self:
        return self.connect_sync()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_sync()
