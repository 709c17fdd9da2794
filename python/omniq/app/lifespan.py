"""Values that live as long as a process of a worker: made before its first run, torn down after its last."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from omniq.app.call_plan import Dependant

if TYPE_CHECKING:
    from omniq.app.call_plan import Needs

__all__ = ["Lifespan"]


class Lifespan:
    """The values of one process, by the functions that make them. All methods run on one event loop.

    `functions`: the application's lifespans, each with the names that its annotations may use.
    """

    def __init__(self, functions: Iterable[tuple[Callable[..., Any], Any]], overrides: dict[Any, Any]) -> None:
        self.values: dict[Any, Any] = {}
        self._functions = list(functions)
        self._overrides = overrides
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Makes the values of the application's lifespans, and those that they need; of each function once. What was made
        before an error is torn down by `close`."""
        for function, namespace in self._functions:
            await self._make(Dependant(function, namespace, scope="worker"))

    async def open_for(self, needs: Needs) -> None:
        """Makes the values of the worker's scope among a function's dependencies."""
        for need, _ in needs.values():
            if need.scope == "worker":
                await self._make(need)
            else:
                await self.open_for(need.needs)

    async def _make(self, need: Dependant) -> Any:
        if need.function in self.values:
            return self.values[need.function]
        maker = self._overrides.get(need.function)
        source = need if maker is None else Dependant(maker, scope="worker")
        named = {name: await self._make(one) for name, (one, _) in source.needs.items()}
        args, kwargs = source.signature.assemble(named)
        value = source.function(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = await value
        elif inspect.isasyncgen(value):
            value = await self._stack.enter_async_context(contextlib.asynccontextmanager(lambda: value)())
        elif inspect.isgenerator(value):
            value = self._stack.enter_context(contextlib.contextmanager(lambda: value)())
        elif type(value).__module__ == "contextlib":
            # The function is decorated with `contextlib.asynccontextmanager` or `contextmanager`.
            is_async = isinstance(value, contextlib.AbstractAsyncContextManager)
            value = await self._stack.enter_async_context(value) if is_async else self._stack.enter_context(value)
        self.values[need.function] = value
        return value

    async def close(self) -> None:
        """Tears all values down, the last one first. Errors of a tear-down do not prevent the others; the last one
        passes through."""
        self.values.clear()
        await self._stack.aclose()
