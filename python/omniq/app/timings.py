"""Schedules of options: when a schedule fires, given by ``cron``, ``every`` or ``at``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from omniq._checks import a_span, a_text, check_options, refused
from omniq.app.options import OF_CALL, ScheduleOptions
from omniq.errors import InvalidError
from omniq.models import At, Cron, Every, NewTask, Schedule, Timing

__all__ = ["schedule_of", "taken_out"]

_TIMINGS: Final = ("cron", "every", "at")
#: The remedy for an interval that is refused.
_INTERVAL: Final = "give seconds, at least 0.1 and at most 100 years, or a timedelta"


def taken_out(settings: dict[str, Any]) -> dict[str, Any]:
    """Takes the options of a schedule out of those of a task, without those that are ``None``."""
    names = [name for name in ScheduleOptions.__annotations__ if name in settings]
    return {name: value for name in names if (value := settings.pop(name)) is not None}


def schedule_of(name: str, task: NewTask, options: Mapping[str, Any]) -> Schedule:
    """The schedule of this name, task and options.

    Raises:
        InvalidError: Unless exactly one of cron, every and at is given, and for a bad value.
        ConfigError: For an option that does not exist.
    """
    check_options(options, ScheduleOptions.__annotations__, "a schedule", of_call=OF_CALL)
    given = {name: value for name, value in options.items() if value is not None}
    kinds = [kind for kind in _TIMINGS if kind in given]
    if len(kinds) != 1:
        has = " and ".join(kinds) or "none of cron, every and at"
        raise InvalidError(f"schedule {name!r} has {has}: give exactly one of cron, every and at")
    if "time_zone" in given and kinds != ["cron"]:
        raise InvalidError(
            f"schedule {name!r} has time_zone = {given['time_zone']!r} with {kinds[0]}: leave it out, as cron alone has one"
        )
    return Schedule(name, _timing(kinds[0], given), task, **given)


def _timing(kind: str, given: dict[str, Any]) -> Timing:
    """The timing, whose options are taken out."""
    value = given.pop(kind)
    if kind == "cron":
        return Cron(a_text(value, "cron"), a_text(given.pop("time_zone", "UTC"), "time_zone"))
    if kind == "every":
        return Every(a_span(value, "every", _INTERVAL))
    if not isinstance(value, datetime):
        raise refused("at", value, "give a datetime with a time zone, such as datetime.now(timezone.utc)")
    return At(value)
