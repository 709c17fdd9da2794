"""Converts statements of the Rust side for other drivers: their placeholders, and bytes."""

from __future__ import annotations

import re
from typing import Any

#: A quoted name, which may contain any character, or a placeholder.
_PLACE = re.compile(r'("(?:[^"]|"")*")|\$(\d+)')


#: A statement, and its parameters by name: ``p1`` and so on.
Statement = tuple[Any, dict[str, Any]]


def percent(sql: str, parameters: list[Any]) -> Statement:
    """The statement with placeholders ``%(p1)s`` and so on, for psycopg and Django."""
    sql, texts = _bytes_as_text(sql, parameters)
    return _PLACE.sub(lambda found: f"%(p{found[2]})s" if found[2] else found[1], sql.replace("%", "%%")), _named(texts)


def colon(sql: str, parameters: list[Any]) -> Statement:
    """The statement with placeholders ``:p1`` and so on, for SQLAlchemy."""
    sql, texts = _bytes_as_text(sql, parameters)
    return _PLACE.sub(lambda found: f":p{found[2]}" if found[2] else found[1].replace(":", "\\:"), sql), _named(texts)


def _named(parameters: list[Any]) -> dict[str, Any]:
    return {f"p{place}": value for place, value in enumerate(parameters, 1)}


def _bytes_as_text(sql: str, parameters: list[Any]) -> tuple[str, list[Any]]:
    """The statement with bytes passed as text, which the server casts to bytes.

    Each driver encodes bytes in its own way, which may depend on settings of the session: psycopg escapes bytes in a
    list as a literal, and without ``standard_conforming_strings`` it then sends too many backslashes. All drivers send
    texts alike. Only asyncpg, used directly, gets bytes: it sends values in binary, by the types that the server names.
    """
    texts: list[Any] = []
    kinds: dict[int, str] = {}
    for place, value in enumerate(parameters, 1):
        if isinstance(value, list):
            texts_of_bytes = ("null" if one is None else f'"\\\\x{one.hex()}"' for one in value)
            kinds[place], value = "bytea[]", "{" + ",".join(texts_of_bytes) + "}"
        texts.append(value)

    def cast(found: re.Match[str]) -> str:
        kind = kinds.get(int(found[2] or 0))
        return found[0] if kind is None else f"cast(cast({found[0]} as pg_catalog.text) as pg_catalog.{kind})"

    return _PLACE.sub(cast, sql), texts
