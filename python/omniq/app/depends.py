"""Dependencies: values that the worker makes for each run, or once for all, with set-up and tear-down."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from omniq.errors import ConfigError

__all__ = ["Depends", "injected"]


@dataclass(frozen=True)
class Dependency:
    """The function that makes a value, whether the value is shared within a run, and how long it lives."""

    function: Callable[..., Any]
    use_cache: bool = True
    scope: Scope = "run"


#: How long a value lives: ``"run"``: as long as a run; ``"worker"``: as long as a process of the worker.
Scope = Literal["run", "worker"]


class _Injected:
    def __repr__(self) -> str:
        return "injected"


#: A default for parameters that the worker fills, so that type checkers do not ask for them at ``enqueue``.
injected: Any = _Injected()


def Depends(function: Callable[..., Any], *, use_cache: bool = True, scope: Scope = "run") -> Any:
    """Names the function that makes an argument: at the start of each run, or of each process of a worker.

    ``Annotated[Session, Depends(get_session)]`` as the annotation, with ``= injected`` as the default, or
    ``session: Session = Depends(get_session)``.

    Args:
        function: A function, an async function, or a generator function of either kind. A generator yields the value;
            its code after the ``yield`` is the tear-down, which also gets the exception of a failed run. Its parameters
            may be a `Context` and other dependencies. A ``def`` task takes no async ones. In an ``async def`` task,
            plain functions run on the event loop, so they should be quick.
        use_cache: Whether the function is called only once in a run that needs it several times. Default: true.
        scope: How long the value lives. ``"run"``: it is made for each run. ``"worker"``: it is made once in each process
            of a worker, on its event loop, before the worker claims tasks (in a process of ``process=True`` tasks: before
            the first run that needs it), and torn down after the last run; for pools, clients and models. All runs
            share it, so it must suit threads if ``def`` tasks use it. Its function may depend on others of this scope, may
            be async for ``def`` tasks too, and takes no `Context`. Default: ``"run"``.

    Raises:
        ConfigError: If `function` is not callable, and for another scope.
    """
    if not callable(function):
        kind = type(function).__name__
        raise ConfigError(f"Depends takes the function that makes the value, not a value of type {kind}")
    if scope not in get_args(Scope):
        raise ConfigError(f"scope = {scope!r} is refused: give 'run' or 'worker'")
    return Dependency(function, use_cache, scope)


def dependency_of(hint: Any, default: Any) -> Dependency | None:
    """The dependency that a parameter names; ``None`` if it names none."""
    if isinstance(default, Dependency):
        return default
    if typing.get_origin(hint) is Annotated:
        return next((note for note in hint.__metadata__ if isinstance(note, Dependency)), None)
    return None


def is_injected(default: Any) -> bool:
    """Whether a default is the placeholder `injected`."""
    return default is injected
