"""What JSON or an annotation would lose is refused where it is written: merged keys, fields and classes, folds of times."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timezone
from enum import Enum
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from omniq import CodecError, InvalidError, OmniQ, TaskFailed
from omniq._lossless import check_of
from omniq.codecs import decode, encode
from omniq.models import TaskEvent
from omniq.testing import in_memory

app = OmniQ(events="memory")
T = TypeVar("T")


@dataclass
class Order:
    id: int
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass
class Same:
    id: int
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass
class Larger(Order):
    extra: int = 1


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


@dataclass
class Box(Generic[T]):
    value: T


@attrs.define
class Attrs:
    id: int


@attrs.define
class LargerAttrs(Attrs):
    extra: int = 1


class Struct(msgspec.Struct):
    id: int


class LargerStruct(Struct):
    extra: int = 1


class Cat(msgspec.Struct, tag=True):
    name: str


class Dog(msgspec.Struct, tag=True):
    name: str


class Point(NamedTuple):
    x: int
    y: int


class OtherPoint(NamedTuple):
    a: int
    b: int


class Named(TypedDict, total=False):
    name: str


class Model(pydantic.BaseModel):
    id: int


class LargerModel(Model):
    extra: int = 1


class Color(Enum):
    RED = "red"


@app.task(max_retries=0)
def take(value: Any) -> Any:
    return value


@app.task
def untyped(value, other=None):  # type: ignore[no-untyped-def]
    return value


@app.task
def keyed(first: int, value: dict[int | str, int]) -> None: ...


@app.task
def order(value: Order) -> Order:
    return value


@app.task
def orders(value: list[Order | None], more: dict[str, Order] | None = None) -> None: ...


@app.task
def several(*values: Order, **named: Order) -> None: ...


@app.task(max_retries=0)
def wrong(how: str) -> Order:
    return Larger(1) if how == "larger" else Same(1)  # type: ignore[return-value]


@app.task(max_retries=0)
def merged() -> Any:
    return {"in": [{1: 2, "1": 3}]}


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


MERGED: list[Any] = [
    {1: 2, "1": 3},
    [{"a": ({1.5: 2, "1.5": 3},)}],
    {Color.RED: 1, "red": 2},
    {UUID(int=1): 1, str(UUID(int=1)): 2},
    Order(1, {"deep": {1: 2, "1": 3}}),
]


@pytest.mark.parametrize("value", MERGED)
def test_keys_that_become_one(value: Any) -> None:
    for call in (
        lambda: take.enqueue(value),
        lambda: untyped.enqueue(value),
        lambda: untyped.enqueue(value=value),
        lambda: take.enqueue_many([value]),
        lambda: untyped.enqueue_many([{"value": value}]),
        lambda: app.backend.enqueue("take", value),
        lambda: encode(value),
        lambda: take.with_options(metadata={"m": value}),
        lambda: app.backend.enqueue("take", metadata={"m": value}),
    ):
        with pytest.raises((InvalidError, CodecError), match=r"whose keys .* and .* become one.*as texts that differ"):
            call()
    assert app.backend.queue.count() == 0


def test_the_keys_are_named() -> None:
    with pytest.raises(InvalidError, match=r"argument value: it holds a dict whose keys 1 and '1' become one"):
        keyed.enqueue(1, {1: 2, "1": 3})
    with pytest.raises(InvalidError, match=r"calls\[1\] of task keyed: argument value: .* keys 1 and '1'"):
        keyed.enqueue_many([(1, {"a": 2}), (1, {1: 2, "1": 3})])
    with pytest.raises(
        InvalidError, match=r"argument value: it holds a dict whose key 1 would come back as the text '1'"
    ):
        keyed.enqueue(1, {1: 2})
    keyed.enqueue(1, {"1": 2})
    # msgpack has keys that are numbers.
    assert decode(encode({1: 2, "1": 3}, "msgpack"), "msgpack") == {1: 2, "1": 3}
    keyed.with_options(codec="msgpack").enqueue(1, {1: 2, "1": 3})
    assert encode({1: 2, 2: 3}) == b'{"1":2,"2":3}'


def test_results_and_events() -> None:
    handle = merged.enqueue()
    app.drain()
    with pytest.raises(TaskFailed, match="whose keys 1 and '1' become one"):
        handle.result(1)
    with pytest.raises(InvalidError, match="whose keys 1 and '1' become one"):
        app.backend.events.log(TaskEvent("mine", data={"a": {1: 2, "1": 3}}))


def test_other_classes() -> None:
    for value in (Same(1), Larger(1)):
        name = type(value).__name__
        words = f"it holds a {name}, which would come back as Order: annotate it with that class, or give a Order"
        for call in (
            lambda value=value: order.enqueue(value),
            lambda value=value: order.enqueue_many([Order(1), value]),
            lambda value=value: orders.enqueue([None, Order(1), value]),
            lambda value=value: orders.enqueue([], {"a": value}),
            lambda value=value: orders.enqueue_many([{"value": [value]}]),
            lambda value=value: several.enqueue(Order(1), value),
            lambda value=value: several.enqueue(name=value),
        ):
            with pytest.raises(InvalidError, match=words):
                call()
    with pytest.raises(InvalidError, match="a dict with 'extra', which Order has not"):
        order.enqueue({"id": 1, "extra": 2})  # type: ignore[arg-type]
    assert app.backend.queue.count() == 0
    for how in ("larger", "same"):
        handle = wrong.enqueue(how)
        app.drain()
        with pytest.raises(TaskFailed, match="which would come back as Order"):
            handle.result(1)
    kept = order.enqueue(Order(1, {"a": [1, 2]}))
    order.enqueue({"id": 1})  # type: ignore[arg-type]
    app.drain()
    assert kept.result(1) == Order(1, {"a": [1, 2]})


def fits(kind: Any, value: Any) -> bool:
    check = check_of(kind)
    back = msgspec.json.decode(msgspec.json.encode(value), type=kind) if kind is not Model else kind(id=1)
    return check is None or check(value, back) is None


def test_all_kinds_of_classes() -> None:
    assert fits(Tree, Tree("a", [Tree("b", [Tree("c")])]))
    assert not fits(Tree, {"name": "a", "children": [{"name": "b", "lost": 1}]})
    assert fits(Box[int], Box(1))
    assert fits(list[Box[int] | None], [Box(1), None])
    assert not fits(Box[int], {"value": 1, "lost": 1})
    assert not fits(Box[Box[int]], {"value": {"value": 1, "lost": 1}})
    assert fits(Attrs, Attrs(1))
    assert not fits(Attrs, LargerAttrs(1))
    assert fits(Struct, Struct(1))
    assert not fits(Struct, LargerStruct(1))
    assert not fits(list[Struct | None], [None, LargerStruct(1)])
    assert fits(Cat | Dog, Dog("a"))
    assert fits(Cat | Dog, {"type": "Dog", "name": "a"}) == fits(Cat, {"type": "Cat", "name": "a"})
    assert not fits(Cat | Dog, {"type": "Dog", "name": "a", "lost": 1})
    assert fits(Point, Point(1, 2))
    assert fits(Point, (1, 2))
    assert not fits(Point, OtherPoint(1, 2))
    assert fits(Named, {"name": "a"})
    assert not fits(Named, {"name": "a", "lost": 1})
    assert not fits(dict[str, Named], {"a": {"lost": 1}})
    assert fits(Model, Model(id=1))
    assert not fits(Model, LargerModel(id=1))
    assert not fits(tuple[int, Order], (1, Same(1)))
    # Nothing to check, so nothing to pay for.
    for kind in (int, list[int], tuple[str, ...], set[UUID], datetime, dict[int, int] | None, Color):
        assert (check_of(kind) is None) == ("dict" not in str(kind))


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_folds(codec: str) -> None:
    naive = datetime(2026, 10, 25, 2, 30, 0, 5, fold=1)
    for value in (naive, naive.replace(microsecond=0), [{"at": time(2, 30, fold=1)}], {naive: 1}):
        with pytest.raises(InvalidError, match=r"fold=1 and without a time zone.*value.replace\(fold=0\)"):
            take.with_options(codec=codec).enqueue(value)
        with pytest.raises(CodecError, match="fold=1"):
            encode(value, codec)
    for kept in (naive.replace(fold=0), time(2, 30)):
        encode(kept, codec)
    # With a time zone the moment is kept, by the distance from UTC.
    aware = datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1)
    back = decode(encode(aware, codec), codec, datetime)
    assert back == aware.astimezone(timezone.utc)
