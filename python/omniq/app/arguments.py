"""Encodes a call's arguments as a task's payload and decodes them, in the same form as Rust programs.

- A function of one parameter takes the payload as its argument: ``f.enqueue("Ann")`` writes ``"Ann"``.
- Otherwise arguments by position are a list: ``f.enqueue(1, 2)`` writes ``[1, 2]``. If one is given by name, all are
  written by name: ``f.enqueue(1, x=2)`` writes ``{"a": 1, "x": 2}``. Both forms can be read for each function.
- A call without arguments is ``null``.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter
from typing import Any

import msgspec

from omniq._equivalents import option
from omniq.app import shapes
from omniq.app.fitting import holds_long
from omniq.app.losses import Losses
from omniq.app.options import CallOptions
from omniq.app.signature import Signature, TaskParameter
from omniq.app.values import Misfit, Value, given_as, reader, writer
from omniq.codecs import others, why
from omniq.errors import InvalidError, OmniQError

_REST = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

#: The arguments of a call: those by position and those by name.
Call = tuple[tuple[Any, ...], dict[str, Any]]


class BadArguments(Exception):
    """Raised for arguments that do not fit the function; the text names the argument."""


class Arguments:
    """The arguments of one function."""

    def __init__(self, name: str, signature: Signature, allow_pickle: bool) -> None:
        self.name = name
        self.allow_pickle = allow_pickle
        self._parameters = signature.parameters
        self._signature = signature.of_enqueue()
        self._values = {parameter.name: Value(parameter.type, allow_pickle) for parameter in self._parameters}
        self._places = [parameter for parameter in self._parameters if parameter.kind in _BY_PLACE]
        self._rest = next((one for one in self._parameters if one.kind is Parameter.VAR_POSITIONAL), None)
        self._names = next((one for one in self._parameters if one.kind is Parameter.VAR_KEYWORD), None)
        self._one = (
            self._parameters[0] if len(self._parameters) == 1 and self._parameters[0].kind not in _REST else None
        )
        by_place_alone = not any(one.kind is Parameter.KEYWORD_ONLY and one.required for one in self._parameters)
        required = sum(parameter.required for parameter in self._places)
        # With these numbers of arguments by position, a call without arguments by name is complete.
        self._plain = range(required, len(self._places) + 1) if by_place_alone else range(0)
        # Whether an argument may be an array or a frame, or an integer that becomes a float.
        self._has_arrays = any(value.arrays for value in self._values.values())
        self._may_round = any(value.may_round for value in self._values.values())
        self._losses = Losses(self._values, self._places, self._rest, self._names)
        self._lists: dict[tuple[str, int], Callable[[bytes], Any]] = {}
        self._by_name_alone = not any(
            parameter.kind in (*_REST, Parameter.POSITIONAL_ONLY) for parameter in self._parameters
        )
        self._named = {parameter.name for parameter in self._parameters}
        self._required = {parameter.name for parameter in self._parameters if parameter.required}
        self._all_by_place = len(self._places) == len(self._parameters)
        self._all_required = all(parameter.required for parameter in self._places)
        # Readers of all arguments by name, by codec, made at first use; None if one step cannot read them.
        self._structs: dict[str, Callable[[bytes], Any] | None] = {}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value to encode for this call."""
        if not kwargs and len(args) in self._plain:
            return args[0] if self._one is not None and args else (args or None)
        if not args and self._one is None and self._by_name_alone and self._required <= kwargs.keys() <= self._named:
            return kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            words = self._misfit(args, kwargs) or str(error)
            raise InvalidError(f"task {self.name}{self._signature}: {words}") from None
        if self._one is not None:
            return next(iter(bound.arguments.values()), None)
        if not kwargs:
            return args or None
        named = dict(bound.arguments)
        if self._names is not None:
            named.update(named.pop(self._names.name, {}))
        return named

    def _misfit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The message about arguments that the function does not take; empty if there are none. Python's own error
        names a missing argument first, even if a wrong name is the cause."""
        names = ", ".join(parameter.name for parameter in self._parameters)
        known = f"its parameters are {names}" if names else "it has none"
        unknown = [] if self._names is not None else [str(name) for name in kwargs if name not in self._named]
        if unknown:
            words = f"there is no parameter {' and no parameter '.join(unknown)}: {known}"
            options = [name for name in unknown if name in CallOptions.__annotations__]
            if options:
                return f"{words}; options go by with_options({options[0]}=…)"
            equivalents = [f"{words}; if an option was meant: {option(name)}" for name in unknown if option(name)]
            return f"{equivalents[0]}options go by with_options(…)" if equivalents else words
        if self._rest is None and len(args) > len(self._places):
            return f"too many arguments by position, {len(args)} where at most {len(self._places)} are taken: {known}"
        return ""

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any], codec: str) -> bytes:
        """The bytes of a call, after a check that they fit the function.

        Raises:
            InvalidError: For arguments that do not fit, naming the argument.
        """
        value = self.bind(args, kwargs)
        try:
            if self._has_arrays and codec in shapes.LISTS and value is not None:
                return self._one_by_one(value, codec)
            data = writer(codec, self.allow_pickle)(value)
        except BadArguments as error:
            raise InvalidError(f"task {self.name}: {error}") from error.__cause__
        except Exception as error:
            if isinstance(error, OmniQError) and codec not in ("json", "msgpack"):
                raise
            words = f"{self._which(value, codec)}{why(error)}{others(value, codec)}"
            raise InvalidError(f"task {self.name}: {words}") from error
        if codec in ("json", "msgpack"):
            try:
                call = self.read(data, codec)
                self._refuse_losses(value, call, data, codec)
            except BadArguments as error:
                raise InvalidError(f"task {self.name}: {error}{given_as(str(error), self._by_names(value))}") from None
        return data

    def _one_by_one(self, value: Any, codec: str) -> bytes:
        """The bytes of a call whose arguments are written each by its own annotation, which may name arrays.

        Raises:
            BadArguments: For an argument that cannot be written, or does not fit.
        """
        names = [parameter.name for parameter in self._places]
        rest, more = (None if one is None else one.name for one in (self._rest, self._names))

        def written(name: str | None, given: Any) -> msgspec.Raw:
            by = self._values[name if name in self._values else more]  # type: ignore[index]
            try:
                return msgspec.Raw(by.encode(given, codec))
            except Misfit as error:
                raise BadArguments(f"argument {name}: {error}") from error
            except Exception as error:
                raise BadArguments(f"argument {name}: {why(error)}{others(given, codec)}") from error

        if self._one is not None:
            return bytes(written(self._one.name, value))
        whole: Any
        if isinstance(value, dict):
            whole = {
                name: [written(name, one) for one in given] if name == rest else written(name, given)
                for name, given in value.items()
            }
        else:
            whole = [written(names[at] if at < len(names) else rest, given) for at, given in enumerate(value)]
        return shapes.JOIN[codec](whole)

    def _refuse_losses(self, value: Any, call: Call, data: bytes, codec: str) -> None:
        """Refuses arguments that would lose something."""
        loss = None
        if self._losses:
            if not call[1] and self._all_by_place and (self._one is not None or not isinstance(value, dict)):
                given = (value,) if self._one is not None else value or ()
                loss = self._losses.of_places(given, call[0])
            else:
                loss = self._losses.of_names(self._by_names(value), self.named(call))
        if loss is None and self._may_round and holds_long(data, codec):
            loss = self._losses.of_numbers(self._by_names(value), self.named(call))
        if loss is not None:
            raise BadArguments(f"argument {loss[0]}: {loss[1]}")

    def _by_names(self, value: Any) -> dict[str, Any]:
        """The arguments of a bound call by the names of their parameters."""
        if self._one is not None:
            return {self._one.name: value}
        if isinstance(value, dict):
            return value
        named: dict[str, Any] = dict(zip((parameter.name for parameter in self._places), value or (), strict=False))
        if self._rest is not None:
            named[self._rest.name] = (value or ())[len(self._places) :]
        return named

    def _which(self, value: Any, codec: str) -> str:
        """The name of the argument that cannot be encoded, as the start of a message; empty if none is found."""
        for name, one in self._by_names(value).items():
            try:
                writer(codec)(one)
            except Exception:
                return f"argument {name}: "
        return ""

    def read(self, data: bytes, codec: str) -> Call:
        """The call that these bytes encode.

        Raises:
            BadArguments: If they do not fit the function.
        """
        try:
            return self._read(data, codec)
        except msgspec.MsgspecError as error:
            raise BadArguments(f"the arguments cannot be read: {error}") from error

    def _read(self, data: bytes, codec: str) -> Call:
        if codec != "json" and codec != "msgpack":
            return self._as_they_are(data, codec)
        one = self._one
        if one is not None:
            if not one.required and shapes.is_null(data, codec) and not shapes.takes_none(one.type):
                return (), {}
            return self._argument(one, data, codec, named=False)
        shape = shapes.of(data, codec)
        if shape == "list":
            return self._by_place(data, codec), {}
        if shape == "dict":
            return self._by_name(data, codec)
        if shape == "null":
            return self._complete((), {})
        if not self._places:
            raise BadArguments(f"there are arguments, and {self.name} takes none by position")
        return self._complete((self._value(self._places[0], data, codec),), {})

    def _by_place(self, data: bytes, codec: str) -> tuple[Any, ...]:
        try:
            count = len(shapes.LISTS[codec](data)) if len(self._plain) != 1 else self._plain.start
            if count in self._plain:
                found = self._lists.get((codec, count))
                if found is None:
                    types = tuple(parameter.type for parameter in self._places[:count])
                    found = self._lists[(codec, count)] = reader(tuple[types] if types else tuple[()], codec)  # type: ignore[valid-type]
                made: tuple[Any, ...] = found(data)
                return made
        except (msgspec.MsgspecError, ValueError, TypeError, OmniQError):
            pass
        # One by one, so that the error names the argument that does not fit.
        raws = shapes.LISTS[codec](data)
        values = [self._value(parameter, bytes(raw), codec) for parameter, raw in zip(self._places, raws, strict=False)]
        if len(raws) > len(self._places):
            if self._rest is None:
                raise BadArguments(
                    f"there are {len(raws)} arguments, and {self.name} takes {len(self._places)} by position"
                )
            values += [self._value(self._rest, bytes(raw), codec) for raw in raws[len(self._places) :]]
        return self._complete(tuple(values), {})[0]

    def _by_name(self, data: bytes, codec: str) -> Call:
        read = self._struct_of(codec)
        if read is not None:
            try:
                args = msgspec.structs.astuple(read(data))
            except (msgspec.MsgspecError, ValueError, TypeError, OmniQError):
                pass  # Read one by one below, so that the error names the argument that does not fit.
            else:
                if self._all_required or not any(value is msgspec.UNSET for value in args):
                    return args, {}
        raws = shapes.DICTS[codec](data)
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for parameter in self._parameters:
            if parameter.kind is Parameter.VAR_KEYWORD or parameter.name not in raws:
                continue
            raw = bytes(raws.pop(parameter.name))
            if parameter.kind is Parameter.VAR_POSITIONAL:
                positional.extend(self._value(parameter, bytes(one), codec) for one in shapes.LISTS[codec](raw))
            elif parameter.kind is Parameter.POSITIONAL_ONLY or (
                self._rest is not None and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
            ):
                positional.append(self._value(parameter, raw, codec))
            else:
                keywords[parameter.name] = self._value(parameter, raw, codec)
        if raws and self._names is None:
            raise BadArguments(f"{self.name} has no parameter {', '.join(sorted(raws))}")
        for name, raw in raws.items():
            keywords[name] = self._value(self._names, bytes(raw), codec)  # type: ignore[arg-type]
        return self._complete(tuple(positional), keywords)

    def _struct_of(self, codec: str) -> Callable[[bytes], Any] | None:
        if codec not in self._structs:
            self._structs[codec] = self._struct_reader(codec)
        return self._structs[codec]

    def _struct_reader(self, codec: str) -> Callable[[bytes], Any] | None:
        """A reader of all arguments in one step, if each can be given by position; else ``None``."""
        if not self._all_by_place:
            return None
        # Generated field names, because a parameter may have a name that a field cannot have.
        names = {f"field{place}": parameter.name for place, parameter in enumerate(self._places)}
        fields: list[Any] = [
            (field, parameter.type) if parameter.required else (field, parameter.type, msgspec.UNSET)
            for field, parameter in zip(names, self._places, strict=True)
        ]
        try:
            made = msgspec.defstruct("Arguments", fields, rename=names, forbid_unknown_fields=True)
            return reader(made, codec)
        except (TypeError, ValueError, OmniQError):
            return None

    def _as_they_are(self, data: bytes, codec: str) -> Call:
        """Reads codecs whose bytes contain the types of the values."""
        value = reader(Any, codec, self.allow_pickle)(data)
        if self._one is not None:
            return (value,), {}
        if value is None:
            return self._complete((), {})
        if isinstance(value, dict):
            return self._complete((), value)
        return self._complete(tuple(value) if isinstance(value, tuple | list) else (value,), {})

    def _argument(self, parameter: TaskParameter, data: bytes, codec: str, named: bool) -> Call:
        value = self._value(parameter, data, codec)
        return ((), {parameter.name: value}) if parameter.kind is Parameter.KEYWORD_ONLY else ((value,), {})

    def _value(self, parameter: TaskParameter, data: bytes, codec: str) -> Any:
        try:
            return self._values[parameter.name].read(data, codec)
        except Exception as error:
            raise BadArguments(f"argument {parameter.name}: {error}") from error

    def _complete(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call; an error if an argument is missing."""
        if kwargs or len(args) not in self._plain:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise BadArguments(str(error)) from None
        return args, kwargs

    def named(self, call: Call) -> dict[str, Any]:
        """A call's values by the names of their parameters."""
        if not call[1] and self._all_by_place:
            return dict(zip((parameter.name for parameter in self._places), call[0], strict=False))
        return dict(self._signature.bind(*call[0], **call[1]).arguments)

    def partly_named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """As `named`, for a call in which arguments may be missing.

        Raises:
            TypeError: For arguments that do not fit.
        """
        return dict(self._signature.bind_partial(*args, **kwargs).arguments)

    def hint(self, item: Any) -> str:
        """The likely mistake in one item of a bulk enqueue, for the error that names the item; empty if none."""
        if self._one is not None and isinstance(item, tuple | list | dict):
            return f"; a function of one parameter takes the value of {self._one.name} itself, not a {type(item).__name__} around it"
        return ""

    def quick_writer(self, codec: str) -> Callable[[Any], bytes | None]:
        """A function that writes one item of a bulk enqueue as `write` does, in the fewest steps. It returns ``None`` for an
        item that needs more steps, or does not fit."""
        one, by_name = self._one, self._struct_of(codec) if self._by_name_alone else None
        encode = writer(codec, self.allow_pickle)
        if codec not in ("json", "msgpack") or (one is None and by_name is None) or self._has_arrays:
            return lambda _item: None
        may_round = self._may_round
        read_one = None if one is None else self._values[one.name].read
        loses_one = None if one is None else self._values[one.name].loses
        loses = self._losses.by_place

        def quick(item: Any) -> bytes | None:
            try:
                if read_one is not None:
                    data = encode(item)
                    if shapes.is_null(data, codec):
                        return None
                    back = read_one(data, codec)
                    if loses_one is not None and loses_one(item, back):
                        return None
                    return None if may_round and holds_long(data, codec) else data
                if type(item) is not dict:
                    return None
                data = encode(item)
                # Refuses what is missing, what is unknown, and what is of another type.
                made = by_name(data)  # type: ignore[misc]
                if loses:
                    back = msgspec.structs.astuple(made)
                    if any(name in item and one(item[name], back[place]) for place, name, one in loses):
                        return None
                return None if may_round and holds_long(data, codec) else data
            except Exception:
                # The other way finds the argument that does not fit.
                return None

        return quick

    def unpack(self, item: Any) -> Call:
        """One item of a bulk enqueue: a tuple or list by position, a dict by name, or the one argument itself."""
        if self._one is not None:
            return (item,), {}
        if item is None:
            return (), {}
        if isinstance(item, dict):
            return (), item
        return (tuple(item) if isinstance(item, tuple | list) else (item,)), {}
