"""Procedures that wait several times, written once for event loops and for blocking code.

Such a procedure is a generator that yields each call that it waits for, and gets the answer, or the error.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from omniq._loop import run, wait
from omniq._omniq import Pending

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["Enqueued", "Steps", "awaited", "blocked"]

T = TypeVar("T")


class Enqueued(NamedTuple):
    """The step after an enqueue: what the application does then, such as running the tasks in eager mode."""

    app: BaseApp
    ids: list[UUID]


Steps = Generator["Pending[Any] | Enqueued", Any, T]


def _next(steps: Steps[T], answer: Any, error: BaseException | None) -> Pending[Any] | Enqueued:
    return steps.send(answer) if error is None else steps.throw(error)


async def awaited(steps: Steps[T]) -> T:
    """Carries out the procedure on the event loop."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = _next(steps, answer, error)
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            answer, error = None, None
            if isinstance(step, Enqueued):
                await step.app._enqueued(step.ids)
            else:
                answer = await run(step)
        except BaseException as raised:
            error = raised


def blocked(steps: Steps[T]) -> T:
    """Carries out the procedure, blocking this thread."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = _next(steps, answer, error)
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            answer, error = None, None
            if isinstance(step, Enqueued):
                step.app._enqueued_sync(step.ids)
            else:
                answer = wait(step)
        except BaseException as raised:
            error = raised
