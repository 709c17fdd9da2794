"""Middleware around enqueues: it can add metadata, trace, and refuse."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq.errors import ConfigError

if TYPE_CHECKING:
    from omniq.app.function import BaseFunction

    Function = BaseFunction[..., Any, ..., Any]

__all__ = ["EnqueueCall", "around", "around_sync"]


class EnqueueCall:
    """One call of ``enqueue`` or ``enqueue_many``, as middleware sees it."""

    __slots__ = ("_before", "connection", "count", "func", "ids", "metadata", "queue")

    def __init__(self, function: Function, count: int) -> None:
        #: The name of the task's function.
        self.func = function.name
        #: The queue.
        self.queue = function.queue_name()
        #: How many tasks the call adds.
        self.count = count
        self._before: dict[str, Any] = function._options().get("metadata") or {}
        #: The metadata of all its tasks, which middleware may change before its ``yield``.
        self.metadata: dict[str, Any] = copy.deepcopy(self._before)
        #: The user's connection, in whose transaction the tasks are enqueued; ``None`` if they have their own.
        self.connection = function._connection
        #: The ids of the tasks; empty until they are enqueued.
        self.ids: list[UUID] = []

    def _changed(self, function: Function) -> Function:
        """The function with the metadata of this call."""
        return function if self.metadata == self._before else function.with_options(metadata=self.metadata)


def around_sync(function: Function, count: int, enqueue: Callable[[Function], list[UUID]]) -> list[UUID]:
    """Enqueues inside the application's middleware. What it raises passes through, even if other
    middleware swallows it."""
    call = EnqueueCall(function, count)
    error: BaseException | None = None
    with contextlib.ExitStack() as stack:
        try:
            for middleware in function.app._enqueue_middleware:
                if inspect.isasyncgenfunction(middleware):
                    raise ConfigError(
                        f"the enqueue of {call.func} blocks, and its middleware {middleware.__qualname__} is async: make it"
                        " a generator function, or enqueue by `await`"
                    )
                stack.enter_context(contextlib.contextmanager(middleware)(call))
            call.ids = enqueue(call._changed(function))
        except BaseException as raised:
            error = raised
            raise
    if error is not None:
        raise error
    return call.ids


async def around(function: Function, count: int, enqueue: Callable[[Function], Awaitable[list[UUID]]]) -> list[UUID]:
    """The same as `around_sync` on an event loop, with async middleware too."""
    call = EnqueueCall(function, count)
    error: BaseException | None = None
    async with contextlib.AsyncExitStack() as stack:
        try:
            for middleware in function.app._enqueue_middleware:
                if inspect.isasyncgenfunction(middleware):
                    await stack.enter_async_context(contextlib.asynccontextmanager(middleware)(call))
                else:
                    stack.enter_context(contextlib.contextmanager(middleware)(call))
            call.ids = await enqueue(call._changed(function))
        except BaseException as raised:
            error = raised
            raise
    if error is not None:
        raise error
    return call.ids
