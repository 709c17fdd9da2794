"""How long a failed task waits before it runs again."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Final

import msgspec

from omniq import _omniq
from omniq.errors import InvalidError
from omniq.models.base import Model

__all__ = ["Backoff"]


#: The longest wait where none is given, in seconds.
_LONGEST: Final = 3600.0


class Backoff(Model, frozen=True, kw_only=True):
    """The wait before a retry: ``initial * factor ** (retry - 1) + step * (retry - 1)``, at most ``max``, or the one that
    stands at its place in ``waits``; then lengthened by a random share of up to ``jitter``, so that tasks that failed
    together do not come back together.

    `fixed`, `linear`, `exponential` and `list` make the usual forms.

    >>> Backoff(initial=5, factor=3).factor
    3

    Args:
        initial (float): The wait before the first retry, in seconds: 0 to 100 years. Default: 1 second.
        factor (float): The factor from each wait to the next: 1 to 1000. Default: 2.
        step (float): What each wait is longer than the one before, besides the factor, in seconds: 0 to 100 years.
            Default: 0.
        max (float): The longest wait, before jitter, in seconds: 0 to 100 years. Default: an hour.
        waits (tuple[float, ...]): The wait before each retry, in seconds, at most 100; the last one stands for all
            further ones. If there are any, `initial`, `factor`, `step` and `max` have no effect. Default: none.
        jitter (float): The largest random addition, as a share of the wait: 0 to 1. Default: 0.2.

    Raises:
        InvalidError: For a value outside its bounds.
    """

    #: The wait before the first retry, in seconds: 0 to 100 years. Default: 1 second.
    initial: float = 1.0
    #: The factor from each wait to the next: 1 to 1000. Default: 2.
    factor: float = 2.0
    #: What each wait is longer than the one before, besides the factor, in seconds: 0 to 100 years. Default: 0.
    step: float = 0.0
    #: The longest wait, before jitter, in seconds: 0 to 100 years. Default: an hour.
    max: float = _LONGEST
    #: The wait before each retry, in seconds, at most 100; the last one stands for all further ones. If there are any,
    #: `initial`, `factor`, `step` and `max` have no effect. Default: none.
    waits: tuple[float, ...] = ()
    #: The largest random addition, as a share of the wait: 0 to 1. Default: 0.2.
    jitter: float = 0.2

    def __post_init__(self) -> None:
        _omniq.check_backoff(self)

    @classmethod
    def fixed(cls, wait: float | timedelta, *, jitter: float = 0.0) -> Backoff:
        """The same wait each time.

        Args:
            wait: The wait, in seconds or as `timedelta`.
            jitter: The largest random addition, as a share of the wait: 0 to 1. Default: 0.
        """
        seconds = _seconds(wait)
        return cls(initial=seconds, factor=1.0, max=seconds, jitter=jitter)

    @classmethod
    def linear(cls, step: float | timedelta, *, max: float | timedelta | None = None, jitter: float = 0.2) -> Backoff:
        """`step` before the first retry, and `step` more before each further one.

        >>> Backoff.linear(10, max=60)
        Backoff(initial=10, factor=1.0, step=10, max=60, waits=(), jitter=0.2)

        Args:
            step: The first wait, and what each wait is longer than the one before, in seconds or as `timedelta`.
            max: The longest wait, before jitter, in seconds or as `timedelta`. Default: an hour, or the first wait if that
                is longer.
            jitter: The largest random addition, as a share of the wait: 0 to 1. Default: 0.2.
        """
        seconds = _seconds(step)
        return cls(initial=seconds, factor=1.0, step=seconds, max=_longest(max, seconds), jitter=jitter)

    @classmethod
    def exponential(
        cls,
        initial: float | timedelta = 1,
        *,
        factor: float = 2.0,
        max: float | timedelta | None = None,
        jitter: float = 0.2,
    ) -> Backoff:
        """`initial` before the first retry, and `factor` times as long before each further one.

        Args:
            initial: The first wait, in seconds or as `timedelta`. Default: 1 second.
            factor: The factor from each wait to the next: 1 to 1000. Default: 2.
            max: The longest wait, before jitter, in seconds or as `timedelta`. Default: an hour, or the first wait if that
                is longer.
            jitter: The largest random addition, as a share of the wait: 0 to 1. Default: 0.2.
        """
        seconds = _seconds(initial)
        return cls(initial=seconds, factor=factor, max=_longest(max, seconds), jitter=jitter)

    @classmethod
    def list(cls, *waits: float | timedelta, jitter: float = 0.0) -> Backoff:
        """These waits, one after the other; the last one stands for all further ones.

        >>> Backoff.list(1, 60, timedelta(hours=1)).waits
        (1, 60, 3600.0)

        Args:
            waits: The waits, in seconds or as `timedelta`, 1 to 100 of them.
            jitter: The largest random addition, as a share of the wait: 0 to 1. Default: 0.
        """
        if not waits:
            raise InvalidError("Backoff.list() without a wait is refused: give at least one")
        return cls(waits=tuple(_seconds(wait) for wait in waits), jitter=jitter)


def _seconds(span: float | timedelta) -> float:
    """The span in seconds, in which a backoff keeps it. What is no span is refused by the backoff's own check."""
    return span.total_seconds() if isinstance(span, timedelta) else span


def _longest(given: float | timedelta | None, first: float) -> float:
    if given is not None:
        return _seconds(given)
    return max(_LONGEST, first) if isinstance(first, int | float) else first


DEFAULT_BACKOFF: Final = Backoff()


def make_backoff(
    initial: float, factor: float, step: float, max: float, waits: tuple[float, ...], jitter: float
) -> Backoff:
    """Makes a backoff without checks. For the Rust side, which passes checked values by position."""
    made = copy.copy(DEFAULT_BACKOFF)
    for name, value in zip(Backoff.__struct_fields__, (initial, factor, step, max, waits, jitter), strict=True):
        msgspec.structs.force_setattr(made, name, value)
    return made
