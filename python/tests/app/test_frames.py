"""Frames and series of pandas and polars, and tables of pyarrow, as arguments and values: kept as Arrow keeps them, else
refused."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from omniq import AsyncOmniQ, CodecError, OmniQError, Payload
from omniq.app.values import Value
from omniq.testing import assert_enqueued

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


async def round_trips(app: AsyncOmniQ, kind: Any, values: list[Any], codec: str) -> list[Any]:
    """The values, given to a task of this annotation beside a number, and returned by it."""

    async def give(n: int, value: Any, *more: Any) -> Any:
        assert n == 1
        return value

    give.__annotations__ = {"n": int, "value": kind, "more": kind, "return": kind}
    task = app.task(name=f"give {kind.__module__}", codec=codec, max_retries=0)(give)
    handles = [await task.enqueue(1, value, value) for value in values]
    assert_enqueued(task, value=values[0])
    with pytest.raises(AssertionError):
        assert_enqueued(task, value=values[0][:1])
    await app.drain()
    return [await handle.result(5) for handle in handles]


AT = datetime(2026, 3, 29, 1, tzinfo=timezone.utc)
PANDAS = [
    pd.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", None], "d": [True, False], "e": [-0.0, float("inf")]}),
    pd.DataFrame({"n": pd.array([1, None], "Int64"), "t": pd.to_datetime([AT, AT]).tz_convert("Europe/Berlin")}),
    pd.DataFrame(
        {"c": pd.Categorical(["x", "y", "x"], ["y", "x", "z"], ordered=True), "f": [Decimal("1.5"), None, None]}
    ),
    pd.DataFrame([[1, 2], [3, 4]]),
    pd.DataFrame({"a": []}),
    pd.DataFrame({"a": [1, 2, 3]}, index=pd.date_range("2026-01-01", periods=3, freq="D", tz="UTC", name="at")),
    pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index(["p", "q"], name="key")),
    pd.DataFrame(
        {"a": pd.to_datetime(["2026-01-01"]).as_unit("s"), "p": pd.period_range("2026-01", periods=1, freq="M")}
    ),
]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_frames_of_pandas_are_kept(app: AsyncOmniQ, codec: str) -> None:
    for back, frame in zip(await round_trips(app, pd.DataFrame, PANDAS, codec), PANDAS, strict=True):
        pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type=False)
        assert type(back.index) is type(frame.index)
    series = [
        pd.Series([1.5, None], name="a"),
        pd.Series([1, 2]),
        pd.Series([1, 2], name=0),
        pd.Series(["x"], index=pd.date_range("2026-01-01", periods=1, freq="h"), dtype="category"),
    ]
    for one, other in zip(await round_trips(app, pd.Series, series, codec), series, strict=True):
        pd.testing.assert_series_equal(one, other, check_exact=True)


POLARS = [
    pl.DataFrame({"a": [1, None], "b": [float("nan"), None], "c": ["x", None], "d": [AT, None], "e": [[1], []]}),
    pl.DataFrame(
        {"a": ["x", "y"], "b": ["x", "y"], "s": [{"k": 1}, {"k": None}]},
        schema_overrides={"a": pl.Categorical, "b": pl.Enum(["y", "x"])},
    ),
    pl.DataFrame(
        {"t": [AT], "u": [date(2026, 1, 1)], "v": [Decimal("1.50")], "w": [b"\0"], "x": [2**64 - 1]}
    ).with_columns(pl.col("t").dt.convert_time_zone("Europe/Berlin"), pl.col("x").cast(pl.UInt64)),
    pl.DataFrame({"a": []}, schema={"a": pl.Int8}),
]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_frames_of_polars_are_kept(app: AsyncOmniQ, codec: str) -> None:
    for back, frame in zip(await round_trips(app, pl.DataFrame, POLARS, codec), POLARS, strict=True):
        assert back.schema == frame.schema
        assert back.equals(frame)
    series = [pl.Series("a", [1, None, 3]), pl.Series([0.5])]
    for one, other in zip(await round_trips(app, pl.Series, series, codec), series, strict=True):
        assert (one.name, one.dtype, one.to_list()) == (other.name, other.dtype, other.to_list())


async def test_tables_are_kept_and_libraries_read_each_other(app: AsyncOmniQ) -> None:
    table = pa.table({"a": pa.array([1, None]), "b": pa.array(["x", "y"]).dictionary_encode()}, metadata={"k": "v"})
    [back] = await round_trips(app, pa.Table, [table], "json")
    assert back.equals(table, check_metadata=True)

    @app.task
    async def by_pandas(frame: pd.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"a": frame["a"].to_list()})

    @app.task
    async def by_polars(frame: pl.DataFrame) -> None: ...

    handle = await by_polars.enqueue(pl.DataFrame({"a": [1, 2]}))
    task = await app.backend.queue.get(handle.id)
    assert task is not None
    id = await app.backend.enqueue("by_pandas", task.payload)
    await app.drain()
    result = await app.backend.wait(id, 5)
    assert result.payload is not None
    assert result.payload.decode(pa.Table).to_pydict() == {"a": [1, 2]}


async def test_what_arrow_cannot_keep_is_refused_with_the_codecs_that_could(app: AsyncOmniQ) -> None:
    @app.task
    async def pandas(frame: pd.DataFrame) -> None: ...

    @app.task
    async def polars(frame: pl.DataFrame) -> None: ...

    @app.task
    async def lazy(frame: pl.LazyFrame) -> None: ...

    @app.task
    async def at(when: datetime) -> datetime:
        return when

    could = r".*or use pickle with allow_pickle=True$"
    noted = pd.DataFrame({"a": [1]})
    noted.attrs["k"] = {1, 2}
    refused: list[tuple[Any, Any, str]] = [
        (pandas, pd.DataFrame({"a": [1, "x"]}), f"Arrow cannot hold this pandas.DataFrame: .*column a{could}"),
        (
            pandas,
            pd.DataFrame({"a": [[1], [2]]}),
            f"does not keep this pandas.DataFrame unchanged: column 'a' changes{could}",
        ),
        (pandas, pd.DataFrame({"a": [{"k": 1}, {"j": 1}]}), f"column 'a' changes{could}"),
        (pandas, pd.DataFrame({"a": [1, 2]}, dtype=object), f"column 'a' changes{could}"),
        (pandas, pd.DataFrame({"a": [1 + 2j]}), f"Arrow cannot hold{could}"),
        (pandas, pd.DataFrame([[1, 2]], columns=["a", "a"]), f"two columns of one name{could}"),
        (pandas, noted, "attrs|cannot hold"),
        (pandas, pl.DataFrame({"a": [1]}), "polars.DataFrame is given where the annotation names pandas.DataFrame"),
        (pandas, pd.Series([1]), "pandas.Series is given where the annotation names pandas.DataFrame"),
        (pandas, {"a": [1]}, 'expected {"arrow": bytes} for a pandas.DataFrame, got a value of type dict'),
        (polars, pl.DataFrame({"a": [object()]}, schema={"a": pl.Object}), "it holds Python objects"),
        (polars, pl.DataFrame({"a": [1]}).lazy(), "polars.LazyFrame"),
        (lazy, pl.DataFrame({"a": [1]}).lazy(), "polars.LazyFrame cannot be written or read"),
        (at, pd.Timestamp("2026-01-01T00:00:00.000000001"), "nanoseconds has no equal in Python"),
        (at, pd.NaT, "pandas.NaTType cannot be written"),
    ]
    for task, value, words in refused:
        with pytest.raises(OmniQError, match=words) as caught:
            await task.enqueue(value)
        assert caught.value.is_invalid, words
    assert await app.backend.queue.list() == []
    handle = await at.enqueue(pd.Timestamp("2026-01-01T00:00:00.000001"))
    await app.drain()
    assert await handle.result(5) == datetime(2026, 1, 1, 0, 0, 0, 1)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2026-01-01T00:00:00.000001"),
        pd.Timestamp("2026-01-01T00:00:00.000000001"),
        pd.Timestamp("2026-01-01T00:00:00.123456789", tz="Europe/Berlin"),
        pd.Timestamp("2026-01-01", tz="UTC"),
        pd.Timedelta(days=3, seconds=5),
        pd.Timedelta(-1, "ns"),
        pd.Timedelta(days=-400, microseconds=1),
    ],
    ids=str,
)
def test_times_of_pandas(value: Any, codec: str) -> None:
    own: Any = type(value)
    cases: list[Any] = [(own, value), (list[own | None], [value, None])]
    for kind, given in cases:
        of_kind = Value(kind)
        back = of_kind.read(of_kind.write(given, codec), codec)
        assert back == given
        assert type(back[0] if isinstance(back, list) else back) is own
    with pytest.raises(CodecError):
        Value(own).write(5, codec)


def test_bytes_that_are_no_stream_are_refused() -> None:
    for kind in (pd.DataFrame, pd.Series, pl.DataFrame, pl.Series, pa.Table):
        for data in (b'{"arrow": "AAAA"}', b'{"arrow": ""}', b'{"npy": "AAAA"}', b"null", b"[1]"):
            with pytest.raises(CodecError):
                Payload("json", data).decode(kind)
    two = pa.table({"a": [1], "b": [2]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, two.schema) as writer:
        writer.write_table(two)
    data = msgspec.msgpack.encode({"arrow": sink.getvalue().to_pybytes()})
    for kind in (pd.Series, pl.Series):
        with pytest.raises(CodecError, match="expected one column"):
            Payload("msgpack", data).decode(kind)


async def test_the_extra_that_is_missing_is_named(app: AsyncOmniQ, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.task
    async def work(frame: pd.DataFrame) -> None: ...

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OmniQError, match=r"written by pyarrow: pip install omniq-pg\[pandas\]"):
        await work.enqueue(pd.DataFrame({"a": [1]}))
