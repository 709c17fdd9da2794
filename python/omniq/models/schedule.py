"""Schedules: tasks that are enqueued at set times. The model only; workers do not fire schedules yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from omniq import _omniq
from omniq.models.base import Model
from omniq.models.task import NewTask

__all__ = ["At", "Cron", "Every", "Schedule", "Timing"]


class Cron(Model, frozen=True, tag="cron"):
    """By a cron expression.

    Args:
        expression (str): Five fields: minute, hour, day, month, weekday.
        time_zone (str): An IANA time zone, such as ``"Europe/Berlin"``.
    """

    #: Five fields: minute, hour, day, month, weekday.
    expression: str
    #: An IANA time zone, such as ``"Europe/Berlin"``.
    time_zone: str


class Every(Model, frozen=True, tag="every"):
    """Each time this span has passed.

    Args:
        interval (float | timedelta): The span, in seconds or as `timedelta`, more than zero.
    """

    #: The span, in seconds or as `timedelta`, more than zero.
    interval: float | timedelta


class At(Model, frozen=True, tag="at"):
    """Once.

    Args:
        time (datetime): When; with a time zone.
    """

    #: When; with a time zone.
    time: datetime


#: When a schedule fires. As a dict, ``type`` says which it is: ``"cron"``, ``"every"`` or ``"at"``.
Timing: TypeAlias = Cron | Every | At


class Schedule(Model, frozen=True):
    """A task that is enqueued at set times.

    >>> Schedule("nightly", Cron("0 3 * * *", "Europe/Berlin"), NewTask("clean_up")).paused
    False

    Args:
        name (str): Its name, by which it is found and replaced; 1 to 128 bytes.
        timing (Timing): When it fires.
        task (NewTask): The task that it enqueues.
        paused (bool): Whether it is paused. Default: false.
        next_at (datetime | None): When it fires next, if that is known. Default: not known.
        last_at (datetime | None): When it fired last. Default: never.

    Raises:
        InvalidError: For a bad name, an interval of zero, a cron expression or time zone that cannot be read, or a
            time without a time zone. The task is checked when it is enqueued.
    """

    #: Its name, by which it is found and replaced; 1 to 128 bytes.
    name: str
    #: When it fires.
    timing: Timing
    #: The task that it enqueues.
    task: NewTask
    #: Whether it is paused. Default: false.
    paused: bool = False
    #: When it fires next, if that is known. Default: not known.
    next_at: datetime | None = None
    #: When it fired last. Default: never.
    last_at: datetime | None = None

    def __post_init__(self) -> None:
        _omniq.check_schedule(self)

    def __hash__(self) -> int:
        return hash((self.name, self.timing))
