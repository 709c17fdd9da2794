"""Dependencies: values that the worker makes for each run of a task, with set-up and tear-down."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from omniq.errors import ConfigError

__all__ = ["Depends", "injected"]


@dataclass(frozen=True)
class Dependency:
    """The function that makes a value, and whether the value is shared within a run."""

    function: Callable[..., Any]
    use_cache: bool = True


class _Injected:
    def __repr__(self) -> str:
        return "injected"


#: A default for parameters that the worker fills, so that type checkers do not ask for them at ``enqueue``.
injected: Any = _Injected()


def Depends(function: Callable[..., Any], *, use_cache: bool = True) -> Any:
    """Names the function that makes an argument at the start of each run.

    ``Annotated[Session, Depends(get_session)]`` as the annotation, with ``= injected`` as the default, or
    ``session: Session = Depends(get_session)``.

    Args:
        function: A function, an async function, or a generator function of either kind. A generator yields the value;
            its code after the ``yield`` is the tear-down, which also gets the exception of a failed run. Its parameters
            may be a `Context` and other dependencies. A ``def`` task takes no async ones. In an ``async def`` task,
            plain functions run on the event loop, so they should be quick.
        use_cache: Whether the function is called only once in a run that needs it several times. Default: true.

    Raises:
        ConfigError: If `function` is not callable.
    """
    if not callable(function):
        kind = type(function).__name__
        raise ConfigError(f"Depends takes the function that makes the value, not a value of type {kind}")
    return Dependency(function, use_cache)


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
