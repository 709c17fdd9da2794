"""How msgspec writes and reads the types that it does not know itself: pydantic models, paths and addresses, and what comes
from numpy, pandas, polars and pyarrow."""

from __future__ import annotations

import ipaddress
import pathlib
import typing
import zoneinfo
from typing import Any

import msgspec

from omniq import _arrays

__all__ = ["read", "write"]

#: Types that are encoded as their text and made from it.
_TEXTS: tuple[type, ...] = (
    pathlib.PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    zoneinfo.ZoneInfo,
)


#: As values, msgspec writes them by itself.
_ONLY_AS_KEYS = (bool, type(None), tuple, frozenset)


def write(value: Any) -> Any:
    """The value by types that msgspec knows.

    Raises:
        TypeError: For a value that cannot be written.
    """
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value, mode="json")
    if isinstance(value, _TEXTS):
        return str(value)
    if _arrays.library_of(type(value)) is not None:
        return _arrays.exact(value)
    if isinstance(value, _ONLY_AS_KEYS):
        raise TypeError(
            f"dict keys of type {type(value).__name__} have no form: give texts, numbers, or a list of pairs in place of the dict"
        )
    remedy = getattr(type(value), "_in_place_of", "give it as one of the types that the page on Python lists")
    raise TypeError(f"values of type {type(value).__name__} have no form: {remedy}")


def read(kind: Any, given: Any) -> Any:
    """The value of this type, from what `write` has made of it.

    Raises:
        TypeError, ValueError: If it does not fit, and for a type that cannot be read.
    """
    origin = typing.get_origin(kind) or kind
    if isinstance(given, origin):
        return given
    validate = getattr(origin, "model_validate_json", None)
    if validate is not None:
        return getattr(kind, "model_validate_json")(msgspec.json.encode(given))  # noqa: B009
    if issubclass(origin, _TEXTS):
        return origin(given)
    if _arrays.library_of(origin) is not None:
        return _arrays.read(kind, given)
    raise TypeError(
        f"a value cannot be read as {origin.__name__}: annotate it with one of the types that the page on Python lists"
    )
