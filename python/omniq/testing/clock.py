"""The clock of an application that is in memory: what happens while a test sets it forward, and the schedules that tick by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from omniq._loop import wait
from omniq.app.base import BaseApp

__all__ = ["declare", "forward"]

#: At how many times of ticks the clock stops on its way.
MOST_TICKS: Final = 1000


def declare(app: BaseApp) -> None:
    """Saves the schedules that stand in the application's code, as a worker does when it starts."""
    schedules = app._schedules_in_code()
    if schedules and app.name is not None:
        wait(app._core.declare_schedules(app.name, schedules))


def forward(app: BaseApp, by: timedelta, stops_for_tasks: bool) -> Iterator[list[UUID]]:
    """Sets the clock forward. At each time at which a schedule ticks, and with `stops_for_tasks` a task becomes due, it stops and
    gives the ids of the tasks that ticks have enqueued; so it does at the end.

    It stops for the first 1000 times of ticks. Those after them are missed at the end, as in a time without workers.
    """
    test = app._test
    assert test is not None
    memory = test.memory
    declare(app)
    end = memory.now() + by
    ticks = 0
    while True:
        # What was saved since the last stop may tick before the others.
        ids, until_tick = _tick(app)
        if ids:
            yield ids
            ticks += 1
            if ticks < MOST_TICKS:
                continue
        tick = None if until_tick is None or ticks >= MOST_TICKS else memory.now() + until_tick
        due = memory.next_due() if stops_for_tasks else None
        following = min((time for time in (tick, due) if time is not None), default=end)
        if following >= end:
            break
        ticks += tick == following
        _set(app, following)
        yield _tick(app)[0]
    _set(app, end)
    yield _tick(app)[0]


def _tick(app: BaseApp) -> tuple[list[UUID], timedelta | None]:
    return wait(app._core.tick_schedules())


def _set(app: BaseApp, time: datetime) -> None:
    assert app._test is not None
    memory = app._test.memory
    memory.advance(max(time - memory.now(), timedelta()))
