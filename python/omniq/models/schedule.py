"""Schedules: tasks that are enqueued at set times, what a storage knows of them, and their ticks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from omniq import _omniq
from omniq.models.base import Model
from omniq.models.task import NewTask

__all__ = ["At", "Cron", "Every", "Missed", "SavedSchedule", "Schedule", "Tick", "Timing"]


class Cron(Model, frozen=True, tag="cron"):
    """By a cron expression.

    If both the day and the weekday are restricted, a day that fits either of them counts. When the clocks go forward, an
    expression whose second, minute and hour are plain numbers fires at the end of a gap that swallows its time; when they
    go back, at the first of two passes. With ``*``, a list, a range or a step in one of these fields, the times in a gap do
    not exist, and those of both passes count.

    Args:
        expression (str): Five fields: minute, hour, day, month, weekday; or six with the second first.
        time_zone (str): An IANA time zone, such as ``"Europe/Berlin"``. Default: ``"UTC"``.
    """

    #: Five fields: minute, hour, day, month, weekday; or six with the second first.
    expression: str
    #: An IANA time zone, such as ``"Europe/Berlin"``. Default: ``"UTC"``.
    time_zone: str = "UTC"


class Every(Model, frozen=True, tag="every"):
    """Each time this span has passed, on a grid from the schedule's `starts_at`, or from when its timing was saved. It is
    the same grid whatever workers are started and stopped.

    Args:
        interval (float | timedelta): The span, in seconds or as `timedelta`: 0.1 seconds to 100 years.
    """

    #: The span, in seconds or as `timedelta`: 0.1 seconds to 100 years.
    interval: float | timedelta


class At(Model, frozen=True, tag="at"):
    """Once. A time that has passed fires at once.

    Args:
        time (datetime): When; with a time zone.
    """

    #: When; with a time zone.
    time: datetime


#: When a schedule fires. As a dict, ``type`` says which it is: ``"cron"``, ``"every"`` or ``"at"``.
Timing: TypeAlias = Cron | Every | At
#: What becomes of missed ticks: none is made up for, one is, the latest 100, or the latest that many.
Missed: TypeAlias = Literal["skip", "once", "all"] | int


class Schedule(Model, frozen=True):
    """A task that is enqueued at set times. `SavedSchedule` is what a storage knows of it.

    >>> Schedule("nightly", Cron("0 3 * * *", "Europe/Berlin"), NewTask("clean_up")).missed
    'once'

    Args:
        name (str): Its name, by which it is found and replaced: 1 to 128 bytes.
        timing (Timing): When it fires.
        task (NewTask): The task that it enqueues. Its delay counts from the tick. It has neither an id nor a start
            time, and its metadata not the keys ``"schedule"`` and ``"tick"``, which each task gets: the schedule's
            name, and the time of the tick.
        missed (Missed): What becomes of ticks that are later than `grace`, as after a time without workers. ``"skip"``:
            none is made up for. ``"once"``: one task, for the latest of them. ``"all"``: a task for each, at most for
            the latest 100; a number, 1 to 10,000: for the latest that many. Default: ``"once"``.
        grace (float | timedelta): How late a tick may be before it is missed, in seconds or as `timedelta`: 1 second to
            100 years. Default: 60 seconds.
        jitter (float | timedelta | None): Each task is delayed by a random time of up to this span, in seconds or as
            `timedelta`; the ticks are not. Default: none.
        overlap (bool): Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick is
            skipped. Default: true.
        max_runs (int | None): How many tasks it enqueues before it ends, at least 1; skipped ticks do not count.
            Default: no end.
        starts_at (datetime | None): No tick is before this time, which has a time zone. Intervals count from it.
            Default: from when it is saved.
        ends_at (datetime | None): No tick is after this time, which has a time zone. Default: no end.

    Raises:
        InvalidError: For a value outside its bounds, a cron expression or time zone that cannot be read, a cron
            expression that never fires, a time without a time zone, and a task with an id, a start time, or one of the
            keys that its tasks get. The task's arguments are checked when the schedule is saved.
    """

    #: Its name, by which it is found and replaced: 1 to 128 bytes.
    name: str
    #: When it fires.
    timing: Timing
    #: The task that it enqueues. Its delay counts from the tick. It has neither an id nor a start time, and its metadata
    #: not the keys ``"schedule"`` and ``"tick"``, which each task gets: the schedule's name, and the time of the tick.
    task: NewTask
    #: What becomes of ticks that are later than `grace`, as after a time without workers. ``"skip"``: none is made up for.
    #: ``"once"``: one task, for the latest of them. ``"all"``: a task for each, at most for the latest 100; a number, 1 to
    #: 10,000: for the latest that many. Default: ``"once"``.
    missed: Missed = "once"
    #: How late a tick may be before it is missed, in seconds or as `timedelta`: 1 second to 100 years. Default: 60 seconds.
    grace: float | timedelta = 60.0
    #: Each task is delayed by a random time of up to this span, in seconds or as `timedelta`; the ticks are not. Default:
    #: none.
    jitter: float | timedelta | None = None
    #: Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick is skipped. Default: true.
    overlap: bool = True
    #: How many tasks it enqueues before it ends, at least 1; skipped ticks do not count. Default: no end.
    max_runs: int | None = None
    #: No tick is before this time, which has a time zone. Intervals count from it. Default: from when it is saved.
    starts_at: datetime | None = None
    #: No tick is after this time, which has a time zone. Default: no end.
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        _omniq.check_schedule(self)

    def __hash__(self) -> int:
        return hash((self.name, self.timing))


class SavedSchedule(Schedule, frozen=True, kw_only=True):
    """A schedule in a storage. All times are in UTC, spans are `timedelta`, and the task's arguments are a `Payload`.

    Args:
        name (str): Its name, by which it is found and replaced: 1 to 128 bytes.
        timing (Timing): When it fires.
        task (NewTask): The task that it enqueues. Its delay counts from the tick. It has neither an id nor a start
            time, and its metadata not the keys ``"schedule"`` and ``"tick"``, which each task gets: the schedule's
            name, and the time of the tick.
        missed (Missed): What becomes of ticks that are later than `grace`, as after a time without workers. ``"skip"``:
            none is made up for. ``"once"``: one task, for the latest of them. ``"all"``: a task for each, at most for
            the latest 100; a number, 1 to 10,000: for the latest that many. Default: ``"once"``.
        grace (float | timedelta): How late a tick may be before it is missed, in seconds or as `timedelta`: 1 second to
            100 years. Default: 60 seconds.
        jitter (float | timedelta | None): Each task is delayed by a random time of up to this span, in seconds or as
            `timedelta`; the ticks are not. Default: none.
        overlap (bool): Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick is
            skipped. Default: true.
        max_runs (int | None): How many tasks it enqueues before it ends, at least 1; skipped ticks do not count.
            Default: no end.
        starts_at (datetime | None): No tick is before this time, which has a time zone. Intervals count from it.
            Default: from when it is saved.
        ends_at (datetime | None): No tick is after this time, which has a time zone. Default: no end.
        app (str | None): The application in whose code it stands; ``None``: it was saved at run time.
        version (int): Grows with each change of the definition.
        created_at (datetime): When it was saved first.
        next_at (datetime | None): The next tick; ``None``: none comes any more. A paused schedule keeps it.
        last_at (datetime | None): The last tick, whether it was skipped or not; not one by hand. ``None``: there was
            none.
        last_task (UUID | None): The last task that it enqueued, or that was enqueued by hand; ``None``: none.
        runs (int): How many tasks its ticks have enqueued; those by hand do not count.
        paused_at (datetime | None): Since when it is paused; ``None``: it is not.
    """

    #: The application in whose code it stands; ``None``: it was saved at run time.
    app: str | None
    #: Grows with each change of the definition.
    version: int
    #: When it was saved first.
    created_at: datetime
    #: The next tick; ``None``: none comes any more. A paused schedule keeps it.
    next_at: datetime | None
    #: The last tick, whether it was skipped or not; not one by hand. ``None``: there was none.
    last_at: datetime | None
    #: The last task that it enqueued, or that was enqueued by hand; ``None``: none.
    last_task: UUID | None
    #: How many tasks its ticks have enqueued; those by hand do not count.
    runs: int
    #: Since when it is paused; ``None``: it is not.
    paused_at: datetime | None

    def __post_init__(self) -> None:
        # A program of another version may have saved what this one would refuse, and it must be seen all the same.
        pass

    def __hash__(self) -> int:
        return hash((self.name, self.timing, self.version))


class Tick(Model, frozen=True):
    """A tick that has been. A storage keeps the last hundred of each schedule.

    Args:
        schedule (str): The schedule.
        at (datetime): Its time, in UTC; of one by hand, when it was.
        manual (bool): Whether it was by hand.
        task_id (UUID | None): The task that it enqueued; ``None``: it was skipped.
        skipped (str | None): Why it was skipped, ``"missed"`` or ``"overlap"``; ``None``: it was not.
    """

    #: The schedule.
    schedule: str
    #: Its time, in UTC; of one by hand, when it was.
    at: datetime
    #: Whether it was by hand.
    manual: bool
    #: The task that it enqueued; ``None``: it was skipped.
    task_id: UUID | None
    #: Why it was skipped, ``"missed"`` or ``"overlap"``; ``None``: it was not.
    skipped: str | None
