"""Tasks that run after others: which ones, and what becomes of a task if one of them does not complete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from omniq._checks import beyond, refused
from omniq.errors import InvalidError

__all__ = ["After", "HasId", "IfFailed", "ids_of"]

#: What becomes of a task if one that it runs after does not complete. ``end``: it shares the fate: after a dead letter it
#: becomes a dead letter, with an error of the type ``predecessor_failed`` that names the other one; after one that was
#: cancelled, has expired, was discarded or deleted, it is cancelled. ``run``: it runs after any end.
IfFailed: TypeAlias = Literal["end", "run"]


class HasId(Protocol):
    """What has the id of a task: a handle, or a task."""

    @property
    def id(self) -> UUID: ...


#: The tasks that a task runs after: one, or several, each as its handle, its id, or the text of its id.
After: TypeAlias = UUID | str | HasId | Iterable[UUID | str | HasId]

_REMEDY = "give the handle of a task or its id, or a list of these"


def ids_of(after: After) -> tuple[UUID, ...]:
    """The ids of these tasks.

    Raises:
        InvalidError: For what is no id and has none, naming it and its place.
    """
    if isinstance(after, UUID | str) or _id_of(after) is not None:
        return (_an_id(after, "after"),)
    # Bytes and dicts can be iterated over as well.
    if isinstance(after, bytes | dict) or not isinstance(after, Iterable):
        raise _refused("after", after)
    return tuple(_an_id(one, f"after[{place}]") for place, one in enumerate(after))


def _id_of(value: object) -> UUID | None:
    # Of a class it is a property or a member.
    id = None if isinstance(value, type) else getattr(value, "id", None)
    return id if isinstance(id, UUID) else None


def _an_id(value: object, name: str) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            raise beyond(name, value, f"it is no id: {_REMEDY}") from None
    id = _id_of(value)
    if id is None:
        raise _refused(name, value)
    return id


def _refused(name: str, value: object) -> InvalidError:
    if value.__class__.__name__ == "NewTask":
        return InvalidError(f"{name} is a NewTask without an id: give it one, NewTask(…, id=uuid.uuid4())")
    if hasattr(value, "__await__"):
        return InvalidError(f"{name} is refused, being of type {type(value).__name__}: await the enqueue first")
    return refused(name, value, _REMEDY)  # type: ignore[return-value]
