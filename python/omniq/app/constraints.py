"""Constraints that an ``Annotated`` holds for other libraries, such as pydantic's ``Field(gt=0)`` and ``annotated_types.Gt(0)``.

msgspec knows none of them and would let every value pass. So each becomes the same constraint of msgspec, and one that msgspec
does not have is refused.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

__all__ = ["understood"]

#: The constraints of msgspec. The other libraries have the same names for them.
_KNOWN = frozenset(("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length"))
_LIBRARIES = ("annotated_types", "pydantic")
#: Notes that check nothing.
_HARMLESS = ("pydantic.json_schema",)


def understood(hint: Any) -> Any:
    """The annotation with the constraints in it as msgspec has them, also within containers and unions.

    Raises:
        ValueError: For a constraint that msgspec does not have; the text says which, and what to do.
    """
    parts = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is Annotated:
        inner, constraints = understood(parts[0]), _of(hint.__metadata__)
        if not constraints:
            return hint if inner is parts[0] else hint.copy_with((inner,))
        return Annotated[inner, msgspec.Meta(**constraints)]
    is_union = origin is typing.Union or isinstance(hint, types.UnionType)
    if not parts or not (is_union or isinstance(origin, type)):
        return hint
    made = tuple(understood(part) for part in parts)
    if all(one is other for one, other in zip(made, parts, strict=True)):
        return hint
    return typing.Union[made] if is_union else _again(hint, made)  # noqa: UP007


def _of(notes: Iterable[Any]) -> dict[str, Any]:
    """The constraints among these notes, by their names."""
    found: dict[str, Any] = {}
    for note in notes:
        if type(note).__module__.partition(".")[0] in _LIBRARIES and type(note).__module__ not in _HARMLESS:
            several = getattr(note, "metadata", None)
            if several is None and hasattr(note, "__iter__"):
                several = list(note)
            found |= _of_one(note) if several is None else _of(several)
    return found


def _of_one(note: Any) -> dict[str, Any]:
    fields = {one.name: getattr(note, one.name) for one in dataclasses.fields(note)} if _is_data(note) else vars(note)
    # A text is never read as a number here, nor the other way round.
    given = {name: value for name, value in fields.items() if value is not None and name != "strict"}
    if not fields or not given.keys() <= _KNOWN or not (given or "strict" in fields):
        raise ValueError(f"{note!r} would not be checked: leave it out, or take a pydantic model that has it")
    return given


def _again(alias: Any, parts: tuple[Any, ...]) -> Any:
    """The same generic type of other parts."""
    copy = getattr(alias, "copy_with", None)
    return types.GenericAlias(typing.get_origin(alias), parts) if copy is None else copy(parts)


def _is_data(note: Any) -> bool:
    return dataclasses.is_dataclass(note) and not isinstance(note, type)
