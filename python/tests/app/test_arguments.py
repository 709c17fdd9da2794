"""Arguments by name: decoded in one step if possible, else one by one; both give the same call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec
import pydantic
import pytest

from omniq import OmniQError
from omniq.app.arguments import Arguments, BadArguments
from omniq.app.signature import Signature

WRITE = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}


class Item(pydantic.BaseModel):
    name: str
    price: float = 1


def plain(a: int, b: str, c: float) -> None: ...
def with_defaults(a: int, b: int | None = 3, c: str = "x") -> None: ...
def typed(at: datetime, item: Item, pair: tuple[int, str]) -> None: ...
def odd_names(field0: int, _x: int, größe: int, __y: int = 1) -> None: ...
def not_typed(a, b=None):  # type: ignore[no-untyped-def]
    ...
def by_place_alone(a: int, b: int, /) -> None: ...
def by_name_alone(a: int, *, b: int, c: int = 2) -> None: ...
def with_rest(a: int, *rest: int, b: int = 1, **more: int) -> None: ...


AT = datetime(2026, 1, 2, tzinfo=timezone.utc)
CASES: list[tuple[Callable[..., None], dict[str, Any]]] = [
    (plain, {"a": 1, "b": "two", "c": 3.0}),
    (plain, {"c": 3, "a": 1, "b": "two"}),
    (plain, {"a": 1, "b": "two"}),
    (plain, {"a": 1, "b": 2, "c": 3.0}),
    (plain, {"a": 1, "b": "two", "c": 3.0, "d": 4}),
    (plain, {}),
    (with_defaults, {"a": 1}),
    (with_defaults, {"a": 1, "c": "y"}),
    (with_defaults, {"a": 1, "b": None, "c": "y"}),
    (with_defaults, {"b": 1}),
    (typed, {"at": AT, "item": {"name": "nail"}, "pair": [1, "x"]}),
    (typed, {"at": AT, "item": {"price": 2}, "pair": [1, "x"]}),
    (odd_names, {"field0": 1, "_x": 2, "größe": 3}),
    (odd_names, {"field0": 1, "_x": 2, "größe": 3, "__y": 4}),
    (not_typed, {"a": [1, {"b": 2}]}),
    (not_typed, {"a": 1, "b": 2}),
    (by_place_alone, {"a": 1, "b": 2}),
    (by_name_alone, {"a": 1, "b": 2}),
    (with_rest, {"a": 1, "rest": [2, 3], "b": 4, "z": 5}),
    (with_rest, {"a": 1, "rest": 2}),
]


def outcome(arguments: Arguments, data: bytes, codec: str) -> Any:
    try:
        return arguments.named(arguments.read(data, codec))
    except BadArguments as error:
        return str(error)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("place", range(len(CASES)))
def test_both_ways_come_to_the_same(place: int, codec: str) -> None:
    function, named = CASES[place]
    quick, slow = (Arguments("f", Signature(function), False) for _ in range(2))
    slow._structs[codec] = None
    data = WRITE[codec](named)
    assert outcome(quick, data, codec) == outcome(slow, data, codec)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("json", b'{"a": 1'),
        ("json", b"[1, 2"),
        ("json", b'{"a": 1, "b": }'),
        ("msgpack", b"\x82\xa1a"),
        ("msgpack", b"\x92\x01"),
    ],
)
def test_what_is_no_value_at_all_is_refused(codec: str, data: bytes) -> None:
    functions: list[Callable[..., None]] = [plain, with_rest, not_typed]
    for function in functions:
        with pytest.raises(BadArguments):
            Arguments("f", Signature(function), False).read(data, codec)


def test_the_short_way_is_taken_where_it_can_be() -> None:
    functions: list[Callable[..., None]] = [plain, with_defaults, typed, odd_names, with_rest]
    for function in functions:
        is_short = function is not with_rest
        arguments = Arguments("f", Signature(function), False)
        named = dict.fromkeys(arguments._signature.parameters, 1)
        outcome(arguments, msgspec.json.encode(named), "json")
        assert (arguments._structs["json"] is not None) is is_short, function


@pytest.mark.parametrize(
    ("function", "named", "words"),
    [
        (plain, {"a": 1, "b": "x"}, "missing a required argument: 'c'"),
        (plain, {"a": 1, "b": "x", "c": 1.0, "d": 1}, "there is no parameter d: its parameters are a, b, c"),
        (plain, {"a": 1, "b": 2, "c": 1.0}, "argument b"),
        (by_place_alone, {"a": 1, "b": 2}, "positional"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_written(
    function: Callable[..., None], named: dict[str, Any], words: str
) -> None:
    with pytest.raises(OmniQError, match=words) as refused:
        Arguments("f", Signature(function), False).write((), named, "json")
    assert refused.value.is_invalid


def test_arguments_by_name_are_written_as_they_are_given() -> None:
    arguments = Arguments("f", Signature(with_defaults), False)
    assert arguments.bind((), {"c": "y", "a": 1}) == {"a": 1, "c": "y"}
    assert arguments.bind((1,), {"c": "y"}) == {"a": 1, "c": "y"}
    assert Arguments("f", Signature(by_name_alone), False).bind((), {"a": 1, "b": 2}) == {"a": 1, "b": 2}
