"""numpy arrays and numbers as arguments and values: kept bit for bit where the annotation names their type, else refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from omniq import AsyncOmniQ, CodecError, OmniQError, Payload, TaskFailed
from omniq.testing import assert_enqueued

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


@dataclass
class Batch:
    label: str
    rows: npt.NDArray[np.float64]
    rest: Any = None
    weight: float = 1


def of(value: Any) -> tuple[Any, ...]:
    """All that must be kept of an array."""
    return type(value), value.dtype, value.shape, value.flags.f_contiguous, value.flags.writeable, value.tobytes("A")


ARRAYS = [
    np.array([1.5, -0.0, np.nan, np.inf, 5e-324]),
    np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\x7f", "<f8").copy(),
    np.arange(6, dtype="<i2").reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=">u8").reshape(2, 3)),
    np.array([2**64 - 1], np.uint64),
    np.array(7, np.int8),
    np.zeros((0, 3), np.float32),
    np.array([True, False]),
    np.array([1 + 2j], np.complex64),
    np.array(["a", "größe"]),
    np.array([b"a\0b"]),
    np.array(["2026-01-01T00:00:00.000000001", "NaT"], "M8[ns]"),
    np.array([3], "m8[h]"),
    np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8")]),
]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_arrays_are_kept_beside_other_arguments(app: AsyncOmniQ, codec: str) -> None:
    @app.task(codec=codec, max_retries=0)
    async def give(n: int, array: np.ndarray[Any, Any], name: str = "") -> np.ndarray[Any, Any]:
        assert (n, name) == (7, "x")
        return array

    handles = [await give.enqueue(7, array, name="x") for array in ARRAYS]
    handles += await give.enqueue_many([(7, array, "x") for array in ARRAYS])
    await app.drain()
    for handle, array in zip(handles, ARRAYS * 2, strict=True):
        assert of(await handle.result(5)) == of(array)
    # What lies apart in memory comes back together.
    await give.enqueue(7, ARRAYS[2][:, ::-2], "x")


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_arrays_within_other_values(app: AsyncOmniQ, codec: str) -> None:
    @app.task(codec=codec, max_retries=0)
    async def total(*batches: Batch, more: dict[str, np.ndarray[Any, Any] | None], **named: np.float32) -> list[Batch]:
        return [Batch(one.label, one.rows * named["scale"], one.rest) for one in batches]

    @app.task(codec=codec)
    async def alone(array: npt.NDArray[np.float64] | None = None) -> float:
        return -1 if array is None else float(array.sum())

    rows = np.array([[1.0, 2.0]])
    # 2**60 as a float, and in msgpack bytes of the array that look like an integer.
    rows[0, 1] = np.frombuffer(b"\xcf" * 8)[0]
    handle = await total.enqueue(
        Batch("a", rows, [1], 2**60), Batch("b", rows), more={"x": None, "y": rows}, scale=np.float32(2)
    )
    sums = [await alone.enqueue(rows), await alone.enqueue(), await alone.enqueue(None)]
    await app.drain()
    first, second = await handle.result(5)
    assert (first.label, first.rows.tolist(), first.rest, second.label) == ("a", (rows * 2).tolist(), [1], "b")
    assert first.weight == 1
    assert [await one.result(5) for one in sums] == [rows.sum(), -1, -1]
    with pytest.raises(OmniQError, match="argument batches: it holds an integer that no float equals"):
        await total.enqueue(Batch("a", rows, None, 2**60 + 1), more={}, scale=np.float32(1))


async def test_other_programs_read_the_rest_and_the_bytes(app: AsyncOmniQ) -> None:
    @app.task
    async def work(array: np.ndarray[Any, Any], n: int) -> None: ...

    array = np.arange(3)
    handle = await work.enqueue(array, n=2)
    task = await app.backend.queue.get(handle.id)
    assert task is not None
    written = json.loads(task.payload.data)
    assert written["n"] == 2
    assert Payload("json", json.dumps(written["array"]).encode()).decode(np.ndarray).tolist() == [0, 1, 2]
    assert_enqueued(work, array)
    with pytest.raises(AssertionError):
        assert_enqueued(work, array.astype(np.int8))
    # Written by hand, as another program does.
    by_hand = await app.backend.enqueue("work", Payload("json", task.payload.data))
    await app.drain()
    assert (await app.backend.wait(by_hand, 5)).status == "completed"


class Sub(np.ndarray):
    """A subclass, of which npy keeps the plain array alone."""


async def test_what_cannot_be_kept_is_refused_with_the_codecs_that_could(app: AsyncOmniQ) -> None:
    @app.task
    async def typed(array: np.ndarray[Any, Any], rest: Any = None) -> None: ...

    @app.task
    async def floats(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None: ...

    @app.task
    async def batch(batch: Batch) -> None: ...

    @app.task
    async def plain(value: Any) -> None: ...

    could = r"or use pickle with allow_pickle=True$"
    odd = np.dtype("f8", metadata={"unit": "m"})
    array = np.zeros(2)
    refused: list[tuple[Any, tuple[Any, ...], str]] = [
        (typed, (np.array([{1}, None]),), f"argument array: .*dtype object holds Python objects, .*astype.*{could}"),
        (typed, (np.array([(1, "x")], dtype=[("a", "O"), ("b", "O")]),), f"Python objects.*{could}"),
        (typed, (np.ma.masked_array([1, 2], [False, True]),), "MaskedArray"),
        (typed, (array.view(Sub),), "given where the annotation names numpy.ndarray|Sub"),
        (typed, (np.zeros(2, odd),), f"does not keep the dtype.*{could}"),
        (typed, ([1.0, 2.0],), 'argument array: expected {"npy": bytes} for a numpy.ndarray, got a value of type list'),
        (
            typed,
            (array, array),
            f"argument rest: a numpy.ndarray is written only where the annotation names its type.*{could}",
        ),
        (plain, (array,), f"argument value: a numpy.ndarray is written only where .*{could}"),
        (plain, ([{"a": array}],), "only where the annotation names its type"),
        (batch, (Batch("a", array, array),), "argument batch: it holds a numpy.ndarray in a place whose annotation"),
        (batch, (Batch("a", array.astype(np.float32)),), "expected an array of dtype float64, got float32"),
        (floats, (array,), "argument matrix: expected an array of 2 dimensions, got 1"),
    ]
    for function, args, words in refused:
        with pytest.raises(OmniQError, match=words) as caught:
            await function.enqueue(*args)
        assert caught.value.is_invalid, words
        with pytest.raises(OmniQError, match=words.removeprefix("argument ").removesuffix("$")):
            await function.enqueue_many([args[0] if function is not typed else args])
    assert await app.backend.queue.list() == []

    @app.task(max_retries=0)
    async def give(kind: str) -> Any:
        return np.zeros(2) if kind == "array" else lambda: None

    for kind in ("array", "function"):
        handle = await give.enqueue(kind)
        await app.drain()
        with pytest.raises(TaskFailed, match="cannot be written as json") as failed:
            await handle.result(5)
        assert ("pickle with allow_pickle=True" in str(failed.value)) is (kind == "array")


NUMBERS: list[tuple[Any, Any]] = [
    (np.float64(0.1), 0.1),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.int64(-(2**63)), -(2**63)),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.int8(3), 3),
    (np.bool_(True), True),
    (np.str_("größe"), "größe"),
    (np.datetime64("2026-01-02"), date(2026, 1, 2)),
    (np.datetime64("2026-01-02T03:04:05.000001000"), datetime(2026, 1, 2, 3, 4, 5, 1)),
    (np.timedelta64(3, "h"), timedelta(hours=3)),
]
REFUSED = [
    np.longdouble(1) / 3,
    np.complex128(1j),
    np.datetime64("2026-01-02T03:04:05.000000001"),
    np.datetime64("NaT"),
    np.datetime64("200000-01-01"),
    np.timedelta64(1, "M"),
    np.array([(1,)], dtype=[("a", "i4")])[0],
]


async def test_numbers_of_numpy_are_equal_numbers_of_python_or_refused(app: AsyncOmniQ) -> None:
    @app.task
    async def give(value: Any) -> Any:
        return value

    @app.task
    async def typed(a: int, b: float, c: bool, d: datetime) -> list[Any]:
        return [a, b, c, d]

    metadata = {"loss": np.float32(0.5), "step": np.int64(3)}
    handles = [await give.with_options(metadata=metadata).enqueue(value) for value, _ in NUMBERS]
    numbers: list[Any] = [np.int64(1), np.float32(0.1), np.bool_(False), np.datetime64("2026-01-02T00:00:00")]
    all_four = await typed.enqueue(*numbers)
    for value in REFUSED:
        with pytest.raises(OmniQError, match=r"argument value: this numpy.* has no equal in Python"):
            await give.enqueue(value)
    for value in (np.float64("nan"), np.float32("inf")):
        with pytest.raises(OmniQError, match=r"it holds the number .*leave it out, or use msgpack or pickle"):
            await give.enqueue(value)
    await app.drain()
    for handle, (_, equal) in zip(handles, NUMBERS, strict=True):
        value = await handle.result(5)
        assert value == (equal.isoformat() if isinstance(equal, date) else equal) or isinstance(equal, timedelta)
        result = await app.backend.results.get(handle.id)
        assert result is not None
        assert result.metadata == {"loss": 0.5, "step": 3}
    assert await all_four.result(5) == [1, float(np.float32(0.1)), False, "2026-01-02T00:00:00"]


SCALARS: list[tuple[Any, Any]] = [
    *((type(value), value) for value, _ in NUMBERS),
    *((type(value), value) for value in REFUSED),
    (np.bytes_, np.bytes_(b"a\0b")),
    (np.float64, np.float64(-0.0)),
]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_numbers_of_numpy_are_kept_where_they_are_annotated(app: AsyncOmniQ, codec: str) -> None:
    handles = []
    for place, (kind, value) in enumerate(SCALARS):

        async def give(value: Any) -> Any:
            return value

        give.__annotations__ = {"value": kind, "return": kind}
        handles.append(await app.task(name=f"give{place}", codec=codec)(give).enqueue(value))
    await app.drain()
    for handle, (kind, value) in zip(handles, SCALARS, strict=True):
        back: Any = await handle.result(5)
        # The last bytes of a long double have no meaning.
        size = 10 if kind is np.longdouble else None
        assert (type(back), back.dtype, back.tobytes()[:size]) == (kind, value.dtype, value.tobytes()[:size])


async def test_numbers_that_do_not_fit_their_annotation_are_refused(app: AsyncOmniQ) -> None:
    cases: list[tuple[Any, Any, str]] = [
        (np.float32, 0.1, "no numpy.float32 equals the value"),
        (np.float16, 1e9, "no numpy.float16 equals the value"),
        (np.int8, 300, "cannot be made a numpy.int8|no numpy.int8 equals"),
        (np.int64, 1.5, "no numpy.int64 equals"),
        (np.int64, True, "expected numpy.int64, got a value of type bool"),
        (np.float64, "1", "expected numpy.float64, got a value of type str"),
        (np.floating, 0.5, "a type that has a size"),
        (np.datetime64, "2026-01-01", "expected numpy.datetime64, got a value of type str"),
        (np.float64, np.datetime64("2026-01-01"), "expected numpy.float64, got dtype datetime64"),
        (np.float64, 2**53 + 1, "no numpy.float64 equals"),
        (np.float64, np.zeros(1), "a numpy.ndarray is given where the annotation names numpy.float64"),
    ]
    for place, (kind, value, words) in enumerate(cases):

        async def take(value: Any) -> None: ...

        take.__annotations__ = {"value": kind, "return": None}
        with pytest.raises(OmniQError, match=f"argument value: .*({words})") as caught:
            await app.task(name=f"take{place}")(take).enqueue(value)
        assert caught.value.is_invalid


async def test_bytes_that_are_no_array_are_refused() -> None:
    pickled = b'{"npy": "k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAg"}'
    for data in (b'{"npy": "!"}', b'{"npy": "AAAA"}', b'{"npy": 3}', b'{"arrow": "AAAA"}', b"{}", b"[]", pickled):
        with pytest.raises(CodecError):
            Payload("json", data).decode(np.ndarray)


def test_nothing_is_imported_that_is_not_used(url: str) -> None:
    program = """
import sys
from omniq import OmniQ
with OmniQ() as app:
    @app.task
    def add(a: int, b: float) -> float:
        return a + b
    handle = add.enqueue(1, 2.0)
    app.drain()
    assert handle.result(5) == 3
there = {"numpy", "pandas", "polars", "pyarrow"} & set(sys.modules)
assert not there, there
"""
    run = subprocess.run([sys.executable, "-c", program], env={"OMNIQ_URL": url}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
