"""Makes texts storable: type, message and traceback of an exception, and texts that UTF-8 cannot hold."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

import msgspec

from omniq import _hooks
from omniq.errors import InvalidError


def kind_of(error: BaseException) -> str:
    """The exception's type, as it is stored."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(value: object) -> str:
    """The value's text; a substitute if its ``__str__`` raises."""
    try:
        return str(value)
    except Exception:
        return "its message cannot be read"


def trace_of(error: BaseException, frames: TracebackType | None = None) -> str:
    """The traceback, from `frames` on if given; a substitute if formatting it raises."""
    try:
        return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
    except Exception:
        return "its traceback cannot be read"


def valid_json(value: Any) -> Any:
    """The same value with texts that UTF-8 can hold. A character that it cannot hold is written as an escape such as
    ``\\udcff``, as Python writes it to stderr.

    Raises:
        InvalidError: If two keys of a dict would become equal.
    """
    return _valid(msgspec.to_builtins(value, enc_hook=_hooks.write))


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        made = {_valid(key): _valid(one) for key, one in value.items()}
        if len(made) != len(value):
            raise InvalidError("a dict holds one key twice, once its texts are made valid UTF-8: give other keys")
        return made
    if isinstance(value, list | tuple):
        return [_valid(one) for one in value]
    return value
