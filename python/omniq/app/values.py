"""Encodes and decodes values by their annotations.

msgspec converts the types that it supports: dataclasses, attrs classes, msgspec structs, typed dicts, named tuples,
enums, datetime, date, time, timedelta, Decimal, UUID, bytes, sets, tuples, and unions and containers of them. `_hooks`
adds others. Arrays and frames have a form of their own (`_arrays`), and only where the annotation names their type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from omniq import _arrays, _hooks, codecs
from omniq._lossless import check_of
from omniq._texts import text_of
from omniq.app import fitting
from omniq.errors import CodecError, ConfigError, OmniQError

if TYPE_CHECKING:
    from omniq.models import TaskResult

#: The codecs whose values are written and read by their annotations.
_BY_TYPE: dict[str, Any] = {"json": msgspec.json, "msgpack": msgspec.msgpack}
_WRITERS = {codec: codecs.encoder(codec) for codec in _BY_TYPE}
#: The codecs whose bytes hold the types of the values.
_TYPED = ("raw", "pickle", "dill")


class Misfit(Exception):
    """Raised for a value that does not fit its annotation; the text says why."""


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
        if codec in _BY_TYPE:
            decode: Callable[[bytes], Any] = _BY_TYPE[codec].Decoder(kind, dec_hook=_hooks.read).decode
            return decode
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
        parts = fitting.parts_of(kind)
        # The classes of arrays and frames that the annotation names.
        self.arrays = _arrays.classes_in(parts)
        # Whether an integer may become a float. An array is no number, and a model may hold floats.
        self.may_round = any(part not in self.arrays for part in parts)
        # What a value of this type may lose; None if nothing.
        self.loses = check_of(kind)
        self._readers: dict[str, Callable[[bytes], Any]] = {}
        # Readers that check encoded values, by codec; None if the type cannot be decoded.
        self._checks: dict[str, Callable[[bytes], Any] | None] = {}

    def write(self, value: Any, codec: str) -> bytes:
        """The bytes of a value, after a check that they fit the type.

        Raises:
            CodecError: If the value cannot be written or does not fit.
        """
        try:
            return self.encode(value, codec)
        except OmniQError:
            raise
        except Misfit as error:
            raise CodecError(f"the value does not fit the annotation -> {shown(self.kind)}: {error}") from error
        except Exception as error:
            raise codecs.unwritable(value, codec, error) from error

    def encode(self, value: Any, codec: str) -> bytes:
        """As `write`; it raises the codec's own errors, and a `Misfit` for a value that does not fit."""
        if codec not in _BY_TYPE:
            if codec in _TYPED and not fitting.may_be(value, self.kind):
                raise Misfit(f"it is of type {type(value).__name__}")
            return codecs.encode(value, codec, self.allow_pickle)
        if self.arrays:
            data, back = self._by_annotation(value, codec)
        else:
            data = _WRITERS[codec](value)
            if self.kind is Any and type(value) in codecs.PLAIN:
                return data
            try:
                check = self._checks[codec]
            except KeyError:
                check = self._checks[codec] = self._check(codec)
            if check is None:
                return data
            try:
                back = check(data)
            except Exception as error:
                raise Misfit(str(error)) from error
        if self.loses is not None:
            reason = self.loses(value, back)
            if reason is not None:
                raise Misfit(reason)
        if self.may_round and fitting.holds_long(data, codec) and fitting.is_rounded(value, back):
            raise Misfit(ROUNDED)
        return data

    def _by_annotation(self, value: Any, codec: str) -> tuple[bytes, Any]:
        """The bytes of a value that may hold arrays, and the value that is read from them. Each array that is written must
        be read again: in a place without its annotation it would come back as a dict."""
        module, written, read = _BY_TYPE[codec], [], []

        def write_part(part: Any) -> Any:
            if _arrays.library_of(type(part)) is None:
                return _hooks.write(part)
            form = _arrays.write(part, self.arrays)
            if isinstance(form, dict):
                written.append(type(part))
            return form

        def read_part(kind: Any, given: Any) -> Any:
            part = _hooks.read(kind, given)
            if isinstance(given, dict) and _arrays.library_of(kind) is not None:
                read.append(type(part))
            return part

        data = module.Encoder(enc_hook=write_part).encode(value)
        lost = list(written)
        if codec == "json":
            codecs.unchanged(data, value, write_part)
        try:
            back = module.Decoder(self.kind, dec_hook=read_part).decode(data)
        except Exception as error:
            raise Misfit(str(error)) from error
        for kind in read:
            if kind in lost:
                lost.remove(kind)
        if lost:
            raise Misfit(f"it holds a {_arrays.name_of(lost[0])} in a place whose annotation does not name that type")
        return data, back

    def _check(self, codec: str) -> Callable[[bytes], Any] | None:
        try:
            return reader(self.kind, codec)
        except OmniQError:
            return None

    def read(self, data: bytes, codec: str) -> Any:
        """The value of these bytes.

        Raises:
            Misfit: If the codec keeps types, and that of the value is another one. For other codecs it raises their own
                errors.
        """
        found = self._readers.get(codec)
        if found is None:
            found = self._readers[codec] = reader(self.kind, codec, self.allow_pickle)
        value = found(data)
        if codec in _TYPED and not fitting.may_be(value, self.kind):
            raise Misfit(f"it is of type {type(value).__name__}")
        return value


#: Types whose form in JSON has their name in messages.
_IN_JSON = (str, int, float, bool, type(None), list, tuple, dict)


def value_of(result: TaskResult, returns: Value, func: str | None = None) -> Any:
    """The value of a task that has completed, read as its function is annotated. `func`: its name, if it is known otherwise than
    by the result.

    Raises:
        CodecError: If it does not fit, or cannot be read; the text has the task's id.
    """
    payload = result.payload
    if payload is None:
        return None
    try:
        return returns.read(payload.data, payload.codec)
    except Exception as error:
        what = f"the value of task {result.task_id} cannot be read as {func or result.func} is annotated, -> {shown(returns.kind)}"
        # An error of OmniQ has its own remedy, such as a codec that is not allowed here.
        is_misfit = not isinstance(error, OmniQError)
        writer = "; it was written by another version of the function, or another program" if is_misfit else ""
        raise CodecError(f"{what}: {text_of(error)}{writer}") from error


def given_as(words: str, arguments: Mapping[str, Any]) -> str:
    """What follows the words about an argument that does not fit: the type that was given. The words themselves are about its
    form, such as ``got `str` `` of a `Decimal`."""
    for name, given in arguments.items():
        if words.startswith(f"argument {name}: ") and " - at `$" not in words and type(given) not in _IN_JSON:
            return f"; a value of type {type(given).__name__} was given"
    return ""


#: Why an integer is refused where a float is read.
ROUNDED = "it holds an integer that no float equals, beyond 2**53: annotate it with int, or give a text"


def shown(kind: Any) -> str:
    """The type as the source writes it, for messages."""
    return kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", None) else repr(kind)
