"""Whether something of a value would be lost on its way, where msgspec's own check does not tell: entries of a dict whose
keys become one, and fields and class of an object of another class than the annotation names.

A check is made of an annotation once. It takes the value that was given and the one that was read back, and does nothing
for parts that cannot lose anything.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

__all__ = ["Check", "check_of", "lost"]

#: Returns the reason, as messages have it, or ``None`` if nothing is lost.
Check = Callable[[Any, Any], str | None]


def merged_keys(given: dict[Any, Any]) -> str:
    """The reason for a dict of which some keys have become one."""
    by_text: dict[str, Any] = {}
    for key in given:
        text = next(iter(msgspec.to_builtins({key: None}, str_keys=True)))
        if text in by_text:
            keys = f"{by_text[text]!r} and {key!r}"
            break
        by_text[text] = key
    else:
        keys = ", ".join(repr(key) for key in list(given)[:5])
    return f"it holds a dict whose keys {keys} become one, and an entry would be lost: give all its keys as texts that differ"


def check_of(kind: Any) -> Check | None:
    """The check for values of this type; ``None`` if they cannot lose anything."""
    import msgspec.inspect

    try:
        node = msgspec.inspect.type_info(kind)
    except (TypeError, ValueError, NameError, RecursionError):
        return None
    return _check(node, {})


def lost(given: Any, back: Any) -> str | None:
    """The check for values without an annotation."""
    try:
        if given == back:
            return None
    except Exception:
        # For example arrays, whose comparison is none of the whole.
        pass
    try:
        return _lost(given, back)
    except RecursionError:
        return "it is nested too deep: make it flatter"


def _lost(given: Any, back: Any) -> str | None:
    if isinstance(given, dict) and isinstance(back, dict):
        if len(given) != len(back):
            return merged_keys(given)
        return _first(_lost, given.values(), back.values())
    if isinstance(given, list | tuple) and isinstance(back, list | tuple):
        return _first(_lost, given, back)
    if isinstance(back, dict) and (fields := _fields(given)) is not None:
        values = [getattr(given, name, None) for name in fields]
        return _first(_lost, values, back.values()) if len(values) == len(back) else None
    return None


def _first(check: Check, given: Iterable[Any], back: Iterable[Any]) -> str | None:
    for one, other in zip(given, back, strict=False):
        reason = check(one, other)
        if reason is not None:
            return reason
    return None


def _fields(value: Any) -> Iterable[str] | None:
    """The names of the fields of an object of a model class, in their order; ``None`` for other values."""
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else [one.name for one in attributes]


def _class_of(node: Any) -> type:
    """The class of a node, without type arguments."""
    made: type = typing.get_origin(node.cls) or node.cls
    return made


def _is_model(value: Any) -> bool:
    return _fields(value) is not None or hasattr(type(value), "model_dump") or hasattr(type(value), "_fields")


def _check(node: Any, seen: dict[Any, list[Check | None]]) -> Check | None:
    from msgspec import inspect

    if isinstance(node, inspect.AnyType):
        return lost
    if isinstance(node, inspect.DictType):
        return _of_dict(node, seen)
    if isinstance(node, inspect.CollectionType):
        return _of_items(_check(node.item_type, seen))
    if isinstance(node, inspect.TupleType):
        return _of_places([_check(one, seen) for one in node.item_types])
    if isinstance(node, inspect.UnionType):
        return _of_union(node, seen)
    if isinstance(node, inspect.DataclassType | inspect.StructType | inspect.TypedDictType | inspect.NamedTupleType):
        return _of_model(node, seen)
    if isinstance(node, inspect.CustomType) and hasattr(node.cls, "model_dump"):
        return _of_class(_class_of(node))
    return None


def _of_items(item: Check | None) -> Check | None:
    if item is None:
        return None

    # Objects of this class have lost nothing.
    whole = getattr(item, "whole", None)

    def check(given: Any, back: Any) -> str | None:
        if isinstance(given, list | tuple) and isinstance(back, list | tuple):
            return None if whole is not None and {*map(type, given)} == {whole} else _first(item, given, back)
        # The items of sets come in another order. They are hashable, so they hold no dicts.
        return _first(item, given, given) if isinstance(given, set | frozenset) else None

    return check


def _of_places(places: list[Check | None]) -> Check | None:
    if not any(places):
        return None

    def check(given: Any, back: Any) -> str | None:
        if not isinstance(given, list | tuple):
            return None
        for one, value, other in zip(places, given, back, strict=False):
            reason = None if one is None else one(value, other)
            if reason is not None:
                return reason
        return None

    return check


def _of_dict(node: Any, seen: dict[Any, list[Check | None]]) -> Check:
    from msgspec import inspect

    item = _check(node.value_type, seen)
    kinds = node.key_type.types if isinstance(node.key_type, inspect.UnionType) else (node.key_type,)
    may_be_text = any(isinstance(kind, inspect.StrType) for kind in kinds)

    def check(given: Any, back: Any) -> str | None:
        if not isinstance(given, dict) or not isinstance(back, dict):
            return None
        if len(given) != len(back):
            return merged_keys(given)
        if may_be_text and {*map(type, given)} != {str}:
            for key in given:
                if type(key) is not str and isinstance(key, int | float) and key not in back:
                    return (
                        f"it holds a dict whose key {key!r} would come back as the text {str(key)!r}: give it as a text"
                    )
        return None if item is None else _first(item, given.values(), back.values())

    return check


def _of_class(cls: type) -> Check:
    """For a class whose fields are checked by itself."""

    def check(given: Any, _back: Any) -> str | None:
        return _another(given, cls) if type(given) is not cls and _is_model(given) else None

    return check


def _another(given: Any, cls: type) -> str:
    return (
        f"it holds a {type(given).__qualname__}, which would come back as {cls.__qualname__}: annotate it with that class, or"
        f" give a {cls.__qualname__}"
    )


def _of_model(node: Any, seen: dict[Any, list[Check | None]]) -> Check:
    from msgspec import inspect

    cls = _class_of(node)
    if node.cls in seen:
        # It refers to itself: the check is known later.
        later = seen[node.cls]
        return lambda given, back: None if later[0] is None else later[0](given, back)
    cell: list[Check | None] = [None]
    seen[node.cls] = cell
    fields = [(one.name, getattr(one, "encode_name", one.name), _check(one.type, seen)) for one in node.fields]
    checks = [(name, written, one) for name, written, one in fields if one is not None]
    names = {written for _, written, _ in fields}
    is_dict = isinstance(node, inspect.TypedDictType)
    is_tuple = isinstance(node, inspect.NamedTupleType)

    def of_dict(given: dict[Any, Any], back: Any) -> str | None:
        unknown = [key for key in given if key not in names]
        if unknown:
            return f"it holds a dict with {unknown[0]!r}, which {cls.__qualname__} has not, and which would be lost: leave it out"
        for name, written, one in checks:
            if written in given:
                other = back.get(written) if isinstance(back, dict) else getattr(back, name, None)
                reason = one(given[written], other)
                if reason is not None:
                    return reason
        return None

    def check(given: Any, back: Any) -> str | None:
        if type(given) is cls:
            for name, _, one in checks:
                reason = one(getattr(given, name, None), getattr(back, name, None))
                if reason is not None:
                    return reason
            return None
        if isinstance(given, dict):
            return of_dict(given, back) if not is_tuple else None
        return _another(given, cls) if not is_dict and _is_model(given) else None

    cell[0] = check
    if not checks:
        vars(check)["whole"] = None if is_dict else cls
    return check


def _of_union(node: Any, seen: dict[Any, list[Check | None]]) -> Check | None:
    checks = [(one, found) for one in node.types if (found := _check(one, seen)) is not None]
    if not checks:
        return None
    by_class = {_class_of(one): found for one, found in checks if hasattr(one, "cls")}

    def check(given: Any, back: Any) -> str | None:
        found = by_class.get(type(given))
        if found is None and isinstance(given, dict):
            # A dict may be given for an object: its tag decides which.
            found = by_class.get(type(back))
        if found is not None:
            return found(given, back)
        for _, one in checks:
            reason = one(given, back)
            if reason is not None:
                return reason
        return None

    return check
