"""Checks of the callers' arguments before they go to the Rust side: the refusal of a wrong type names the argument.

The Rust side makes its refusals of Python values by these functions too, so that all refusals have one form.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from omniq._equivalents import option
from omniq.errors import ConfigError, InvalidError, OmniQError

T = TypeVar("T")

#: The largest `limit` of a page or a cleanup.
MOST = 2**32 - 1
#: The remedy for a bad span; the Rust side uses the same text.
SPAN = "give seconds, 0 to 100 years, or a timedelta"
LEASE = "give seconds, at least 0.1 and at most 100 years, or a timedelta"
#: The exclusive upper bound of spans, in seconds, above which the Rust side gets none.
_LONGEST = 2.0**63
#: The largest worker id, which has 64 bits.
_WORKERS = 2**63 - 1
#: How many characters of a value are shown.
_SHOWN = 60
#: Signs of a database address, which may hold a password; the same as for settings.
_SECRET = ("@", "://", "password", "=")


def shown(value: object) -> str | None:
    """A plain value as messages show it; ``None`` for other values, which may hold payloads and are not shown."""
    if isinstance(value, date | timedelta):
        return str(value)
    if not isinstance(value, str | int | float | complex | UUID | None):
        return None
    try:
        text = repr(value)
    except Exception:
        # Python refuses to write an integer of more than 4300 digits.
        return f"({value.bit_length()} bits)" if isinstance(value, int) else None
    if isinstance(value, str) and any(sign in text.lower() for sign in _SECRET):
        return "(not shown, as it may hold a password)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def refused(name: str, value: object, remedy: str, is_shown: bool = True) -> OmniQError:
    """The error for a value of a wrong type. `is_shown` must be false if the value may be a payload."""
    text = shown(value) if is_shown else None
    named = name if text is None else f"{name} = {text}"
    return InvalidError(f"{named} is refused, being of type {type(value).__name__}: {remedy}")


def beyond(name: str, value: object, remedy: str) -> OmniQError:
    """The error for a value outside its bounds."""
    return InvalidError(f"{name} = {shown(value)} is refused: {remedy}")


def check_options(
    given: Iterable[str], known: Iterable[str], owner: str, of_task: Iterable[str] = (), of_call: Iterable[str] = ()
) -> None:
    """Refuses options that do not exist. The error names the known option that is most similar, if one is, and says of an
    option that is in `of_task` that a task has it, and of one in `of_call` that a call has it."""
    names, of_task, of_call = list(known), set(of_task), set(of_call)
    for name in given:
        if name not in names:
            meant = difflib.get_close_matches(str(name), names, n=1)
            hint = option(name) or (f"{meant[0]} was meant, perhaps; " if meant else "")
            if name in of_task:
                hint = f"it is an option of the task, @app.task({name}=…); "
            elif name in of_call:
                hint = f"it is an option of one call, f.with_options({name}=…).enqueue(…); "
            raise ConfigError(f"{owner} has no option {name}: {hint}known are {', '.join(names)}")


def an(value: T, kind: type[Any] | tuple[type[Any], ...], name: str, remedy: str) -> T:
    """The value; an error unless it is of this type."""
    if not isinstance(value, kind):
        raise refused(name, value, remedy, is_shown=False)
    return value


def a_flag(value: bool, name: str) -> bool:
    """The flag; an error unless it is a `bool`: Python takes the text "false" for true."""
    if not isinstance(value, bool):
        raise refused(name, value, "give True or False")
    return value


def an_id(value: UUID, name: str = "id") -> UUID:
    """The id; an error unless it is a `UUID`."""
    if not isinstance(value, UUID):
        raise refused(name, value, "give a UUID; of a text, uuid.UUID(text) makes one")
    return value


def an_id_or_text(value: UUID | str, name: str = "id") -> UUID:
    """The id, which may be written as a text, as in JSON."""
    if not isinstance(value, str):
        return an_id(value, name)
    try:
        return UUID(value)
    except ValueError:
        raise beyond(name, value, "give a UUID or the text of one, such as str(handle.id)") from None


def a_worker(value: int) -> int:
    """The id of a worker; an error unless it is an integer of 64 bits."""
    remedy = "give the number that register_worker has given"
    if not isinstance(value, int):
        raise refused("worker", value, remedy)
    if not -_WORKERS <= value <= _WORKERS:
        raise beyond("worker", value, remedy)
    return value


def many_ids(values: Iterable[UUID]) -> list[UUID]:
    """The ids; an error unless each is a `UUID`."""
    return [an_id(value, f"ids[{place}]") for place, value in enumerate(several(values, "ids", "UUIDs", is_shown=True))]


def several(values: Iterable[T], name: str, what: str, is_shown: bool = False) -> list[T]:
    """The values as a list. A text is refused, although Python can iterate over its letters."""
    if isinstance(values, str | bytes | dict):
        raise refused(name, values, f"give a list of {what}", is_shown)
    try:
        # Only `iter` is guarded: what the caller's generator raises passes through.
        given = iter(values)
    except TypeError:
        raise refused(name, values, f"give a list of {what}", is_shown) from None
    return list(given)


def all_of(values: Iterable[T], kind: type[Any], name: str, remedy: str) -> list[T]:
    """The values as a list; an error unless each is of this type."""
    found = several(values, name, kind.__name__)
    for place, value in enumerate(found):
        if not isinstance(value, kind):
            raise refused(f"{name}[{place}]", value, remedy, is_shown=False)
    return found


def a_text(value: str, name: str) -> str:
    """The text; an error unless it is a `str` that UTF-8 can hold."""
    if not isinstance(value, str):
        raise refused(name, value, "give a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        words = 'it is not valid UTF-8: give another, such as by text.encode(errors="replace").decode()'
        raise InvalidError(f"{name} = {value!r} is refused: {words}") from None
    return value


def a_text_or_none(value: str | None, name: str) -> str | None:
    """As `a_text`, but ``None`` is accepted."""
    return None if value is None else a_text(value, name)


def texts(values: str | Iterable[str], name: str) -> list[str]:
    """One text or several texts, as a list."""
    if isinstance(values, str):
        return [a_text(values, name)]
    return [
        a_text(value, f"{name}[{place}]") for place, value in enumerate(several(values, name, "names", is_shown=True))
    ]


def a_span(value: float | timedelta, name: str, remedy: str = SPAN) -> float | timedelta:
    """The span; an error unless it is a number of seconds or a `timedelta`, and not negative."""
    if not isinstance(value, int | float | timedelta):
        raise refused(name, value, remedy)
    if not 0 <= (value.total_seconds() if isinstance(value, timedelta) else value) < _LONGEST:
        raise beyond(name, value, remedy)
    return value


def a_number(value: int, name: str, first: int = 0, last: int = MOST) -> int:
    """The whole number; an error unless it lies within these bounds, both inclusive."""
    if not isinstance(value, int):
        raise refused(name, value, f"give a whole number, {first} to {last}")
    if not first <= value <= last:
        raise beyond(name, value, f"give {first} to {last}")
    return value
