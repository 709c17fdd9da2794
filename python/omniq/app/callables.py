"""The kinds of callables: functions, methods, partials and callable objects; and the coroutines that they return."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from omniq import _loop
from omniq.app.exceptions import SoftTimeout
from omniq.app.soft_timeout import softly
from omniq.errors import OmniQError

if TYPE_CHECKING:
    from omniq.worker.run import Run


#: Runs a coroutine on an event loop and waits for it, from a thread without a loop.
Wait = Callable[[Coroutine[Any, Any, Any]], Any]


def inner(function: Callable[..., Any]) -> Any:
    """The function that a call executes: that of a partial, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return type(function).__call__


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of it is known to return a coroutine. A decorator that is not async hides this: see
    `is_coroutine`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inner(function))


def _chain(function: Any) -> Iterator[Any]:
    """The function, and the functions that its partials and decorators wrap, from the outermost to the innermost."""
    while function is not None:
        yield function
        function = function.func if isinstance(function, functools.partial) else getattr(function, "__wrapped__", None)


def innermost(function: Callable[..., Any]) -> Any:
    """The function that all decorators and partials wrap."""
    return list(_chain(function))[-1]


def has_partial(function: Callable[..., Any]) -> bool:
    """Whether one of its wrappers is a partial."""
    return any(isinstance(one, functools.partial) for one in _chain(function))


def may_be_async(function: Callable[..., Any]) -> bool:
    """Whether it is or wraps an async function."""
    return any(is_async(one) for one in _chain(function))


def is_coroutine(value: Any) -> bool:
    """Whether a call has returned an awaitable instead of the value."""
    # The first test is quick, and decides nearly all cases.
    return hasattr(type(value), "__await__") and isinstance(value, Coroutine | asyncio.Future)


def name_of(function: Any) -> str:
    """The name of a function, of the function in a partial, or of the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def place_of(function: Any) -> tuple[str, str, Any]:
    """Where it was defined: module and name; for an object without a qualified name, also the object's identity."""
    place = getattr(function, "__qualname__", None)
    module = getattr(function, "__module__", None) or type(function).__module__
    return (module, place, None) if place else (module, name_of(function), id(function))


def awaited(run: Run, awaitable: Any, wait: Wait, soft: float | None) -> Any:
    """Awaits it on the loop for a run in this thread; cancels it once the run should stop. `soft`: the seconds until its
    soft timeout."""
    value, error = wait(_until_stop(run, awaitable, soft))
    if error is not None:
        raise error
    return value


async def _until_stop(run: Run, awaitable: Any, soft: float | None) -> tuple[Any, SoftTimeout | None]:
    task = asyncio.ensure_future(_kept(awaitable if soft is None else softly(awaitable, soft, run)))
    try:
        stop = asyncio.ensure_future(_loop.run(run.cancelled()))
    except OmniQError:
        # The run is in a process, which is ended from outside.
        return await task
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not task.done():
            task.cancel()
    return await task


async def _kept(awaitable: Any) -> tuple[Any, SoftTimeout | None]:
    """Its value, or its soft timeout, which a task of asyncio would take for its own cancel."""
    try:
        return await awaitable, None
    except SoftTimeout as error:
        return None, error
