"""One run of a task as Python sees it: what its function asks, and its one answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from omniq._omniq import Pending, _RawStatement
    from omniq.models import Task, TaskResult

__all__ = ["WORKER", "Answer", "Host", "Run", "StopReason", "answer_anyway", "is_cancelled"]

#: Why a run should stop. ``"cancelled"``: a user cancelled the task. ``"timeout"``: its timeout is over.
#: ``"lease_lost"``: the worker's lease was lost, so another worker may have the task by now. ``"shutdown"``: the worker
#: is stopping and its grace time is over.
StopReason = Literal["cancelled", "timeout", "lease_lost", "shutdown"]


class Host(NamedTuple):
    """The worker of a run on the worker's loop."""

    #: The task of asyncio in which it runs.
    task: asyncio.Task[Any] | None
    #: Stops it gracefully.
    stop: Callable[[], None]


#: The worker of the current run; none outside of the worker's loop.
WORKER: ContextVar[Host | None] = ContextVar("omniq_worker", default=None)


class Answer(Protocol):
    """Takes the one answer of a run: that of the Rust side, or its representative in another process."""

    def complete(self, value: bytes | None, codec: str) -> None: ...
    def fail(self, kind: str, message: str, trace: str | None, fatal: bool) -> None: ...
    def retry(
        self, delay: float | timedelta | None, kind: str, message: str | None, trace: str | None, unlimited: bool
    ) -> None: ...
    def snooze(self, delay: float | timedelta) -> None: ...
    def discard(self, reason: str) -> None: ...


class Run(Answer, Protocol):
    """A run as its function sees it: that of the Rust side, or its representative in another process."""

    @property
    def id(self) -> UUID: ...
    @property
    def func(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def may_retry(self) -> bool: ...
    @property
    def worker(self) -> str: ...
    @property
    def time_left(self) -> float | None: ...
    @property
    def stop_reason(self) -> StopReason | None: ...
    @property
    def has_completed(self) -> bool: ...
    def task(self) -> Task: ...
    def cancelled(self) -> Pending[StopReason]: ...
    def predecessors(self) -> Pending[list[tuple[UUID, TaskResult | None]]]: ...
    def completion(self, value: bytes | None, codec: str) -> Pending[_RawStatement]: ...
    def completion_refused(self) -> None: ...
    def log_event(self, kind: str, data: dict[str, Any]) -> None: ...


def answer_anyway(answer: Answer, error: BaseException) -> None:
    """Answers a run after its regular answer failed, so that it does not keep its slot. Ignored if the run already has
    an answer."""
    answer.fail("unanswered", f"the run could not be answered: {type(error).__name__}", None, False)


def is_cancelled(task: asyncio.Task[Any]) -> bool:
    """Whether a task that has not ended was asked to be cancelled. Python 3.10 does not tell."""
    return sys.version_info >= (3, 11) and task.cancelling() > 0
