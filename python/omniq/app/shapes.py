"""The shape of a payload: a list of arguments, a dict of them by name, null, or one value."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec

#: What splits a payload into the payloads of its arguments, by codec.
LISTS: dict[str, Callable[[bytes], list[msgspec.Raw]]] = {
    "json": msgspec.json.Decoder(list[msgspec.Raw]).decode,
    "msgpack": msgspec.msgpack.Decoder(list[msgspec.Raw]).decode,
}
DICTS: dict[str, Callable[[bytes], dict[str, msgspec.Raw]]] = {
    "json": msgspec.json.Decoder(dict[str, msgspec.Raw]).decode,
    "msgpack": msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode,
}
#: What makes one payload of several.
JOIN: dict[str, Callable[[Any], bytes]] = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}

_JSON_SHAPES = {b"[": "list", b"{": "dict", b"n": "null"}


def takes_none(kind: Any) -> bool:
    """Whether null is a value of this type."""
    return kind is Any or kind is None or kind is type(None) or type(None) in typing.get_args(kind)


def is_null(data: bytes, codec: str) -> bool:
    """Whether the payload is null."""
    return data == b"null" if codec == "json" else data == b"\xc0"


def of(data: bytes, codec: str) -> str:
    """The shape of a payload: ``"list"``, ``"dict"``, ``"null"`` or ``"value"``."""
    if codec == "json":
        return _JSON_SHAPES.get(data.lstrip()[:1], "value")
    first = data[:1]
    if b"\x90" <= first <= b"\x9f" or first in (b"\xdc", b"\xdd"):
        return "list"
    if b"\x80" <= first <= b"\x8f" or first in (b"\xde", b"\xdf"):
        return "dict"
    return "null" if first == b"\xc0" else "value"
