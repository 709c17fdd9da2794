"""Middleware around enqueues: it can add metadata, trace, and refuse."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq.errors import ConfigError

if TYPE_CHECKING:
    from omniq.app.function import BaseFunction

    Function = BaseFunction[..., Any, ..., Any]

__all__ = ["EnqueueCall", "around", "around_sync"]


@dataclass(frozen=True, slots=True)
class EnqueueCall:
    """One call of ``enqueue`` or ``enqueue_many``, as middleware sees it.

    Args:
        func: The name of the task's function.
        queue: The queue.
        count: How many tasks the call adds.
        metadata: The metadata of all its tasks, a dict that middleware may change before its ``yield``.
        connection: The user's connection, in whose transaction the tasks are enqueued; ``None`` if they have their own.
        ids: The ids of the tasks. Default: an empty list, until they are enqueued.
    """

    func: str
    queue: str
    count: int
    metadata: dict[str, Any]
    connection: Any
    ids: list[UUID] = field(default_factory=list)


def _call_of(function: Function, count: int) -> EnqueueCall:
    metadata = copy.deepcopy(function._options().get("metadata") or {})
    return EnqueueCall(function.name, function.queue_name(), count, metadata, function._connection)


def _changed(function: Function, call: EnqueueCall) -> Function:
    """The function with the metadata of this call."""
    before = function._options().get("metadata") or {}
    return function if call.metadata == before else function.with_options(metadata=call.metadata)


def _yields(middleware: Callable[..., Any], times: str, call: EnqueueCall) -> ConfigError:
    name = getattr(middleware, "__qualname__", repr(middleware))
    written = f"; the tasks are written: {', '.join(map(str, call.ids[:3]))}" if call.ids else "; nothing is written"
    return ConfigError(f"the middleware {name} yields {times}: it yields once in each enqueue, or raises{written}")


@contextlib.contextmanager
def _inside(middleware: Callable[[EnqueueCall], Any], call: EnqueueCall) -> Iterator[None]:
    """Runs a generator function around a block."""
    generator = middleware(call)
    try:
        next(generator)
    except StopIteration:
        raise _yields(middleware, "not at all", call) from None
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(StopIteration):
            generator.throw(error)
            generator.close()
        raise
    try:
        next(generator)
    except StopIteration:
        return
    generator.close()
    raise _yields(middleware, "more than once", call)


@contextlib.asynccontextmanager
async def _inside_async(middleware: Callable[[EnqueueCall], Any], call: EnqueueCall) -> AsyncIterator[None]:
    """The same for an async generator function."""
    generator = middleware(call)
    try:
        await anext(generator)
    except StopAsyncIteration:
        raise _yields(middleware, "not at all", call) from None
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(StopAsyncIteration):
            await generator.athrow(error)
            await generator.aclose()
        raise
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise _yields(middleware, "more than once", call)


def around_sync(function: Function, count: int, enqueue: Callable[[Function], list[UUID]]) -> list[UUID]:
    """Enqueues inside the application's middleware. What it raises passes through, even if other middleware swallows
    it."""
    call = _call_of(function, count)
    with contextlib.ExitStack() as stack:
        for middleware in function.app._enqueue_middleware:
            if inspect.isasyncgenfunction(middleware):
                raise ConfigError(
                    f"the enqueue of {call.func} blocks, and its middleware {middleware.__qualname__} is async: make it a"
                    " generator function, or enqueue by `await`"
                )
            stack.enter_context(_inside(middleware, call))
        call.ids.extend(enqueue(_changed(function, call)))
    return call.ids


async def around(function: Function, count: int, enqueue: Callable[[Function], Awaitable[list[UUID]]]) -> list[UUID]:
    """The same as `around_sync` on an event loop, with async middleware too."""
    call = _call_of(function, count)
    async with contextlib.AsyncExitStack() as stack:
        for middleware in function.app._enqueue_middleware:
            if inspect.isasyncgenfunction(middleware):
                await stack.enter_async_context(_inside_async(middleware, call))
            else:
                stack.enter_context(_inside(middleware, call))
        call.ids.extend(await enqueue(_changed(function, call)))
    return call.ids
