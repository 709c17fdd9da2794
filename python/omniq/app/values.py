"""Encodes and decodes values by their annotations: the values of `omniq.codecs`, and pydantic models, paths and
addresses.

msgspec converts the types that it supports: dataclasses, attrs classes, msgspec structs, typed dicts, named tuples,
enums, datetime, date, time, timedelta, Decimal, UUID, bytes, sets, tuples, and unions and containers of them.
"""

from __future__ import annotations

import ipaddress
import pathlib
import zoneinfo
from collections.abc import Callable
from typing import Any

import msgspec

from omniq import codecs
from omniq.errors import CodecError, ConfigError, OmniQError

#: Types that are encoded as their text and made from it.
_TEXTS: tuple[type, ...] = (
    pathlib.PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    zoneinfo.ZoneInfo,
)


def _write(value: Any) -> Any:
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value, mode="json")
    if isinstance(value, _TEXTS):
        return str(value)
    raise TypeError(
        f"a value of type {type(value).__name__} cannot be written: give it as one of the types that the page on Python lists"
    )


def _read(kind: type, given: Any) -> Any:
    if isinstance(given, kind):
        return given
    validate = getattr(kind, "model_validate_json", None)
    if validate is not None:
        return validate(msgspec.json.encode(given))
    if issubclass(kind, _TEXTS):
        return kind(given)  # type: ignore[call-arg]
    raise TypeError(
        f"a value cannot be read as {kind.__name__}: annotate it with one of the types that the page on Python lists"
    )


_encode_json = msgspec.json.Encoder(enc_hook=_write).encode


def _write_json(value: Any) -> bytes:
    return codecs.unchanged(_encode_json(value), value, _write)


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "json": _write_json,
    "msgpack": msgspec.msgpack.Encoder(enc_hook=_write).encode,
}


def writer(codec: str, allow_pickle: bool = False) -> Callable[[Any], bytes]:
    """The function that makes bytes of values. It raises the codec's own errors."""
    known = _WRITERS.get(codec)
    if known is not None:
        return known

    def write(value: Any) -> bytes:
        return codecs.encode(value, codec, allow_pickle)

    return write


def reader(kind: Any, codec: str, allow_pickle: bool = False) -> Callable[[bytes], Any]:
    """The function that makes values of this type from bytes. It raises the codec's own errors.

    Raises:
        ConfigError: For a type that cannot be decoded.
    """
    try:
        if codec == "json":
            return msgspec.json.Decoder(kind, dec_hook=_read).decode
        if codec == "msgpack":
            return msgspec.msgpack.Decoder(kind, dec_hook=_read).decode
    except (TypeError, ValueError, RecursionError) as error:
        words = "it refers to itself; give a class, or Any" if isinstance(error, RecursionError) else error
        raise ConfigError(f"the type {kind} cannot be used here: {words}") from error

    def read(data: bytes) -> Any:
        return codecs.decode(data, codec, allow_pickle=allow_pickle)

    return read


class Value:
    """Encodes and decodes values of one type, with every codec."""

    def __init__(self, kind: Any, allow_pickle: bool = False) -> None:
        self.kind = kind
        self.allow_pickle = allow_pickle
        self._readers: dict[str, Callable[[bytes], Any]] = {}
        # Checks of encoded values, by codec; None if the annotation is `Any` or its type cannot be decoded.
        self._checks: dict[str, Callable[[bytes], Any] | None] = {}

    def write(self, value: Any, codec: str) -> bytes:
        """The bytes of a value, after a check that they fit the type. It raises the codec's own errors.

        Raises:
            CodecError: If the value does not fit.
        """
        data = writer(codec, self.allow_pickle)(value)
        try:
            check = self._checks[codec]
        except KeyError:
            check = self._checks[codec] = self._check(codec)
        if check is not None:
            try:
                check(data)
            except Exception as error:
                raise CodecError(f"the value does not fit the annotation -> {shown(self.kind)}: {error}") from error
        return data

    def _check(self, codec: str) -> Callable[[bytes], Any] | None:
        # The bytes of other codecs contain the types of the values.
        if self.kind is Any or codec not in _WRITERS:
            return None
        try:
            return reader(self.kind, codec)
        except OmniQError:
            return None

    def read(self, data: bytes, codec: str) -> Any:
        """The value of these bytes."""
        found = self._readers.get(codec)
        if found is None:
            found = self._readers[codec] = reader(self.kind, codec, self.allow_pickle)
        return found(data)


def shown(kind: Any) -> str:
    """The type as the source writes it, for messages."""
    return kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", None) else repr(kind)
