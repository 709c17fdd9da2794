"""The filters of list and count. Users pass these values as arguments; a custom storage receives them as one object."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from omniq._checks import a_number, a_text_or_none
from omniq.models.base import Model
from omniq.models.enums import ResultStatus, StateName, StatusName, TaskState

__all__ = ["EventFilter", "ResultFilter", "ScheduleFilter", "TaskFilter"]


def _check(limit: int | None, name: str, value: str | None) -> None:
    """Refuses values for which the error of the Rust side would not name the argument."""
    if limit is not None:
        a_number(limit, "limit")
    a_text_or_none(value, name)


class TaskFilter(Model, frozen=True):
    """Selects tasks; a field that is ``None`` selects any. Order: by id, ascending, which for ids made by OmniQ is the
    order of creation.

    Args:
        queue (str | None): Of this queue. Default: any.
        state (TaskState | StateName | None): In this state. Default: any.
        func (str | None): Of this function. Default: any.
        error (str | None): Whose last run failed with an error of this type, such as ``"ValueError"``; with ``*`` at
            the end, of a type that begins so. ``"*"`` alone selects every task with an error. Default: any.
        since (datetime | None): Enqueued at or after this time. Default: any.
        until (datetime | None): Enqueued before this time. Default: any.
        after (UUID | None): After this id, for paging: that of the last task of the previous page. Only lists have
            pages; other verbs ignore it. Default: the first page.
        limit (int | None): The page size, a number of tasks. Ignored as `after` is. Default: 100.
    """

    #: Of this queue. Default: any.
    queue: str | None = None
    #: In this state. Default: any.
    state: TaskState | StateName | None = None
    #: Of this function. Default: any.
    func: str | None = None
    #: Whose last run failed with an error of this type, such as ``"ValueError"``; with ``*`` at the end, of a type that
    #: begins so. ``"*"`` alone selects every task with an error. Default: any.
    error: str | None = None
    #: Enqueued at or after this time. Default: any.
    since: datetime | None = None
    #: Enqueued before this time. Default: any.
    until: datetime | None = None
    #: After this id, for paging: that of the last task of the previous page. Only lists have pages; other verbs ignore it.
    #: Default: the first page.
    after: UUID | None = None
    #: The page size, a number of tasks. Ignored as `after` is. Default: 100.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "state", self.state)


class ResultFilter(Model, frozen=True):
    """Selects results; a field that is ``None`` selects any. Order: latest `finished_at` first, of equal ones the
    greatest id first.

    Args:
        status (ResultStatus | StatusName | None): With this status. Default: any.
        queue (str | None): Of this queue. Default: any.
        func (str | None): Of this function. Default: any.
        error (str | None): With an error of this type; with ``*`` at the end, of a type that begins so. Default: any.
        since (datetime | None): Finished at or after this time. Default: any.
        until (datetime | None): Finished before this time. Default: any.
        after (tuple[datetime, UUID] | None): After this (finished_at, task_id) in that order, for paging: those of the
            last result of the previous page. Default: the first page.
        limit (int | None): The page size. Ignored by count. Default: 100.
    """

    #: With this status. Default: any.
    status: ResultStatus | StatusName | None = None
    #: Of this queue. Default: any.
    queue: str | None = None
    #: Of this function. Default: any.
    func: str | None = None
    #: With an error of this type; with ``*`` at the end, of a type that begins so. Default: any.
    error: str | None = None
    #: Finished at or after this time. Default: any.
    since: datetime | None = None
    #: Finished before this time. Default: any.
    until: datetime | None = None
    #: After this (finished_at, task_id) in that order, for paging: those of the last result of the previous page.
    #: Default: the first page.
    after: tuple[datetime, UUID] | None = None
    #: The page size. Ignored by count. Default: 100.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "status", self.status)


class EventFilter(Model, frozen=True):
    """Selects events; a field that is ``None`` selects any. Order: by `id`, ascending, which is the order in which the
    storage accepted them.

    Args:
        task_id (UUID | None): About this task. Default: any.
        kind (str | None): Of this kind. Default: any.
        queue (str | None): Of this queue. Default: any.
        worker (str | None): Of the worker with this name. Default: any.
        since (datetime | None): At or after this time. Default: any.
        until (datetime | None): Before this time. Default: any.
        after (int | None): After the event with this `id`, for paging: that of the last event of the previous page.
            Default: the first page.
        latest (bool): Selects the last events instead of the first ones; the order stays ascending. Default: false.
        limit (int | None): The page size. Ignored by count. Default: 100.
    """

    #: About this task. Default: any.
    task_id: UUID | None = None
    #: Of this kind. Default: any.
    kind: str | None = None
    #: Of this queue. Default: any.
    queue: str | None = None
    #: Of the worker with this name. Default: any.
    worker: str | None = None
    #: At or after this time. Default: any.
    since: datetime | None = None
    #: Before this time. Default: any.
    until: datetime | None = None
    #: After the event with this `id`, for paging: that of the last event of the previous page.
    #: Default: the first page.
    after: int | None = None
    #: Selects the last events instead of the first ones; the order stays ascending. Default: false.
    latest: bool = False
    #: The page size. Ignored by count. Default: 100.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "kind", self.kind)


class ScheduleFilter(Model, frozen=True):
    """Selects schedules; a field that is ``None`` selects any. Order: by name.

    Args:
        app (str | None): Of the code of this application. Default: any.
        func (str | None): Whose tasks are of this function. Default: any.
        paused (bool | None): Whether it is paused. Default: any.
        after (str | None): After this name, for paging: that of the last schedule of the previous page. Default: the
            first page.
        limit (int | None): The page size. Default: 100.
    """

    #: Of the code of this application. Default: any.
    app: str | None = None
    #: Whose tasks are of this function. Default: any.
    func: str | None = None
    #: Whether it is paused. Default: any.
    paused: bool | None = None
    #: After this name, for paging: that of the last schedule of the previous page. Default: the first page.
    after: str | None = None
    #: The page size. Default: 100.
    limit: int | None = None

    def __post_init__(self) -> None:
        _check(self.limit, "after", self.after)
