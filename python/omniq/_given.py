"""What callers give, looked at before it goes to the Rust side: a wrong type is refused by the name of its argument.

The Rust side makes its own refusals of values of Python here, so that all are of one form.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from omniq.errors import ConfigError, InvalidError, OmniQError

T = TypeVar("T")

#: The most that a page or a sweep may ask for.
MOST = 2**32 - 1
#: What spans may be; the Rust side says the same.
SPAN = "give seconds, 0 to 100 years, or a timedelta"
LEASE = "give seconds, at least 0.1 and at most 100 years, or a timedelta"
#: No longer span is handed on.
_LONGEST = 2.0**63
#: The number of a worker is one of 64 bits.
_WORKERS = 2**63 - 1
#: How much of a value is shown.
_SHOWN = 60
#: Signs of a database's address, which may hold a password; the same as for settings.
_SECRET = ("@", "://", "password", "=")


def shown(value: object) -> str | None:
    """A value as a message shows it, if it is a plain one. Others may hold payloads: they are not shown."""
    if isinstance(value, date | timedelta):
        return str(value)
    if not isinstance(value, str | int | float | complex | UUID | None):
        return None
    try:
        text = repr(value)
    except Exception:
        # Python writes no integer of more than 4300 digits.
        return f"({value.bit_length()} bits)" if isinstance(value, int) else None
    if isinstance(value, str) and any(sign in text.lower() for sign in _SECRET):
        return "(not shown, as it may hold a password)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def refused(name: str, value: object, remedy: str, is_shown: bool = True) -> OmniQError:
    """The error for a value of a wrong type. Where it may be a payload, it is not to be shown."""
    text = shown(value) if is_shown else None
    named = name if text is None else f"{name} = {text}"
    return InvalidError(f"{named} is refused, being of type {type(value).__name__}: {remedy}")


def beyond(name: str, value: object, remedy: str) -> OmniQError:
    """The error for a value that is not within its bounds."""
    return InvalidError(f"{name} = {shown(value)} is refused: {remedy}")


def check_options(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuses options that do not exist, and names the one that was meant if it is similar."""
    names = list(known)
    for name in given:
        if name not in names:
            meant = difflib.get_close_matches(str(name), names, n=1)
            hint = f"{meant[0]} was meant, perhaps; " if meant else ""
            raise ConfigError(f"{owner} has no option {name}: {hint}known are {', '.join(names)}")


def an(value: T, kind: type[Any] | tuple[type[Any], ...], name: str, remedy: str) -> T:
    """The value, if it is of this type."""
    if not isinstance(value, kind):
        raise refused(name, value, remedy, is_shown=False)
    return value


def a_flag(value: bool, name: str) -> bool:
    """The flag, if it is one: of the text "false" Python would say that it is true."""
    if not isinstance(value, bool):
        raise refused(name, value, "give True or False")
    return value


def an_id(value: UUID, name: str = "id") -> UUID:
    """The id, if it is one."""
    if not isinstance(value, UUID):
        raise refused(name, value, "give a UUID; of a text, uuid.UUID(text) makes one")
    return value


def a_worker(value: int) -> int:
    """The number of a worker, if it can be one."""
    remedy = "give the number that register_worker has given"
    if not isinstance(value, int):
        raise refused("worker", value, remedy)
    if not -_WORKERS <= value <= _WORKERS:
        raise beyond("worker", value, remedy)
    return value


def many_ids(values: Iterable[UUID]) -> list[UUID]:
    """The ids, if all are."""
    return [an_id(value, f"ids[{place}]") for place, value in enumerate(several(values, "ids", "UUIDs", is_shown=True))]


def several(values: Iterable[T], name: str, what: str, is_shown: bool = False) -> list[T]:
    """A list of what was given. A text is none, although Python takes it for one of letters."""
    if isinstance(values, str | bytes | dict):
        raise refused(name, values, f"give a list of {what}", is_shown)
    try:
        # Not the whole list: what a generator of the user's raises is its own.
        given = iter(values)
    except TypeError:
        raise refused(name, values, f"give a list of {what}", is_shown) from None
    return list(given)


def all_of(values: Iterable[T], kind: type[Any], name: str, remedy: str) -> list[T]:
    """A list of what was given, if each is of this type."""
    found = several(values, name, kind.__name__)
    for place, value in enumerate(found):
        if not isinstance(value, kind):
            raise refused(f"{name}[{place}]", value, remedy, is_shown=False)
    return found


def a_text(value: str, name: str) -> str:
    """The text, if it is one that UTF-8 can hold."""
    if not isinstance(value, str):
        raise refused(name, value, "give a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        words = 'it is not valid UTF-8: give another, such as by text.encode(errors="replace").decode()'
        raise InvalidError(f"{name} = {value!r} is refused: {words}") from None
    return value


def a_text_or_none(value: str | None, name: str) -> str | None:
    """The same where nothing need be given."""
    return None if value is None else a_text(value, name)


def texts(values: str | Iterable[str], name: str) -> list[str]:
    """One text or several, as a list."""
    if isinstance(values, str):
        return [a_text(values, name)]
    return [
        a_text(value, f"{name}[{place}]") for place, value in enumerate(several(values, name, "names", is_shown=True))
    ]


def a_span(value: float | timedelta, name: str, remedy: str = SPAN) -> float | timedelta:
    """The span, if it is one: seconds that are not negative, or a `timedelta`."""
    if not isinstance(value, int | float | timedelta):
        raise refused(name, value, remedy)
    if not 0 <= (value.total_seconds() if isinstance(value, timedelta) else value) < _LONGEST:
        raise beyond(name, value, remedy)
    return value


def a_number(value: int, name: str, first: int = 0, last: int = MOST) -> int:
    """The whole number, if it lies within these bounds."""
    if not isinstance(value, int):
        raise refused(name, value, f"give a whole number, {first} to {last}")
    if not first <= value <= last:
        raise beyond(name, value, f"give {first} to {last}")
    return value
