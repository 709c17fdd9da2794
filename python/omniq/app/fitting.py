"""Whether values fit their annotations, where msgspec's own check does not tell."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union

import msgspec

from omniq import _hooks

__all__ = ["holds_long", "is_rounded", "may_be", "parts_of"]


def parts_of(kind: Any) -> list[Any]:
    """The parts of an annotation, those of dataclasses and other models too, that are `float` or a class that msgspec does
    not know itself. Empty for a type that cannot be decoded."""
    import msgspec.inspect

    try:
        node = msgspec.inspect.type_info(kind)
    except (TypeError, ValueError, NameError):
        return []
    return list(_parts(node, {}))


def _parts(node: Any, seen: dict[int, Any]) -> Iterator[Any]:
    from msgspec import inspect

    if id(node) in seen:
        return
    seen[id(node)] = node
    if isinstance(node, inspect.CustomType):
        yield node.cls
    elif isinstance(node, inspect.FloatType):
        yield float
    for name in node.__struct_fields__:
        field = getattr(node, name)
        for part in field if isinstance(field, tuple) else (field,):
            if isinstance(part, inspect.Type | inspect.Field):
                yield from _parts(part, seen)


#: Digits become zeros, and what may stand before a number in compact JSON commas.
_ALIKE = bytes.maketrans(b"123456789[{:", b"000000000,,,")
_LONG = b"0" * 16


def holds_long(data: bytes, codec: str) -> bool:
    """Whether there may be an integer in this JSON or msgpack that a float does not hold exactly."""
    if codec == "json":
        if len(data) < 16:
            return False
        # Several times faster than a regular expression.
        alike = data.translate(_ALIKE, b"-")
        return b"," + _LONG in alike or alike.startswith(_LONG)
    return b"\xcf" in data or b"\xd3" in data


def is_rounded(given: Any, back: Any) -> bool:
    """Whether an integer has been read as a float that is not equal to it."""
    return _is_rounded(*(msgspec.to_builtins(value, enc_hook=_without_arrays) for value in (given, back)))


def _without_arrays(value: Any) -> Any:
    try:
        return _hooks.write(value)
    except TypeError:
        return None


def _is_rounded(given: Any, back: Any) -> bool:
    if isinstance(given, int) and isinstance(back, float):
        return given != back and float(given) == back
    if isinstance(given, list | tuple) and isinstance(back, list | tuple):
        return any(map(_is_rounded, given, back))
    if isinstance(given, dict) and isinstance(back, dict):
        return any(_is_rounded(one, back[name]) for name, one in given.items() if name in back)
    return False


def may_be(value: Any, kind: Any) -> bool:
    """Whether a value, without what it holds, is of the type that an annotation names. True where that cannot be told."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin is Annotated:
        return may_be(value, kind.__origin__)
    if origin in (Union, types.UnionType):
        return any(may_be(value, one) for one in typing.get_args(kind))
    wanted = origin or kind
    if wanted is float:
        wanted = (int, float)
    try:
        return isinstance(value, wanted)
    except TypeError:
        # For example a protocol, a typed dict or a type variable.
        return True
