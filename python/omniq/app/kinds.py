"""What kind of thing a callable is: functions, methods, partials, objects that can be called, and coroutines that come from them."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from omniq._loop import run
from omniq.errors import OmniQError


def inner(function: Callable[..., Any]) -> Any:
    """What is called in the end: the function of a partial, the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return type(function).__call__


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of it is known to give a coroutine. A decorator that is none itself hides it: see `is_coroutine`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inner(function))


def _chain(function: Any) -> Iterator[Any]:
    """It, and what stands behind it: behind partials and decorators."""
    while function is not None:
        yield function
        function = function.func if isinstance(function, functools.partial) else getattr(function, "__wrapped__", None)


def innermost(function: Callable[..., Any]) -> Any:
    """What stands behind all decorators and partials."""
    return list(_chain(function))[-1]


def has_partial(function: Callable[..., Any]) -> bool:
    """Whether a partial stands in it."""
    return any(isinstance(one, functools.partial) for one in _chain(function))


def may_be_async(function: Callable[..., Any]) -> bool:
    """Whether an async function stands behind it, also if a decorator is in front."""
    return any(is_async(one) for one in _chain(function))


def is_coroutine(value: Any) -> bool:
    """Whether a call has given what must be awaited before there is a value."""
    # The first question is quick, and the answer to nearly all.
    return hasattr(type(value), "__await__") and isinstance(value, Coroutine | asyncio.Future)


def name_of(function: Any) -> str:
    """The name of a function, of the function in a partial, or of the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def place_of(function: Any) -> tuple[str, str, Any]:
    """Where it was defined: module and name; for what has no place of its own, itself as well."""
    place = getattr(function, "__qualname__", None)
    module = getattr(function, "__module__", None) or type(function).__module__
    return (module, place, None) if place else (module, name_of(function), id(function))


async def heeding(job: Any, awaitable: Any) -> Any:
    """Awaits it on the loop for a run that is in a thread; cancels it once the run should stop."""
    task = asyncio.ensure_future(awaitable)
    try:
        told = asyncio.ensure_future(run(job.cancelled()))
    except OmniQError:
        # In a process, which is ended from outside.
        return await task
    try:
        await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        if not task.done():
            task.cancel()
    return await task
