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
from omniq.app.context import Context
from omniq.app.depends import Dependency, dependency_of, is_injected
from omniq.errors import ConfigError


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
        self.plain = inspect.signature(function)
        hints = _hints(function, namespace)
        self.returns: Any = hints.get("return", Any)
        self.parameters: list[TaskParameter] = []
        self.contexts: list[str] = []
        self.dependencies: dict[str, Dependency] = {}
        for name, parameter in self.plain.parameters.items():
            hint = hints.get(name, Any)
            dependency = dependency_of(hint, parameter.default)
            if dependency is not None:
                self.dependencies[name] = dependency
            elif _is_context(hint):
                self.contexts.append(name)
            else:
                required = parameter.default is Parameter.empty or is_injected(parameter.default)
                self.parameters.append(TaskParameter(name, parameter.kind, _plain(hint), required))

    @property
    def injects(self) -> bool:
        """Whether the worker fills any parameter."""
        return bool(self.contexts or self.dependencies)

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


def _hints(function: Callable[..., Any], namespace: dict[str, Any] | None) -> dict[str, Any]:
    # A decorator around a partial has the partial's signature, but its own annotations.
    target = inner(innermost(function)) if has_partial(function) else inner(function)
    if isinstance(target, type):
        target = target.__init__  # type: ignore[misc]
    try:
        return typing.get_type_hints(target, localns=namespace, include_extras=True)
    except NameError as error:
        name = getattr(function, "__qualname__", repr(function))
        message = f"an annotation of {name} cannot be read ({error}): import what it names at run time"
        raise ConfigError(message) from error


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
