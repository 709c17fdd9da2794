"""Encodes values as bytes and decodes them. The codec's name is stored beside the bytes.

| codec | encodes | decodes to |
|---|---|---|
| ``json`` (default) | JSON values; also datetime, Decimal, UUID, bytes, sets, dataclasses, pydantic models and similar types, as text, list or object; numbers of numpy that Python has too | JSON values; the original type if it is named: ``payload.decode(datetime)`` |
| ``msgpack`` | the same, with NaN and infinity, and bytes and aware datetimes without conversion | the same |
| ``raw`` | bytes | bytes |
| ``pickle``, ``dill`` | nearly everything; Python only | the same value |

JSON cannot represent NaN and infinity, and msgpack cannot represent integers beyond 64 bits: these values are refused.
The error names the codecs that can hold the value.
``pickle`` and ``dill`` run code when they decode, so both ends must opt in by ``allow_pickle=True``. Then every program
that can write to the queue can run code on your workers.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

import msgspec

from omniq import _hooks
from omniq._checks import shown
from omniq._lossless import lost
from omniq._texts import text_of
from omniq.errors import CodecError, OmniQError

__all__ = ["decode", "encode", "register"]


#: How deep metadata and event data may be nested: the depth that all their readers support.
_LEVELS = 127
_LONG = re.compile(rb"\d{19}")
#: The end of a time in JSON that is not in UTC: one without an offset, or with another one.
_TIME = re.compile(rb":\d\d(?:\.\d+)?\"")
#: A time in msgpack, which is written as a text if it has no offset.
_NAIVE = re.compile(rb":\d\d:\d\d")


def encode_json(value: Any) -> bytes:
    """Metadata or event data as JSON. Called by the Rust side.

    Raises:
        ValueError: For a value that PostgreSQL's ``jsonb`` cannot hold. The Rust side checks that it is an object.
        UnicodeEncodeError: For texts that UTF-8 cannot hold.
    """
    try:
        data = _encode_json(value)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {_LEVELS} levels, or holds itself: make it flatter") from None
    unchanged(data, value, _hooks.write, "leave it out, or give a text")
    reason = lost(value, msgspec.json.decode(data)) if data != b"{}" else None
    if reason is not None:
        raise ValueError(reason)
    if data.count(b"[") + data.count(b"{") > _LEVELS or _LONG.search(data):
        _check_plain(msgspec.json.decode(data), _LEVELS)
    return data


def _check_plain(value: Any, levels: int) -> None:
    if isinstance(value, dict | list):
        if not levels:
            raise ValueError(f"it is nested deeper than {_LEVELS} levels: make it flatter, or give a text")
        for one in value.values() if isinstance(value, dict) else value:
            _check_plain(one, levels - 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        # Converting a very large integer to text is slow.
        shown = str(value) if value.bit_length() < 150 else f"of {value.bit_length()} bits"
        raise ValueError(f"the integer {shown} is beyond 64 bits ({-(2**63)} to {2**64 - 1}): give it as a text")


def why(error: BaseException) -> str:
    """The reason why a value cannot be encoded, with the remedy."""
    if isinstance(error, UnicodeEncodeError):
        remedy = 'make it valid, such as by text.encode(errors="replace").decode()'
        return f"it holds a text that is not valid UTF-8 (half a surrogate): {remedy}"
    if isinstance(error, RecursionError):
        return "it is nested too deep, or holds itself: make it flatter"
    if isinstance(error, OverflowError):
        return "it holds an integer beyond 64 bits, which msgpack does not know: give it as a text"
    return text_of(error)


def unchanged(data: bytes, value: Any, hook: Callable[[Any], Any], remedy: str = "leave it out") -> bytes:
    """The given JSON of a value, checked: no number has become null, and no time has changed.

    Args:
        hook: The hook of the encoder that wrote the JSON.
        remedy: The remedy that the error names.

    Raises:
        ValueError: For NaN and infinities, for times whose offset from UTC has seconds, and for those without an offset
            that have a fold.
    """
    # The encoder writes NaN and infinities as null.
    if value is not None and b"null" in data:
        _check_finite(msgspec.to_builtins(value, enc_hook=hook), remedy)
    # The encoder writes offsets in whole minutes, and no fold.
    if _TIME.search(data):
        _check_times(msgspec.to_builtins(value, enc_hook=hook, builtin_types=(datetime, time)))
    return data


def _msgpack(value: Any) -> bytes:
    data = _encode_msgpack(value)
    if _NAIVE.search(data):
        _check_times(msgspec.to_builtins(value, enc_hook=_hooks.write, builtin_types=(datetime, time, bytes)), False)
    return data


def _check_times(value: Any, are_offsets_short: bool = True) -> None:
    """Refuses times that lose something. `are_offsets_short`: offsets are written in whole minutes."""
    if isinstance(value, datetime | time):
        distance = value.utcoffset()
        if distance is None:
            if value.fold:
                raise ValueError(
                    f"it holds the time {value} with fold=1 and without a time zone, and the fold would be lost: give it"
                    " with a time zone, or by value.replace(fold=0)"
                )
        elif are_offsets_short and distance % timedelta(minutes=1):
            raise ValueError(
                f"it holds the time {value}, whose distance from UTC has seconds, which JSON does not keep: "
                f"give it in UTC, by value.astimezone(timezone.utc)"
            )
    elif isinstance(value, dict):
        for one in (*value, *value.values()):
            if type(one) not in PLAIN:
                _check_times(one, are_offsets_short)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            if type(one) not in PLAIN:
                _check_times(one, are_offsets_short)


def _check_finite(value: Any, remedy: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"it holds the number {value}, which JSON does not know: {remedy}")
    elif isinstance(value, dict):
        for one in value.values():
            _check_finite(one, remedy)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            _check_finite(one, remedy)


_encode_json = msgspec.json.Encoder(enc_hook=_hooks.write).encode
_encode_msgpack = msgspec.msgpack.Encoder(enc_hook=_hooks.write).encode


class _Codec(NamedTuple):
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _raw(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"the codec raw takes bytes, not {type(value).__name__}")


def _dill() -> Any:
    try:
        import dill
    except ImportError as error:
        raise CodecError("the codec dill needs the package dill: pip install omniq-pg[dill]") from error
    return dill


_CODECS: dict[str, _Codec] = {
    "json": _Codec(lambda value: unchanged(_encode_json(value), value, _hooks.write), msgspec.json.Decoder().decode),
    "msgpack": _Codec(_msgpack, msgspec.msgpack.Decoder().decode),
    "raw": _Codec(_raw, bytes),
    "pickle": _Codec(lambda value: pickle.dumps(value, protocol=4), pickle.loads),
    "dill": _Codec(lambda value: _dill().dumps(value), lambda data: _dill().loads(data)),
}
_BY_TYPE: dict[str, Callable[[bytes, Any], Any]] = {
    "json": lambda data, type: msgspec.json.decode(data, type=type, dec_hook=_hooks.read),
    "msgpack": lambda data, type: msgspec.msgpack.decode(data, type=type, dec_hook=_hooks.read),
}
#: The types of values that hold no other values.
PLAIN = frozenset((str, int, float, bool, bytes, type(None)))
_UNTRUSTED = frozenset(("pickle", "dill"))
_OWN = re.compile(r"x-[a-z0-9_-]{1,30}")


def register(name: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> None:
    """Adds a custom codec in this process. Workers that read its payloads must register it too.

    Args:
        name: 3 to 32 characters of ``a-z``, ``0-9``, ``-`` and ``_``, beginning with ``x-``.
        encode: Makes the bytes of a value.
        decode: Makes the value of the bytes.

    Raises:
        CodecError: For a name of another form.
    """
    if not isinstance(name, str) or not _OWN.fullmatch(name):
        raise CodecError(f"codec name {name!r} is refused: 3 to 32 characters of a-z, 0-9, - and _, beginning with x-")
    _CODECS[name] = _Codec(encode, decode)


def known(name: str, allow_pickle: bool) -> None:
    """Refuses a codec name that cannot be used. Any name of a custom codec passes, because it may be registered later.

    Raises:
        CodecError: For an unknown name, naming the known ones; for pickle and dill without `allow_pickle`.
    """
    if name not in _CODECS and not _OWN.fullmatch(name):
        words = f"give {', '.join(_CODECS)}, or the name of one of your own, which begins with x-"
        raise CodecError(f"codec = {shown(name)} is refused: {words}")
    if name in _UNTRUSTED and not allow_pickle:
        raise CodecError(f"codec = {name!r} is refused: give allow_pickle=True as well, or another codec")


def _find(name: str, allow_pickle: bool) -> _Codec:
    codec = _CODECS.get(name) if isinstance(name, str) else None
    if codec is None:
        raise CodecError(f"codec {name!r} is unknown: use {', '.join(_CODECS)}, or register it")
    if name in _UNTRUSTED and not allow_pickle:
        raise CodecError(
            f"codec {name!r} is not allowed here: give the application, the backend or the storage allow_pickle=True"
        )
    return codec


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _fits(value: Any, codec: str) -> bool:
    try:
        if codec in _UNTRUSTED:
            module = pickle if codec == "pickle" else _dill()
            module.dump(value, _Nowhere(), protocol=4)
        else:
            _CODECS[codec].encode(value)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # A panic in a library that is written in Rust is no `Exception`.
        return False
    return True


def others(value: Any, codec: str) -> str:
    """The codecs that can hold a value that this one cannot, as the end of a message; empty if there are none."""
    found = [name for name in ("json", "msgpack") if name != codec and _fits(value, name)]
    untrusted = next((name for name in ("pickle", "dill") if name != codec and _fits(value, name)), None)
    if untrusted is not None:
        found.append(f"{untrusted} with allow_pickle=True")
    return f", or use {' or '.join(found)}" if found else ""


def unwritable(value: Any, codec: str, error: BaseException) -> CodecError:
    """The error for a value that this codec cannot hold: the reason, and the codecs that can."""
    kind = type(value).__name__
    return CodecError(f"a value of type {kind} cannot be written as {codec}: {why(error)}{others(value, codec)}")


def encoder(codec: str) -> Callable[[Any], bytes]:
    """The function that makes bytes of values by this known codec. It raises the codec's own errors."""
    return _CODECS[codec].encode


