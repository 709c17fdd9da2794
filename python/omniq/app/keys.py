"""The keys of unique tasks, made of the arguments of their calls."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from omniq.app.arguments import Arguments, Call
from omniq.errors import InvalidError

__all__ = ["key_of"]

#: The longest key, in bytes.
_LONGEST = 500


def key_of(arguments: Arguments, call: Call, names: tuple[str, ...] | None) -> str:
    """The key of a call: the function, and these arguments by their names (``None``: all), with their defaults, in the form
    that Rust programs make of a JSON object. A long one is written as its SHA-256.

    Raises:
        InvalidError: For arguments that do not fit, that JSON cannot represent, or that the function does not have.
    """
    func, given = arguments.name, _by_name(arguments, *call)
    for name in names or ():
        if name not in given:
            has = ", ".join(given) or "none"
            raise InvalidError(f"task {func} is unique by the argument {name}, which it does not have: it has {has}")
    chosen = {name: _plain(arguments, name, given[name]) for name in (given if names is None else names)}
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key = f"{func}({text})"
    if len(key.encode()) <= _LONGEST:
        return key
    return f"{func}(sha256:{hashlib.sha256(text.encode()).hexdigest()})"


def _plain(arguments: Arguments, name: str, value: Any) -> Any:
    try:
        return json.loads(_as_json(arguments, name, value))
    except Exception as error:
        raise InvalidError(
            f"task {arguments.name} is unique by argument {name}, of which no key can be made, as JSON cannot represent it"
            f" ({error}): name other arguments, or give a key"
        ) from error


def _by_name(arguments: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments of a call by the names of their parameters, with defaults; those of ``**names`` by their own."""
    signature = arguments._signature
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        words = arguments._misfit(args, kwargs) or str(error)
        raise InvalidError(f"task {arguments.name}{signature}: {words}") from None
    bound.apply_defaults()
    given = dict(bound.arguments)
    if arguments._names is not None:
        given.update(given.pop(arguments._names.name, {}))
    return given


def _as_json(arguments: Arguments, name: str, value: Any) -> bytes:
    values, rest, names = arguments._values, arguments._rest, arguments._names
    if rest is not None and name == rest.name:
        return b"[" + b",".join(values[name].encode(one, "json") for one in value) + b"]"
    return values[name if name in values or names is None else names.name].encode(value, "json")
