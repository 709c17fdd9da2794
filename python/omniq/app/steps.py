"""Procedures that wait several times, written once for event loops and for blocking code.

Such a procedure is a generator that yields each call that it waits for, and gets the answer, or the error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from omniq._loop import run, shielded, wait_for_runs, whole
from omniq._omniq import Pending
from omniq.app.callables import is_coroutine
from omniq.errors import ConfigError

if TYPE_CHECKING:
    from omniq.app.base import BaseApp
    from omniq.app.function import BaseFunction

__all__ = ["Anyway", "Enqueue", "Enqueued", "Steps", "Told", "awaited", "blocked", "refuse_awaitable", "told"]

T = TypeVar("T")


class Enqueue(NamedTuple):
    """The step that enqueues calls, within the application's middleware; its answer is the ids."""

    function: BaseFunction[..., Any, ..., Any]
    calls: list[Any]
    #: The number of the first call in messages.
    first: int
    #: Whether a cancel waits for its end, so that the ids are known.
    is_whole: bool


class Enqueued(NamedTuple):
    """The step after an enqueue: what the application does then, such as running the tasks in eager mode."""

    app: BaseApp
    ids: list[UUID]


class Anyway(NamedTuple):
    """The steps of a clean-up, which are carried out also if the caller was cancelled."""

    steps: Steps[None]


class Told(NamedTuple):
    """The step that awaits what the caller's async function for the progress has returned."""

    answer: Awaitable[Any]


def told(report: Callable[[int], object], ended: int) -> Steps[None]:
    """Tells how many tasks have ended."""
    answer = report(ended)
    if is_coroutine(answer):
        yield Told(answer)  # type: ignore[arg-type]


def refuse_awaitable(answer: Any) -> None:
    """Refuses what an async function for the progress has returned, in blocking code."""
    if is_coroutine(answer):
        getattr(answer, "close", lambda: None)()
        raise ConfigError("progress is an async function, which blocking code cannot await: give a def function")


Step: TypeAlias = "Pending[Any] | Enqueue | Enqueued | Anyway | Told"
Steps = Generator[Step, Any, T]


def _next(steps: Steps[T], answer: Any, error: BaseException | None) -> Step:
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
            error = None
            if isinstance(step, Enqueue):
                made = step.function._ids(step.calls, step.first)
                answer = await (whole(made) if step.is_whole else made)
            elif isinstance(step, Enqueued):
                await step.app._enqueued(step.ids)
            elif isinstance(step, Anyway):
                await shielded(awaited(step.steps))
            elif isinstance(step, Told):
                await step.answer
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
            error = None
            if isinstance(step, Enqueue):
                answer = step.function._ids_sync(step.calls, step.first)
            elif isinstance(step, Enqueued):
                step.app._enqueued_sync(step.ids)
            elif isinstance(step, Anyway):
                blocked(step.steps)
            elif isinstance(step, Told):
                refuse_awaitable(step.answer)
            else:
                answer = wait_for_runs(step)
        except BaseException as raised:
            error = raised
