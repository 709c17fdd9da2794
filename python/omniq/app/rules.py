"""The retry rules of a function: whether an exception of a run is followed by a retry, and when."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from omniq._checks import a_span, an, beyond, refused, shown
from omniq.app.callables import may_be_async
from omniq.app.context import Context
from omniq.app.exceptions import OUTCOMES, SoftTimeout
from omniq.errors import ConfigError, InvalidError

__all__ = ["ErrorTypes", "RetryWhen", "Rules"]

#: One exception type, or several.
ErrorTypes: TypeAlias = type[BaseException] | Sequence[type[BaseException]]
#: A function that decides about an exception: ``True``: the task is retried after its backoff; a span: it is retried after
#: that; ``False``: it becomes a dead letter; ``None``: the exception's type decides.
RetryWhen: TypeAlias = Callable[[BaseException, Context], bool | float | timedelta | None]

#: The options that a worker reads in its function. They do not travel with tasks.
RULES = ("retry_on", "dead_on", "retry_when", "soft_timeout")


class Rules:
    """The rules of one function, made of its options.

    Raises:
        InvalidError: For a bad value, naming the option.
        ConfigError: For a type that is in both `retry_on` and `dead_on`.
    """

    __slots__ = ("_dead_on", "_retry_on", "_retry_when", "decides", "soft_timeout")

    def __init__(self, options: Mapping[str, Any]) -> None:
        retry_on, self._dead_on = _types(options, "retry_on"), _types(options, "dead_on") or ()
        both = [one for one in retry_on or () if one in self._dead_on]
        if both:
            raise ConfigError(f"{both[0].__name__} is in retry_on and in dead_on: leave it in one of them")
        self._retry_on = retry_on
        self._retry_when: RetryWhen | None = options.get("retry_when")
        if self._retry_when is not None and not _is_rule(self._retry_when):
            remedy = "give a def function of the exception and the Context, which returns True, False, a wait, or None"
            raise refused("retry_when", self._retry_when, remedy, is_shown=False)
        self.soft_timeout = _positive(options, "soft_timeout")
        timeout = options.get("timeout")
        # A wrong type is refused where the task's own options are read.
        if self.soft_timeout is not None and isinstance(timeout, int | float | timedelta):
            seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
            if self.soft_timeout >= seconds:
                words = f"give less than the timeout, {shown(timeout)}, or no soft_timeout"
                raise beyond("soft_timeout", options["soft_timeout"], words)
        #: Whether any rule differs from "every exception is retried".
        self.decides = bool(retry_on is not None or self._dead_on or self._retry_when)

    def decide(self, error: BaseException, context: Context) -> bool | float | timedelta:
        """Whether a retry follows, or the wait before it. Of the types in the two lists, the one that is nearest to the
        exception's own type decides; if there is none, only an exception of a function without `retry_on` is
        retried. A soft timeout is retried as a timeout is, unless a list names it.

        Raises:
            InvalidError: If `retry_when` returns anything else. What it raises passes through.
        """
        if self._retry_when is not None:
            found = self._retry_when(error, context)
            if isinstance(found, bool):
                return found
            if found is not None:
                return a_span(found, "the answer of retry_when", "give True, False, seconds, a timedelta, or None")
        for kind in type(error).__mro__:
            if kind in self._dead_on:
                return False
            if self._retry_on is not None and kind in self._retry_on:
                return True
        return self._retry_on is None or isinstance(error, SoftTimeout)


def _is_rule(given: Any) -> bool:
    """Whether it is a blocking function that can be called with two arguments."""
    if not callable(given) or may_be_async(given):
        return False
    try:
        inspect.signature(given).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        # A function in C, whose parameters are not known.
        return True
    return True


def _types(options: Mapping[str, Any], name: str) -> tuple[type[BaseException], ...] | None:
    given = options.get(name)
    if given is None:
        return None
    remedy = "give an exception type, or a tuple of them, such as (OSError, TimeoutError)"
    found = given if isinstance(given, tuple | list) else (given,)
    for one in found:
        if not (inspect.isclass(one) and issubclass(one, BaseException)):
            raise refused(name, one, remedy, is_shown=False)
        if issubclass(one, OUTCOMES):
            raise InvalidError(
                f"{name} with {one.__name__} is refused: this exception says itself what becomes of the task"
            )
    return tuple(found)


def _positive(options: Mapping[str, Any], name: str) -> float | None:
    given = options.get(name)
    if given is None:
        return None
    remedy = "give seconds, more than 0 and at most 100 years, or a timedelta"
    an(a_span(given, name, remedy), (int, float, timedelta), name, remedy)
    seconds = given.total_seconds() if isinstance(given, timedelta) else float(given)
    if not 0 < seconds <= 3_153_600_000:
        raise beyond(name, given, remedy)
    return seconds
