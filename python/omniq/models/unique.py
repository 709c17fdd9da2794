"""Unique tasks: a key, which at most one unfinished task holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from omniq import _omniq
from omniq.models.base import Model

__all__ = ["Enqueued", "EnqueuedId", "EnqueuedKind", "OnConflict", "Unique", "Until"]

#: What becomes of an enqueue while another task holds its key. ``skip``: nothing is added. ``replace``: if that task
#: waits, it gets what the new one has, but its start time and time to live. ``reschedule``: the same with these.
#: ``error``: the enqueue fails (`DuplicateError`).
OnConflict: TypeAlias = Literal["skip", "replace", "reschedule", "error"]

#: How long a task holds its key. ``start``: while it waits. ``end``: until it has ended for good.
Until: TypeAlias = Literal["start", "end"]

#: What has become of an enqueue. ``new``: the task was added. ``skipped``: nothing was added or changed, as another task
#: holds its key. ``replaced`` and ``rescheduled``: that task waited, and was changed.
EnqueuedKind: TypeAlias = Literal["new", "skipped", "replaced", "rescheduled"]


class Unique(Model, frozen=True, kw_only=True):
    """That a task is unique: at any moment at most one unfinished task holds its key, from wherever it is enqueued. An enqueue that
    is folded into a task that waits is committed before that task can start.

    Without a key and arguments it is unique by all arguments of its function.

    >>> Unique(key="invoice:17", period=3600).on_conflict
    'skip'

    Args:
        key (str | None): The key: 1 to 500 bytes. All functions and queues share it. Default: made of the function and
            its arguments.
        args (tuple[str, ...] | None): The arguments of which the key is made, by their names. Default: all.
        on_conflict (OnConflict): What becomes of an enqueue while another task holds the key: ``"skip"``,
            ``"replace"``, ``"reschedule"`` (a debounce), or ``"error"``. Default: ``"skip"``.
        until (Until | None): How long a task holds the key: ``"start"``, or ``"end"``. Default: ``"start"`` with
            replace and reschedule, as a task that runs cannot be changed, and ``"end"`` otherwise.
        period (float | timedelta | None): The key is not free before this span from the enqueue is over, whatever
            becomes of the task, in seconds or as `timedelta`. More than zero. Default: none.
        max_wait (float | timedelta | None): With reschedule: the start is put off to this span after the first enqueue
            at most, in seconds or as `timedelta`. More than zero. Default: no limit.

    Raises:
        InvalidError: For a bad value, naming the field.
    """

    #: The key: 1 to 500 bytes. All functions and queues share it. Default: made of the function and its arguments.
    key: str | None = None
    #: The arguments of which the key is made, by their names. Default: all.
    args: tuple[str, ...] | None = None
    #: What becomes of an enqueue while another task holds the key: ``"skip"``, ``"replace"``, ``"reschedule"`` (a debounce),
    #: or ``"error"``. Default: ``"skip"``.
    on_conflict: OnConflict = "skip"
    #: How long a task holds the key: ``"start"``, or ``"end"``. Default: ``"start"`` with replace and reschedule, as a task
    #: that runs cannot be changed, and ``"end"`` otherwise.
    until: Until | None = None
    #: The key is not free before this span from the enqueue is over, whatever becomes of the task, in seconds or as
    #: `timedelta`. More than zero. Default: none.
    period: float | timedelta | None = None
    #: With reschedule: the start is put off to this span after the first enqueue at most, in seconds or as `timedelta`.
    #: More than zero. Default: no limit.
    max_wait: float | timedelta | None = None

    def __post_init__(self) -> None:
        _omniq.check_unique(self)


class Enqueued(NamedTuple):
    """What has become of the enqueue of a task that is unique."""

    #: The task that was added, or that holds the key.
    id: UUID
    #: Whether it was added (``"new"``), or nothing was done (``"skipped"``), or the other task was ``"replaced"`` or
    #: ``"rescheduled"``.
    kind: EnqueuedKind

    @property
    def existing(self) -> bool:
        """Whether another task holds the key, and this one was not added."""
        return self.kind != "new"

    @classmethod
    def of(cls, id: UUID) -> Enqueued:
        """From an id that the enqueue in a user's transaction has given."""
        if isinstance(id, EnqueuedId):
            return cls(UUID(int=id.int), id.kind)
        return cls(id, "new")


class EnqueuedId(UUID):
    """The id that the enqueue of a unique task has given, with what has become of it. Not for users, whose ids are UUIDs."""

    __slots__ = ("kind",)

    kind: EnqueuedKind

    def __init__(self, enqueued: Enqueued) -> None:
        super().__init__(int=enqueued.id.int)
        object.__setattr__(self, "kind", enqueued.kind)
