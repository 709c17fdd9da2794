"""What callers give, looked at before it goes to the Rust side: a wrong type is refused by the name of its argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from omniq.errors import OmniQError

T = TypeVar("T")

#: The most that a page or a sweep may ask for.
MOST = 2**32 - 1


def refused(name: str, value: object, remedy: str) -> OmniQError:
    """The error for a value of a wrong type; it does not show the value, which may be a payload."""
    return OmniQError(f"{name} is refused, being of type {type(value).__name__}: {remedy}", "invalid")


def an(value: T, kind: type[Any] | tuple[type[Any], ...], name: str, remedy: str) -> T:
    """The value, if it is of this type."""
    if not isinstance(value, kind):
        raise refused(name, value, remedy)
    return value


def an_id(value: UUID, name: str = "id") -> UUID:
    """The id, if it is one."""
    return (
        value if isinstance(value, UUID) else an(value, UUID, name, "give a UUID; of a text, uuid.UUID(text) makes one")
    )


def many_ids(values: Iterable[UUID]) -> list[UUID]:
    """The ids, if all are."""
    return [an_id(value, f"ids[{place}]") for place, value in enumerate(several(values, "ids", "UUIDs"))]


def several(values: Iterable[T], name: str, what: str) -> list[T]:
    """A list of what was given. A text is none, although Python takes it for one of letters."""
    if isinstance(values, str | bytes | dict):
        raise refused(name, values, f"give a list of {what}")
    try:
        # Not the whole list: what a generator of the user's raises is its own.
        given = iter(values)
    except TypeError:
        raise refused(name, values, f"give a list of {what}") from None
    return list(given)


def all_of(values: Iterable[T], kind: type[Any], name: str, remedy: str) -> list[T]:
    """A list of what was given, if each is of this type."""
    found = several(values, name, kind.__name__)
    for place, value in enumerate(found):
        if not isinstance(value, kind):
            raise refused(f"{name}[{place}]", value, remedy)
    return found


def a_text(value: str, name: str) -> str:
    """The text, if it is one that UTF-8 can hold."""
    if not isinstance(value, str):
        raise refused(name, value, "give a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        words = 'it is not valid UTF-8: give another, such as by text.encode(errors="replace").decode()'
        raise OmniQError(f"{name} = {value!r} is refused: {words}", "invalid") from None
    return value


def a_text_or_none(value: str | None, name: str) -> str | None:
    """The same where nothing need be given."""
    return None if value is None else a_text(value, name)


def texts(values: str | Iterable[str], name: str) -> list[str]:
    """One text or several, as a list."""
    if isinstance(values, str):
        return [a_text(values, name)]
    return [a_text(value, f"{name}[{place}]") for place, value in enumerate(several(values, name, "names"))]


def a_span(value: float | timedelta, name: str) -> float | timedelta:
    """The span, if it is one: seconds that are not negative, or a `timedelta`."""
    an(value, (int, float, timedelta), name, "give seconds or a timedelta")
    if not (value.total_seconds() if isinstance(value, timedelta) else value) >= 0:
        raise OmniQError(f"{name} = {value} is refused: give seconds that are not negative, or a timedelta", "invalid")
    return value


def a_number(value: int, name: str, first: int = 0, last: int = MOST) -> int:
    """The whole number, if it lies within these bounds."""
    if not isinstance(value, int):
        raise refused(name, value, f"give a whole number, {first} to {last}")
    if not first <= value <= last:
        raise OmniQError(f"{name} = {value} is refused: give {first} to {last}", "invalid")
    return value
