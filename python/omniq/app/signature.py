"""The parameters of a function: those whose arguments travel with a task, and those that the worker fills."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any, NamedTuple

import msgspec

from omniq.app.callables import has_partial, inner, innermost
from omniq.app.constraints import understood
from omniq.app.context import Context
from omniq.app.depends import Dependency, dependency_of, is_injected
from omniq.errors import ConfigError

#: The class of the aliases that a ``type`` statement makes, from Python 3.12 on.
_ALIAS: type | None = getattr(typing, "TypeAliasType", None)


class TaskParameter(NamedTuple):
    """A parameter whose argument travels with the task."""

    name: str
    kind: Any
    type: Any
    required: bool


class Signature:
    """The parameters of a function, sorted by the source of their arguments."""

    def __init__(self, function: Callable[..., Any], namespace: dict[str, Any] | None = None) -> None:
        self.function = function
        self.namespace = namespace
        self.plain = _plain_signature(function)
        hints = _hints(function, namespace)
        self.returns: Any = _checked(hints.get("return", Any), "the value", function)
        self.parameters: list[TaskParameter] = []
        self.contexts: list[str] = []
        self.dependencies: dict[str, Dependency] = {}
        for name, parameter in self.plain.parameters.items():
            hint = _resolved(hints.get(name, Any), function)
            dependency = dependency_of(hint, parameter.default)
            if dependency is not None:
                self.dependencies[name] = dependency
            elif _is_context(hint):
                self.contexts.append(name)
            elif is_injected(parameter.default):
                remedy = "annotate it with Context, or Annotated[…, Depends(…)], or give it another default"
                raise ConfigError(
                    f"parameter {name} of {_name(function)} is injected, and its annotation names nothing to inject: {remedy}"
                )
            else:
                required = parameter.default is Parameter.empty
                hint = _plain(_checked(hint, f"parameter {name}", function))
                self.parameters.append(TaskParameter(name, parameter.kind, hint, required))

    @property
    def injects(self) -> bool:
        """Whether the worker fills any parameter."""
        return bool(self.contexts or self.dependencies)

    @property
    def first_required(self) -> str | None:
        """The first parameter without whose argument no task can be enqueued; ``None``: there is none."""
        rest = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        return next((one.name for one in self.parameters if one.required and one.kind not in rest), None)

    def of_enqueue(self) -> inspect.Signature:
        """The signature of an enqueue: without the parameters that the worker fills."""
        parameters = self.plain.parameters
        return inspect.Signature([parameters[one.name] for one in self.parameters])

    def assemble(self, named: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The call with these values by name. Missing values must have a default."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        has_rest = any(one.kind is Parameter.VAR_POSITIONAL for one in self.plain.parameters.values())
        for name, parameter in self.plain.parameters.items():
            if parameter.kind is Parameter.VAR_POSITIONAL:
                positional.extend(named.get(name, ()))
            elif parameter.kind is Parameter.VAR_KEYWORD:
                keywords.update(named.get(name, {}))
            elif parameter.kind is Parameter.POSITIONAL_ONLY or (
                has_rest and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
            ):
                positional.append(named.get(name, parameter.default))
            elif name in named:
                keywords[name] = named[name]
        return positional, keywords


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _plain_signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError) as error:
        remedy = "wrap it in a def function, and make a task of that"
        raise ConfigError(f"the parameters of {_name(function)} cannot be read ({error}): {remedy}") from error
    first = next(iter(found.parameters), None)
    owner, _, name = _name(innermost(function)).rpartition(".")
    if first in ("self", "cls") and owner and not owner.endswith("<locals>"):
        remedy = f"make a task of the method of an object: app.task({owner.rpartition('.')[2]}(…).{name})"
        raise ConfigError(f"{_name(function)} is a method, and no worker has an object for its {first}: {remedy}")
    return found


def _resolved(hint: Any, function: Any) -> Any:
    """The type that an alias of a ``type`` statement stands for."""
    try:
        while _ALIAS is not None:
            if isinstance(hint, _ALIAS):
                hint = hint.__value__  # type: ignore[attr-defined]
            elif isinstance(typing.get_origin(hint), _ALIAS):
                hint = typing.get_origin(hint).__value__[typing.get_args(hint)]
            else:
                break
    except NameError as error:
        raise _unreadable(function, error) from error
    return hint


def _unreadable(function: Any, error: NameError) -> ConfigError:
    message = f"an annotation of {_name(function)} cannot be read ({error}): import what it names at run time"
    return ConfigError(message)


def _hints(function: Callable[..., Any], namespace: dict[str, Any] | None) -> dict[str, Any]:
    # A decorator around a partial has the partial's signature, but its own annotations.
    target = inner(innermost(function)) if has_partial(function) else inner(function)
    if isinstance(target, type):
        target = target.__init__  # type: ignore[misc]
    try:
        # The parameters of ``def f[T](…)``, which Python 3.12 does not look up itself.
        variables = {one.__name__: one for one in getattr(target, "__type_params__", ())}
        return typing.get_type_hints(target, localns={**variables, **(namespace or {})} or None, include_extras=True)
    except NameError as error:
        raise _unreadable(function, error) from error


def _checked(hint: Any, what: str, function: Any) -> Any:
    try:
        return understood(hint)
    except ValueError as error:
        raise ConfigError(f"the annotation of {what} of {_name(function)} cannot be used here: {error}") from error


def _plain(hint: Any) -> Any:
    """The hint without the metadata of `Annotated`, unless it is msgspec's own."""
    return hint if typing.get_origin(hint) is not Annotated or _is_for_msgspec(hint) else hint.__origin__


def _is_for_msgspec(hint: Any) -> bool:
    return any(isinstance(note, msgspec.Meta) for note in hint.__metadata__)


def _is_context(hint: Any) -> bool:
    if typing.get_origin(hint) is Annotated:
        hint = hint.__origin__
    if isinstance(hint, type):
        return issubclass(hint, Context)
    return any(_is_context(part) for part in typing.get_args(hint) if part is not type(None)) and (
        typing.get_origin(hint) in (typing.Union, types.UnionType)
    )
