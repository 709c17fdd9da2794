"""How a function is run: its arguments, its dependencies, and its middleware.

Set-up and tear-down are generators, in dependencies and middleware alike: a generator is started before the function,
and gets the function's value, or its exception, at its ``yield``.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omniq.app.callables import Wait, awaited, inner, is_async, is_coroutine, may_be_async
from omniq.app.context import Context
from omniq.app.depends import Dependency
from omniq.app.rules import Rules
from omniq.app.signature import Signature
from omniq.app.soft_timeout import alarm, softly
from omniq.app.values import Value
from omniq.errors import ConfigError
from omniq.transaction.send import InTest


class Dependant:
    """A dependency's function with its own dependencies."""

    def __init__(
        self,
        function: Callable[..., Any],
        namespace: dict[str, Any] | None = None,
        path: tuple[Any, ...] = (),
        scope: str = "run",
    ) -> None:
        if function in path:
            raise ConfigError(f"the dependency {_name(function)} depends on itself")
        self.function = function
        self.scope = scope
        self.signature = Signature(function, namespace)
        if scope == "worker" and self.signature.contexts:
            raise ConfigError(f"{_name(function)} is made once for all runs of a worker: it takes no Context")
        for parameter in self.signature.parameters:
            if parameter.required and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                message = f"the dependency {_name(function)} has a parameter {parameter.name} that nothing fills"
                raise ConfigError(f"{message}: annotate it with Context or Depends, or give it a default")
        self.needs = needs_of(self.signature, namespace, (*path, function))
        for need, _ in self.needs.values():
            if scope == "worker" and need.scope == "run":
                words = 'which is made for each run: give it scope="worker" as well'
                raise ConfigError(
                    f"{_name(function)} is made once for all runs of a worker, and needs {_name(need.function)}, {words}"
                )
        target = inner(function)
        self.is_generator = inspect.isgeneratorfunction(target)
        self.is_async_generator = inspect.isasyncgenfunction(target)
        self.is_coroutine = is_async(function)

    @property
    def is_async(self) -> bool:
        """Whether a run must await the function or one of its dependencies."""
        if self.scope == "worker":
            return False
        return self.is_coroutine or self.is_async_generator or any(need.is_async for need, _ in self.needs.values())


#: Dependants by the names of the parameters; the flag says whether the value is shared within a run.
Needs = dict[str, tuple[Dependant, bool]]


def needs_of(signature: Signature, namespace: dict[str, Any] | None, path: tuple[Any, ...] = ()) -> Needs:
    """The dependencies of a function's parameters."""

    def made(dependency: Dependency) -> tuple[Dependant, bool]:
        return Dependant(dependency.function, namespace, path, dependency.scope), dependency.use_cache

    return {name: made(dependency) for name, dependency in signature.dependencies.items()}


async def _first(generator: Any) -> Any:
    """The first value that an async generator yields."""
    try:
        return await anext(generator)
    except StopAsyncIteration:
        raise _yields(generator, "not at all") from None


async def _ended(generator: Any, value: Any, error: BaseException | None) -> tuple[Any, BaseException | None]:
    """Value and exception of a run after this async generator's tear-down."""
    try:
        if error is None:
            await generator.asend(value)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        # If there was an exception, the generator has suppressed it: the run then has no value.
        return (value if error is None else None), None
    except BaseException as raised:
        return value, raised
    await generator.aclose()
    return value, _yields(generator, "more than once")


def _yields(generator: Any, times: str) -> RuntimeError:
    """The error for a generator that does not yield exactly once."""
    name, line = generator.__qualname__, (getattr(generator, "gi_code", None) or generator.ag_code).co_firstlineno
    remedy = "as middleware or a dependency it yields once in each run, where the task is to run"
    return RuntimeError(f"{name} (line {line}) yields {times}: {remedy}, whatever it finds")


class Scope:
    """The generators that were started before a ``def`` function, to be ended after it in the opposite order."""

    def __init__(
        self, context: Context, overrides: dict[Any, Any], lasting: Mapping[Any, Any], wait: Wait | None = None
    ) -> None:
        self.context = context
        #: The values of the worker's scope.
        self.lasting = lasting
        self.wait = wait
        self.overrides = overrides
        self.made: dict[Any, Any] = {}
        self.open: list[Any] = []

    def begin(self, generator: Any) -> Any:
        if inspect.isasyncgen(generator):
            assert self.wait is not None
            value = self.wait(_first(generator))
        else:
            try:
                value = next(generator)
            except StopIteration:
                raise _yields(generator, "not at all") from None
        self.open.append(generator)
        return value

    def solve(self, needs: Needs) -> dict[str, Any]:
        return {name: self._one(need, shared) for name, (need, shared) in needs.items()}

    def _one(self, need: Dependant, shared: bool) -> Any:
        if need.scope == "worker":
            return self.lasting[need.function]
        need = self._override(need)
        if shared and need.function in self.made:
            return self.made[need.function]
        values = dict.fromkeys(need.signature.contexts, self.context) | self.solve(need.needs)
        args, kwargs = need.signature.assemble(values)
        value = need.function(*args, **kwargs)
        if need.is_generator or need.is_async_generator:
            value = self.begin(value)
        elif inspect.iscoroutine(value):
            assert self.wait is not None
            value = self.wait(value)
        self.made[need.function] = value
        return value

    def _override(self, need: Dependant) -> Dependant:
        other = self.overrides.get(need.function)
        return need if other is None else Dependant(other)

    def end(self, value: Any, error: BaseException | None) -> Any:
        """The value, or the exception, after all tear-downs."""
        while self.open:
            generator = self.open.pop()
            try:
                if inspect.isasyncgen(generator):
                    assert self.wait is not None
                    value, error = self.wait(_ended(generator, value, error))
                    continue
                if error is None:
                    generator.send(value)
                else:
                    generator.throw(error)
            except StopIteration:
                # If there was an exception, the generator has suppressed it: the run then has no value.
                value, error = (value if error is None else None), None
            except BaseException as raised:
                error = raised
            else:
                generator.close()
                error = _yields(generator, "more than once")
        if error is not None:
            raise error
        return value


