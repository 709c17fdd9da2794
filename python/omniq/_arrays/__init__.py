"""Arrays and frames as bytes of an open format: numpy arrays as npy; frames and series of pandas and polars, and tables of
pyarrow, as an Arrow IPC stream. Nothing is pickled.

They are written where an annotation names their type. In JSON the bytes are ``{"npy": "…"}`` or ``{"arrow": "…"}``, in
base64; msgpack has the bytes themselves. Only these modules know the four libraries, and they import one only for a
value or a type of it: then the caller has imported it before.
"""

from __future__ import annotations

import base64
import re
import sys
import typing
from datetime import datetime, timedelta
from typing import Any

import msgspec

__all__ = ["classes_in", "exact", "is_equal", "library_of", "read", "write"]

#: The classes of pandas that are subclasses of Python's `datetime` and `timedelta`.
_TIMES = ("Timestamp", "Timedelta")
#: A fraction of a second with nanoseconds.
_LONG_FRACTION = re.compile(r"\.\d{7}")

_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow")


def library_of(kind: Any) -> str | None:
    """Which of the four libraries a class, or a generic type with arguments, comes from; ``None`` if from none."""
    name: str = (typing.get_origin(kind) or kind).__module__.partition(".")[0]
    return name if name in _LIBRARIES else None


def classes_in(parts: list[Any]) -> frozenset[type]:
    """The classes of the four libraries among these parts of an annotation."""
    if not any(name in sys.modules for name in _LIBRARIES):
        return frozenset()
    return frozenset(part for part in parts if isinstance(part, type) and library_of(part) is not None)


def write(value: Any, named: frozenset[type]) -> Any:
    """What JSON or msgpack holds for a value of the four libraries: a dict of its format and its bytes. Numbers and texts of
    numpy are those of Python.

    Args:
        named: The classes that the annotation names.

    Raises:
        TypeError: For a value that the format cannot hold unchanged, and for one of a class that is not named.
    """
    kind, library = type(value), library_of(type(value))
    if library == "numpy":
        from omniq._arrays import npy

        if isinstance(value, npy.scalars()):
            return npy.write_scalar(value)
        _check_named(kind, named)
        return {"npy": npy.write(value)}
    if library == "pandas" and _is_time(value):
        # Where the annotation names it, nanoseconds are read again.
        return value.isoformat() if kind in named and _nanoseconds(value) else exact(value)
    _check_named(kind, named)
    from omniq._arrays import arrow

    return {"arrow": arrow.write(value)}


def _check_named(kind: type, named: frozenset[type]) -> None:
    if kind not in named:
        names = " and ".join(sorted(name_of(one) for one in named))
        raise TypeError(f"a {name_of(kind)} is given where the annotation names {names}: convert it")


def name_of(kind: type) -> str:
    """The class as messages name it, such as ``pandas.DataFrame``."""
    return f"{library_of(kind)}.{kind.__qualname__}"


def exact(value: Any) -> Any:
    """The Python value that equals a number, a text or a time of numpy or pandas.

    Raises:
        TypeError: If no Python value equals it, and for arrays and frames, which are written by annotation only.
    """
    kind, library = type(value), library_of(type(value))
    if library == "numpy":
        from omniq._arrays import npy

        if isinstance(value, npy.scalars()):
            return npy.exact(value)
    if library == "pandas" and _is_time(value):
        if not _nanoseconds(value):
            return value.to_pydatetime() if kind.__name__ == "Timestamp" else value.to_pytimedelta()
        raise TypeError(
            f"a {name_of(kind)} with nanoseconds has no equal in Python: round it, such as by value.floor('us'), or annotate it"
        )
    if kind.__name__ not in ("ndarray", "DataFrame", "Series", "Table"):
        raise TypeError(f"a {name_of(kind)} cannot be written: give a value of Python, an array or a frame")
    where = "in lists, dicts and dataclasses too, but in no union except with None"
    raise TypeError(f"a {name_of(kind)} is written only where the annotation names its type, {where}: annotate it")


def _is_time(value: Any) -> bool:
    # Not-a-time is of another class.
    return type(value).__name__ in _TIMES


def _nanoseconds(value: Any) -> int:
    count: int = value.nanosecond if type(value).__name__ == "Timestamp" else value.nanoseconds
    return count


def _read_time(kind: Any, given: Any) -> Any:
    """A time or a span of pandas, from the text of it or what msgpack has made of that."""
    if isinstance(given, str) and not _LONG_FRACTION.search(given):
        # The text is the one that msgspec has written.
        given = msgspec.convert(given, datetime if kind.__name__ == "Timestamp" else timedelta)
    if not isinstance(given, str | datetime | timedelta):
        raise TypeError(f"expected a text for a {name_of(kind)}, got a value of type {type(given).__name__}")
    return kind(given)


def read(kind: Any, given: Any) -> Any:
    """The value of this type, from what JSON or msgpack holds for it.

    Raises:
        TypeError, ValueError: If it does not fit the type.
    """
    origin = typing.get_origin(kind) or kind
    if library_of(origin) == "numpy":
        from omniq._arrays import npy

        if isinstance(given, dict) or not issubclass(origin, npy.scalars()):
            return npy.read(kind, _bytes_of("npy", given, origin))
        return npy.read_scalar(origin, given)
    if origin.__name__ in _TIMES:
        return _read_time(origin, given)
    from omniq._arrays import arrow

    return arrow.read(origin, _bytes_of("arrow", given, origin))


def _bytes_of(form: str, given: Any, origin: type) -> bytes:
    data = given.get(form) if isinstance(given, dict) and len(given) == 1 else None
    if isinstance(data, str):
        try:
            return base64.b64decode(data, validate=True)
        except ValueError as error:
            raise ValueError(f"the bytes of a {name_of(origin)} are no valid base64: {error}") from None
    if not isinstance(data, bytes):
        raise TypeError(
            f'expected {{"{form}": bytes}} for a {name_of(origin)}, got a value of type {type(given).__name__}'
        )
    return data


def is_equal(one: Any, other: Any) -> bool | None:
    """Whether an array or a frame is the same as another value in type, form and content; ``None`` if `one` is neither."""
    kind = type(one)
    form = None if library_of(kind) is None else write(one, frozenset([kind]))
    if not isinstance(form, dict):
        return None
    return type(other) is kind and bool(form == write(other, frozenset([kind])))