def encode(value: Any, codec: str = "json", allow_pickle: bool = False) -> bytes:
    """Encodes a value.

    Args:
        value: The value.
        codec: The name of the codec. Default: ``"json"``.
        allow_pickle: Whether ``pickle`` and ``dill`` are allowed. Default: false.

    Returns:
        The bytes.

    Raises:
        CodecError: For a value that the codec cannot represent, and for a codec that is unknown or not allowed.
    """
    found = _find(codec, allow_pickle)
    try:
        data = found.encode(value)
        if codec in _BY_TYPE and type(value) not in PLAIN:
            reason = lost(value, found.decode(data))
            if reason is not None:
                raise ValueError(reason)
        return data
    except OmniQError:
        raise
    except Exception as error:
        raise unwritable(value, codec, error) from error


def decode(data: bytes, codec: str = "json", type: Any = Any, allow_pickle: bool = False) -> Any:
    """Decodes a value.

    Args:
        data: The bytes.
        codec: The name of the codec. Default: ``"json"``.
        type: The type of the value, for ``json`` and ``msgpack``: any type that an annotation of a task may name, such as
            ``datetime``, ``list[UUID]``, a dataclass or ``numpy.ndarray``. Default: the type that the bytes themselves
            specify.
        allow_pickle: Whether ``pickle`` and ``dill`` are allowed. Default: false.

    Raises:
        CodecError: For bytes that do not fit, and for a codec that is unknown or not allowed.
    """
    found = _find(codec, allow_pickle)
    try:
        if type is Any or codec not in _BY_TYPE:
            return found.decode(data)
        return _BY_TYPE[codec](data, type)
    except OmniQError:
        raise
    except Exception as error:
        raise CodecError(f"a {codec} payload of {len(data)} bytes cannot be read: {error}") from error
