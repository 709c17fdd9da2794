"""Frames and series of pandas and polars, and tables of pyarrow, as Arrow IPC streams."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["read", "write"]

#: Notes in the schema of a stream: a series of pandas without a name, and the distance between the times of an index.
_UNNAMED = b"omniq.unnamed"
_FREQUENCY = b"omniq.freq"


def write(value: Any) -> bytes:
    """The value as an Arrow IPC stream.

    Raises:
        TypeError: For a value that Arrow cannot hold unchanged.
    """
    return _form_of(type(value)).write(value)


def read(kind: type, data: bytes) -> Any:
    """The value of this class from an Arrow IPC stream, of whatever writer.

    Raises:
        TypeError: For a class that is not known here, and for a stream that does not fit the class.
        ValueError: For bytes that are no Arrow stream.
    """
    return _form_of(kind).read(data)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise TypeError("frames of pandas are written by pyarrow: pip install omniq-pg[pandas]") from None
    return pyarrow


# pyarrow


def _write_table(table: Any) -> bytes:
    pyarrow = _pyarrow()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _read_table(data: bytes) -> Any:
    pyarrow = _pyarrow()
    try:
        with pyarrow.ipc.open_stream(data) as reader:
            return reader.read_all()
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"the bytes are no Arrow stream: {error}") from None


# pandas


def _write_pandas(value: Any) -> bytes:
    pyarrow = _pyarrow()
    is_series = type(value).__name__ == "Series"
    frame = value.to_frame() if is_series else value
    if not frame.columns.is_unique:
        raise TypeError("Arrow cannot hold two columns of one name: give them different names")
    try:
        table = pyarrow.Table.from_pandas(frame)
    except Exception as error:
        # Of several texts, the last one names the column, and the others may hold values.
        words = error.args[-1] if len(error.args) > 1 else type(error).__name__
        raise TypeError(f"Arrow cannot hold this {_name(value)}: {words}; {_REMEDY}") from None
    notes = {_UNNAMED: b"1"} if is_series and value.name is None else {}
    frequency = getattr(value.index, "freq", None)
    if frequency is not None:
        notes[_FREQUENCY] = value.index.freqstr.encode()
    data = _write_table(table.replace_schema_metadata({**table.schema.metadata, **notes}))
    changed = _changes(value, (_read_series if is_series else _read_frame)(data))
    if changed:
        raise TypeError(f"Arrow does not keep this {_name(value)} unchanged: {', '.join(changed)}; {_REMEDY}")
    return data


_REMEDY = "give columns of objects a dtype, such as by frame.convert_dtypes()"


def _name(value: Any) -> str:
    return f"pandas.{type(value).__name__}"


def _read_frame(data: bytes) -> Any:
    table = _read_table(data)
    frame = table.to_pandas()
    frequency = (table.schema.metadata or {}).get(_FREQUENCY)
    if frequency is not None:
        frame.index.freq = frequency.decode()
    return frame


def _read_series(data: bytes) -> Any:
    frame = _read_frame(data)
    if frame.shape[1] != 1:
        raise TypeError(f"expected one column for a pandas.Series, got {frame.shape[1]}")
    series = frame.iloc[:, 0]
    if _UNNAMED in (_pyarrow().ipc.open_stream(data).schema.metadata or {}):
        series.name = None
    return series


def _changes(before: Any, after: Any) -> list[str]:
    """What is another after the round trip, in words."""
    changed = []
    if type(before.index) is not type(after.index) or not before.index.identical(after.index):
        changed.append("its index changes")
    if before.attrs != after.attrs:
        changed.append("its attrs change")
    if type(before).__name__ == "Series":
        return changed if before.name == after.name and _is_same(before, after) else [*changed, "its values change"]
    one, other = before.columns, after.columns
    # A range of numbers becomes a list of the same numbers.
    if one.dtype != other.dtype or not one.equals(other) or one.names != other.names:
        return [*changed, "the names of its columns change"]
    places = [place for place in range(len(one)) if not _is_same(before.iloc[:, place], after.iloc[:, place])]
    return [*changed, *(f"column {one[place]!r} changes" for place in places[:5])]


def _is_same(before: Any, after: Any) -> bool:
    try:
        if before.dtype != after.dtype or not before.equals(after):
            return False
        # A list equals an array for some versions of pandas.
        return before.dtype != object or all(map(_is_of_same_type, before, after))
    except (TypeError, ValueError):
        # Values such as lists, which cannot be compared.
        return False


def _is_of_same_type(one: Any, other: Any) -> bool:
    return type(one) is type(other)


# polars


def _write_polars(value: Any) -> bytes:
    import polars

    is_series = type(value).__name__ == "Series"
    frame = value.to_frame() if is_series else value
    failed: Any = "it holds Python objects"
    if not any(dtype == polars.Object for dtype in frame.dtypes):
        stream = io.BytesIO()
        try:
            frame.write_ipc_stream(stream)
            data = stream.getvalue()
            back = _read_polars(data).schema
            if back == frame.schema:
                return data
            names = [name for name, dtype in frame.schema.items() if back.get(name) != dtype]
            failed = f"the dtype of {', '.join(map(repr, names[:5]))} changes"
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, ValueError) as error:
            failed = type(error).__name__
    words = "give all columns a dtype of Arrow"
    raise TypeError(f"Arrow cannot hold this polars.{type(value).__name__} unchanged: {failed}; {words}")


def _read_polars(data: bytes) -> Any:
    import polars

    try:
        return polars.read_ipc_stream(io.BytesIO(data))
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        raise ValueError(f"the bytes are no Arrow stream that polars can read: {error}") from None


def _read_polars_series(data: bytes) -> Any:
    frame = _read_polars(data)
    if frame.width != 1:
        raise TypeError(f"expected one column for a polars.Series, got {frame.width}")
    return frame.to_series()


class _Form(NamedTuple):
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


_FORMS: dict[tuple[str, str], _Form] = {
    ("pandas", "DataFrame"): _Form(_write_pandas, _read_frame),
    ("pandas", "Series"): _Form(_write_pandas, _read_series),
    ("polars", "DataFrame"): _Form(_write_polars, _read_polars),
    ("polars", "Series"): _Form(_write_polars, _read_polars_series),
    ("pyarrow", "Table"): _Form(_write_table, _read_table),
}


def _form_of(kind: type) -> _Form:
    library = kind.__module__.partition(".")[0]
    form = _FORMS.get((library, kind.__qualname__))
    if form is None:
        known = "DataFrame and Series of pandas and polars, and Table of pyarrow"
        raise TypeError(f"a {library}.{kind.__qualname__} cannot be written or read: known are {known}")
    return form
