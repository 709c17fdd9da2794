"""Values that live as long as a process of a worker: made before its first run, torn down after its last."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
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
        value: Any = source.function(*args, **kwargs)
        if type(value).__module__ == "contextlib":
            # The function is decorated with `contextlib.asynccontextmanager` or `contextmanager`.
            value = getattr(value, "gen", value)
        if inspect.iscoroutine(value):
            value = await value
        elif inspect.isasyncgen(value):
            value = await self._stack.enter_async_context(_entered_async(value))
        elif inspect.isgenerator(value):
            value = self._stack.enter_context(_entered(value))
        elif isinstance(value, contextlib.AbstractAsyncContextManager) and type(value).__module__ == "contextlib":
            value = await self._stack.enter_async_context(value)
        elif isinstance(value, contextlib.AbstractContextManager) and type(value).__module__ == "contextlib":
            value = self._stack.enter_context(value)
        self.values[need.function] = value
        return value

    async def close(self) -> None:
        """Tears all values down, the last one first. Errors of a tear-down do not prevent the others; the last one
        passes through."""
        self.values.clear()
        await self._stack.aclose()


@contextlib.contextmanager
def _entered(generator: Any) -> Iterator[Any]:
    try:
        value = next(generator)
    except StopIteration:
        raise _yields(generator, "not at all") from None
    try:
        yield value
    finally:
        try:
            next(generator)
        except StopIteration:
            pass
        else:
            generator.close()
            raise _yields(generator, "more than once")


@contextlib.asynccontextmanager
async def _entered_async(generator: Any) -> AsyncIterator[Any]:
    try:
        value = await anext(generator)
    except StopAsyncIteration:
        raise _yields(generator, "not at all") from None
    try:
        yield value
    finally:
        try:
            await anext(generator)
        except StopAsyncIteration:
            pass
        else:
            await generator.aclose()
            raise _yields(generator, "more than once")


def _yields(generator: Any, times: str) -> RuntimeError:
    """The error for a generator that does not yield exactly once."""
    name, line = generator.__qualname__, (getattr(generator, "gi_code", None) or generator.ag_code).co_firstlineno
    remedy = "as a lifespan it yields its value once, between what it opens and what it closes"
    return RuntimeError(f"{name} (line {line}) yields {times}: {remedy}")
