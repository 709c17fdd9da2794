"""Checks of the tasks that were enqueued."""

from __future__ import annotations

from typing import Any

from omniq import _arrays
from omniq._loop import wait
from omniq.app.arguments import BadArguments
from omniq.app.function import BaseFunction
from omniq.models import Task, TaskFilter

__all__ = ["assert_enqueued", "enqueued"]

_MOST = 1000


def enqueued(function: BaseFunction[..., Any, ..., Any]) -> list[tuple[Task, dict[str, Any]]]:
    """The tasks of this function that are in the queue, each with its arguments by name, the oldest first; at most
    1000.

    Tasks that have ended are not in the queue any more. It blocks the thread during a query.

    Raises:
        AssertionError: If a task has arguments that do not fit the function.
    """
    core = function.app._core
    tasks: list[Task] = wait(core.queue().list(TaskFilter(func=function.name, limit=_MOST)))
    return [(task, _arguments(function, task)) for task in tasks]


def _arguments(function: BaseFunction[..., Any, ..., Any], task: Task) -> dict[str, Any]:
    try:
        call = function.arguments.read(task.payload.data, task.payload.codec)
    except BadArguments as error:
        raise AssertionError(f"task {task.id} ({task.func}) has arguments that do not fit: {error}") from error
    return function.arguments.named(call)


def assert_enqueued(
    function: BaseFunction[..., Any, ..., Any], *args: Any, count: int | None = None, **kwargs: Any
) -> list[Task]:
    """Asserts that tasks of this function with these arguments are in the queue, and returns them.

    Args:
        args, kwargs: The arguments that must have these values; other arguments may have any value.
        count: How many such tasks there must be. Default: at least one.

    Raises:
        AssertionError: If there are not as many such tasks; it lists the tasks of the function.
    """
    __tracebackhide__ = True
    wanted = dict(function.arguments.partly_named(args, kwargs))
    there = enqueued(function)
    found = [
        task for task, named in there if all(name in named and _same(named[name], one) for name, one in wanted.items())
    ]
    if len(found) == count or (count is None and found):
        return found
    shown = "\n".join(f"  {named}" for _, named in there[:20]) or "  none at all"
    times = "no task" if not found else f"{len(found)} task(s)"
    expected = "" if count is None else f", not {count},"
    raise AssertionError(
        f"{times} of {function.name} with {wanted or 'any arguments'}{expected} in the queue; there are:\n{shown}"
    )


def _same(one: Any, other: Any) -> bool:
    # Arrays and frames compare their items, one by one.
    equal = _arrays.is_equal(one, other)
    return bool(one == other) if equal is None else equal
