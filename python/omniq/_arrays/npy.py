"""numpy: arrays as npy, numbers as those of Python."""

from __future__ import annotations

import base64
import io
import typing
from typing import Any

__all__ = ["exact", "read", "read_scalar", "scalars", "write", "write_scalar"]

#: The kinds of dtype that npy holds. A structured one (V) may hold objects all the same.
_KINDS = frozenset("biufcmMSUV")
#: The units of time that are finer than those of Python.
_FINE = ("ns", "ps", "fs", "as")


def scalars() -> type:
    """The base class of numpy's scalars."""
    import numpy

    return numpy.generic


def write(array: Any) -> bytes:
    """The array as npy: dtype, byte order, shape, order of memory and each bit.

    Raises:
        TypeError: For an array that npy cannot hold unchanged.
    """
    import numpy
    from numpy.lib import format

    dtype = array.dtype
    if type(array) is not numpy.ndarray:
        raise TypeError(
            f"npy does not keep what a {type(array).__name__} has beyond a plain array: give a numpy.ndarray"
        )
    if dtype.kind not in _KINDS or dtype.hasobject:
        words = "give it a dtype of fixed size, such as by array.astype(float)"
        raise TypeError(f"an array of dtype {dtype} holds Python objects, which npy cannot hold: {words}")
    if dtype.metadata or format.descr_to_dtype(format.dtype_to_descr(dtype)) != dtype:
        raise TypeError(f"npy does not keep the dtype {dtype} of this array: give it one of numpy's own")
    stream = io.BytesIO()
    numpy.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def write_scalar(value: Any) -> Any:
    """What stands for a scalar where the annotation names its type: a value of Python if it has an equal one of the same
    form, else npy."""
    import numpy

    if value.dtype.kind in "biuUS" or (value.dtype.kind == "f" and value.dtype.itemsize <= 8):
        return value.item()
    return {"npy": write(numpy.asarray(value))}


def exact(value: Any) -> Any:
    """The value of Python that equals a scalar.

    Raises:
        TypeError: If there is none.
    """
    import numpy

    kind = value.dtype.kind
    if kind in "biuUS":
        return value.item()
    if kind == "f":
        number = float(value)
        if number == value or number != number:
            return number
    elif kind in "mM" and not numpy.isnat(value):
        rounded = value
        if numpy.datetime_data(value.dtype)[0] in _FINE:
            rounded = value.astype(f"{kind}8[us]")
        item = rounded.item()
        # An integer stands for what Python's types cannot hold.
        if not isinstance(item, int) and rounded.astype(value.dtype) == value:
            return item
    name = f"numpy.{type(value).__name__}"
    raise TypeError(f"this {name} has no equal in Python: annotate it with {name}, or give another type")


def read(kind: Any, data: bytes) -> Any:
    """The array, or the scalar, of these bytes.

    Raises:
        TypeError, ValueError: If they are no npy, or not of this type.
    """
    import numpy
    from numpy.lib import format

    array = format.read_array(io.BytesIO(data), allow_pickle=False)
    origin = typing.get_origin(kind) or kind
    if issubclass(origin, numpy.generic):
        value = array[()]
        if not isinstance(value, origin):
            raise TypeError(f"expected numpy.{origin.__name__}, got dtype {array.dtype} with {array.ndim} dimensions")
        return value
    if origin is not numpy.ndarray:
        raise TypeError(f"a numpy.{origin.__name__} cannot be read: annotate it with numpy.ndarray")
    _check(kind, array)
    return array


def _check(kind: Any, array: Any) -> None:
    """Compares the array with the arguments of ``ndarray[shape, dtype[scalar]]``."""
    arguments = typing.get_args(kind)
    if len(arguments) != 2:
        return
    places = typing.get_args(arguments[0])
    if places and Ellipsis not in places and len(places) != array.ndim:
        raise TypeError(f"expected an array of {len(places)} dimensions, got {array.ndim}")
    for scalar in typing.get_args(arguments[1]):
        wanted = typing.get_origin(scalar) or scalar
        if isinstance(wanted, type) and not issubclass(array.dtype.type, wanted):
            raise TypeError(f"expected an array of dtype {wanted.__name__}, got {array.dtype}")


def read_scalar(kind: type, given: Any) -> Any:
    """The scalar of this type that equals a value of Python.

    Raises:
        TypeError: If there is none.
    """
    import numpy

    if issubclass(kind, numpy.bytes_) and isinstance(given, str):
        given = base64.b64decode(given, validate=True)
    for family, wanted in (
        (numpy.bool_, bool),
        (numpy.integer, (int, float)),
        (numpy.floating, (int, float)),
        (numpy.str_, str),
        (numpy.bytes_, bytes),
    ):
        if issubclass(kind, family) and isinstance(given, wanted) and isinstance(given, bool) == (wanted is bool):
            break
    else:
        raise TypeError(f"expected numpy.{kind.__name__}, got a value of type {type(given).__name__}")
    try:
        with numpy.errstate(all="ignore"):
            made = kind(given)
    except (TypeError, ValueError, OverflowError) as error:
        words = "annotate it with a type that has a size, such as numpy.float64"
        raise TypeError(f"the value cannot be made a numpy.{kind.__name__} ({type(error).__name__}): {words}") from None
    if made.item() != given and given == given:
        raise TypeError(f"no numpy.{kind.__name__} equals the value: give one, or annotate it with a wider type")
    return made