class AsyncScope(Scope):
    """The same as `Scope` for ``async def`` functions."""

    async def begin_async(self, generator: Any) -> Any:
        value = await _first(generator)
        self.open.append(generator)
        return value

    async def solve_async(self, needs: Needs) -> dict[str, Any]:
        return {name: await self._one_async(need, shared) for name, (need, shared) in needs.items()}

    async def _one_async(self, need: Dependant, shared: bool) -> Any:
        if need.scope == "worker":
            return self.lasting[need.function]
        need = self._override(need)
        if shared and need.function in self.made:
            return self.made[need.function]
        values = dict.fromkeys(need.signature.contexts, self.context) | await self.solve_async(need.needs)
        args, kwargs = need.signature.assemble(values)
        value = need.function(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = await value
        elif need.is_async_generator:
            value = await self.begin_async(value)
        elif need.is_generator:
            value = self.begin(value)
        self.made[need.function] = value
        return value

    async def end_async(self, value: Any, error: BaseException | None) -> Any:
        while self.open:
            generator = self.open.pop()
            if inspect.isasyncgen(generator):
                value, error = await _ended(generator, value, error)
                continue
            self.open, rest = [generator], self.open
            try:
                value, error = super().end(value, error), None
            except BaseException as raised:
                error = raised
            finally:
                self.open = rest
        if error is not None:
            raise error
        return value


class CallPlan:
    """One function with its dependencies, the middleware, and its retry rules."""

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Signature,
        middleware: Sequence[Callable[[Context], Any]],
        overrides: dict[Any, Any],
        rules: Rules,
        lasting: Mapping[Any, Any],
        test: InTest | None = None,
        returns_of: Callable[[str], Value] | None = None,
    ) -> None:
        self.function = function
        self.test = test
        #: How the values of the functions of the application are read, by their names.
        self.returns_of = returns_of
        self.signature = signature
        self.is_async = is_async(function)
        self.needs = needs_of(signature, signature.namespace)
        self.middleware = list(middleware)
        self.overrides = overrides
        self.rules = rules
        self.lasting = lasting
        self.is_bare = not (signature.injects or self.middleware or rules.soft_timeout)
        if not may_be_async(function):
            for name, (need, _) in self.needs.items():
                if need.is_async:
                    message = f"{_name(function)} is no async function, and its dependency {name} is"
                    raise ConfigError(f"{message}: make both async, or none")

    def _assemble(self, named: dict[str, Any], context: Context, made: dict[str, Any]) -> Any:
        return self.signature.assemble(named | dict.fromkeys(self.signature.contexts, context) | made)

    def call(self, context: Context, named: dict[str, Any], wait: Wait) -> Any:
        """Runs a ``def`` function with these arguments. Its middleware may be async; `wait` awaits it."""
        begun = time.monotonic()
        scope = Scope(context, self.overrides, self.lasting, wait)
        value, error = None, None
        try:
            for middleware in self.middleware:
                scope.begin(middleware(context))
            args, kwargs = self._assemble(named, context, scope.solve(self.needs))
            # Only the function is interrupted: set-up and tear-down keep their order whatever happens.
            with alarm(self._soft_left(begun)) as soft:
                value = self.function(*args, **kwargs)
                if is_coroutine(value):
                    # An async function, wrapped by a decorator that is not async.
                    context._is_async = True
                    value = awaited(context._run, value, wait, soft.disarm())
        except BaseException as raised:
            error = raised
        return scope.end(value, error)

    def _soft_left(self, begun: float) -> float | None:
        """The seconds until the soft timeout of a run that has begun at this time."""
        seconds = self.rules.soft_timeout
        return None if seconds is None else max(0.001, begun + seconds - time.monotonic())

    async def call_async(self, context: Context, named: dict[str, Any]) -> Any:
        """Runs an ``async def`` function with these arguments."""
        begun = time.monotonic()
        scope = AsyncScope(context, self.overrides, self.lasting)
        value, error = None, None
        try:
            for middleware in self.middleware:
                if inspect.isasyncgenfunction(middleware):
                    await scope.begin_async(middleware(context))
                else:
                    scope.begin(middleware(context))
            args, kwargs = self._assemble(named, context, await scope.solve_async(self.needs))
            called, soft = self.function(*args, **kwargs), self._soft_left(begun)
            value = await (called if soft is None else softly(called, soft, context._run))
        except BaseException as raised:
            error = raised
        return await scope.end_async(value, error)


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", repr(function))
