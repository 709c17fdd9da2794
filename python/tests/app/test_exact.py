"""Numbers, texts and decimals at the limits: kept or refused, never changed, in arguments, results, metadata and events, with
each codec; and results that do not fit what their reader expects."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from omniq import AsyncOmniQ, CodecError, OmniQError, TaskFailed
from omniq.models import Payload, ResultStatus, TaskEvent, TaskResult

pytestmark = pytest.mark.anyio


@dataclass
class Point:
    x: float
    y: int = 0


@dataclass
class Case:
    """A value, its annotation, and what refuses it: codecs, or `data` for metadata and events."""

    value: Any
    refused: str = ""
    words: str = "."
    kind: Any = Any


FLOATS = [0.1, 5e-324, 1.7976931348623157e308, 1e16, 1e300, 123456789012345678.0, 2.0**64, 1.0]
INTEGERS = [2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
LONG = "beyond 64 bits"
CASES = [
    *(Case(value) for value in [*FLOATS, *INTEGERS, True, None]),
    *(Case(value, "json data", "which JSON does not know") for value in (math.nan, math.inf, -math.inf)),
    Case([{"a": [math.nan]}], "json data", "which JSON does not know: leave it out"),
    Case(-0.0, "data", "-0.0"),
    *(Case(value, "msgpack data", LONG) for value in (2**64, -(2**63) - 1, 10**400, [{"a": 2**64}])),
    Case(10**5000, "json msgpack data"),
    Case("a\0b", "data"),
    # Metadata and events keep it in the form that Python shows.
    Case("\ud800", "json msgpack", "not valid UTF-8"),
    Case(1j, "json msgpack data"),
    # By annotation.
    *(Case(value, kind=float) for value in [*FLOATS, -0.0]),
    *(Case(value, kind=int) for value in INTEGERS),
    Case(math.nan, "json", "leave it out, or use msgpack or pickle with allow_pickle=True", float),
    Case(2**64, "msgpack", "give it as a text, or use json or pickle with allow_pickle=True", int),
    *(
        Case(value, "json msgpack", "an integer that no float equals", float)
        for value in (2**53 + 1, -(2**63) + 1, 2**64 - 1)
    ),
    Case(2**80, "msgpack", kind=int),
    Case(2**80 + 1, "json msgpack", kind=float),
    Case([1, 2**53 + 1], "json msgpack", "an integer that no float equals", list[float]),
    Case({"a": [2**53 + 1]}, "json msgpack", "an integer that no float equals", dict[str, list[float | None]]),
    Case(Point(2**53 + 1), "json msgpack", "an integer that no float equals", Point),
    Case(Point(0.5, 2**53 + 1), kind=Point),
    *(
        Case(Decimal(text), kind=Decimal)
        for text in ("1E+400", "-0.0", "0.1000000000000000000000000000001", "Infinity")
    ),
    Case("a\0b", kind=str),
    Case(np.float64("nan"), "json data", "which JSON does not know"),
]


def same(one: Any, other: Any) -> bool:
    # The text shows type, sign and each digit, but Python does not write integers of any length.
    return type(one) is type(other) and (one == other if isinstance(one, int) else repr(one) == repr(other))


@pytest.mark.parametrize("codec", ["json", "msgpack", "pickle"])
async def test_arguments_and_results(url: str, codec: str) -> None:
    given, made = [], []
    async with AsyncOmniQ(url, codec=codec, allow_pickle=True) as app:
        for place, case in enumerate(CASES):

            async def give(value: Any) -> Any:
                return value

            async def make(at: int) -> Any:
                return CASES[at].value

            give.__annotations__ = {"value": case.kind, "return": case.kind}
            make.__annotations__ = {"at": int, "return": case.kind}
            task = app.task(name=f"give {place}", max_retries=0)(give)
            if codec in case.refused.split():
                with pytest.raises(OmniQError, match=f"argument value: .*{case.words}") as caught:
                    await task.enqueue(case.value)
                assert caught.value.is_invalid, case
                with pytest.raises(OmniQError, match=f"argument value: .*{case.words}"):
                    await task.enqueue_many([case.value])
            else:
                given.append((case, await task.enqueue(case.value)))
            made.append((case, await app.task(name=f"make {place}", max_retries=0)(make).enqueue(place)))
        await app.drain()
        for case, handle in [*given, *made]:
            if codec in case.refused.split():
                with pytest.raises(TaskFailed, match=case.words) as failed:
                    await handle.result(5)
                assert failed.value.error is not None
                assert failed.value.error.type == "bad_result"
            else:
                wanted = case.value.item() if isinstance(case.value, np.generic) and codec != "pickle" else case.value
                back = await handle.result(5)
                assert same(back, wanted), (case, back)


@pytest.mark.parametrize("where", ["postgres", "memory"])
async def test_metadata_and_events(url: str, where: Any) -> None:
    async with AsyncOmniQ(url, tasks=where, results=where, events=where) as app:

        @app.task
        async def work() -> None: ...

        for place, case in enumerate(CASES):
            if case.kind is not Any or case.value == "\ud800":
                continue
            if "data" in case.refused.split():
                with pytest.raises(OmniQError, match=case.words) as caught:
                    await work.with_options(metadata={"a": case.value}).enqueue()
                assert caught.value.is_invalid, case
                with pytest.raises(OmniQError, match=case.words):
                    await app.backend.events.log(TaskEvent("odd", data={"a": case.value}))
                continue
            handle = await work.with_options(metadata={"a": case.value}).enqueue()
            await app.backend.events.log(TaskEvent(f"event-{place}", data={"a": case.value}))
            task = await app.backend.queue.get(handle.id)
            [event] = await app.backend.events.query(kind=f"event-{place}")
            assert task is not None
            assert same(task.metadata["a"], case.value), case
            assert same(event.data["a"], case.value), case


def packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


#: Annotations, what is stored, and what the error says.
MISFITS: list[tuple[Any, Payload, str]] = [
    (int, Payload("json", b'"text"'), "Expected `int`, got `str`"),
    (int, Payload("json", b"null"), "Expected `int`, got `null`"),
    (float, Payload("json", b"1e400"), "out of range"),
    (list[Point], Payload("json", b'[{"x": 1}, {"y": 2}]'), r"missing required field `x` - at `\$\[1\]`"),
    (None, Payload("json", b"1"), "Expected `null`"),
    (str, Payload("json", b'"a'), "truncated"),
    (int, Payload("msgpack", packed(1.5)), "Expected `int`, got `float`"),
    (int, Payload("msgpack", b"\xcf"), "truncated"),
    (np.ndarray, Payload("json", b"[1, 2]"), "for a numpy.ndarray, got a value of type list"),
    (np.int8, Payload("msgpack", packed(300)), "numpy.int8"),
    (int, Payload("raw", b"1"), "it is of type bytes"),
    (int | str, Payload("pickle", pickle.dumps(1.5)), "it is of type float"),
    (list[int], Payload("pickle", pickle.dumps((1, 2))), "it is of type tuple"),
    (Literal["a", "b"], Payload("pickle", pickle.dumps("c")), "it is of type str"),
    (Point, Payload("pickle", b"no pickle"), "cannot be read"),
    (Any, Payload("x-unknown", b""), "codec 'x-unknown' is unknown"),
]


async def test_a_result_that_does_not_fit_is_an_error_with_the_tasks_id(url: str) -> None:
    async with AsyncOmniQ(url, allow_pickle=True) as app, AsyncOmniQ(url) as strict:
        for owner, kind, payload, words in [
            *((app, *case) for case in MISFITS),
            (strict, int, Payload("pickle", pickle.dumps(1)), "codec 'pickle' is not allowed here"),
        ]:

            async def give() -> Any: ...

            give.__annotations__ = {"return": kind}
            handle = await owner.task(name="shop.give")(give).enqueue()
            await owner.backend.results.store(TaskResult(handle.id, ResultStatus.COMPLETED, payload=payload))
            name = getattr(kind, "__name__", "") if isinstance(kind, type) and kind is not list[int] else ""
            with pytest.raises(CodecError, match=words) as caught:
                await handle.result(5)
            text = str(caught.value)
            assert str(handle.id) in text
            assert f"shop.give is annotated, -> {name}" in text
            assert caught.value.is_codec
            assert isinstance(caught.value, ValueError)
            if words.startswith("codec '"):
                stored = await owner.backend.results.get(handle.id)
                assert stored is not None
                with pytest.raises(CodecError, match=f"value of task {handle.id} cannot be read: {words}"):
                    _ = stored.value


@pytest.mark.parametrize("codec", ["pickle", "json"])
async def test_a_value_of_another_type_fails_its_task_with_each_codec(url: str, codec: str) -> None:
    async with AsyncOmniQ(url, codec=codec, allow_pickle=True) as app:

        @app.task(max_retries=0)
        async def number() -> int:
            return "one"  # type: ignore[return-value]

        @app.task
        async def point() -> Point | None:
            return Point(1)

        bad, good = await number.enqueue(), await point.enqueue()
        await app.drain()
        with pytest.raises(TaskFailed, match="does not fit the annotation -> int"):
            await bad.result(5)
        assert await good.result(5) == Point(1)
