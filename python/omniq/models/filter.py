"""What to list and count. Users give these values as arguments; storages written in Python get them as one object."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from omniq._given import a_number, a_text_or_none
from omniq.models.base import Model
from omniq.models.enums import ResultStatus, TaskState

__all__ = ["EventFilter", "ResultFilter", "TaskFilter"]


def _check(limit: int | None, name: str, value: str | None) -> None:
    """Refuses what the Rust side would not call by its name."""
    if limit is not None:
        a_number(limit, "limit")
    a_text_or_none(value, name)


class TaskFilter(Model, frozen=True):
    """Which tasks; ``None`` means any. Order: by id, which for ids made by OmniQ is the order of creation."""

    #: Of this queue.
    queue: str | None = None
    #: In this state.
    state: TaskState | None = None
    #: Of this function.
    func: str | None = None
    #: Behind this id: the last one of the page before. Ignored by count and purge.
    after: UUID | None = None
    #: At most so many; ``None``: 100. Ignored by count and purge.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "state", self.state)


class ResultFilter(Model, frozen=True):
    """Which results; ``None`` means any. Order: latest `finished_at` first, then by id."""

    #: With this status.
    status: ResultStatus | None = None
    #: Of this queue.
    queue: str | None = None
    #: Of this function.
    func: str | None = None
    #: Finished at or after this time.
    since: datetime | None = None
    #: Behind this (finished_at, task_id): the last one of the page before.
    after: tuple[datetime, UUID] | None = None
    #: At most so many; ``None``: 100. Ignored by count.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "status", self.status)


class EventFilter(Model, frozen=True):
    """Which events; ``None`` means any. Order: `id`, ascending, in which the storage took them."""

    #: About this task.
    task_id: UUID | None = None
    #: Of this kind.
    kind: str | None = None
    #: Of this queue.
    queue: str | None = None
    #: Of the worker with this name.
    worker: str | None = None
    #: At or after this time.
    since: datetime | None = None
    #: Before this time.
    until: datetime | None = None
    #: Behind this event: the id of the last one of the page before.
    after: int | None = None
    #: The last ones instead of the first; the order stays ascending.
    latest: bool = False
    #: At most so many; ``None``: 100. Ignored by count.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "kind", self.kind)
