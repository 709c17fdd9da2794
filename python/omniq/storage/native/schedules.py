"""The schedule storage, whose verbs are all in Rust, async. Its blocking twin is made from this file."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_number, a_text, all_of, an
from omniq._loop import run
from omniq.models import SavedSchedule, Schedule, ScheduleFilter, Tick
from omniq.storage.common import AsyncStorage

__all__ = ["AsyncNativeScheduleStorage"]


class AsyncNativeScheduleStorage(AsyncStorage):
    """A store of schedules: tasks that are enqueued at set times. It is part of the queue that their tasks go to.

    Each tick enqueues at most one task, and exactly one if a worker is alive within the time that the rule for missed
    ticks allows: the task is enqueued in the transaction that moves the schedule on, so that neither a crash nor another
    worker repeats or loses it. Time is the storage's own.

    A schedule stands in the code of an application, which declares it when its workers start, or it is saved at run time by
    these verbs; `SavedSchedule.app` says which. Those of code are paused, resumed and triggered as any other, and changed in
    the code.

    There is no custom schedule storage in Python, because a schedule must share the transactions of its queue; a custom queue
    has no schedules.

    It connects on entry of its ``with`` block, by `connect`, or at first use. Every call is durable once it has returned.
    """

    _core: _omniq.Schedules

    def __init__(self, core: _omniq.Schedules) -> None:
        self._core = core

    async def save(self, schedule: Schedule) -> SavedSchedule:
        """Saves a schedule, in place of one of the same name, and returns it as it is stored. Its next tick is computed
        anew only if its timing, start, end or number of runs has changed; a paused one stays paused. A worker that is idle
        sees it within the worker's `maintenance_interval`.

        Raises:
            InvalidError, CodecError: For a schedule that cannot be saved; nothing is written then.
            ConflictError: If one of this name stands in the code of an application.
        """
        return await run(self._core.save(an(schedule, Schedule, "schedule", "give a Schedule")))

    async def save_many(self, schedules: Iterable[Schedule]) -> builtins.list[SavedSchedule]:
        """Saves schedules, all or none, and returns them in the same order.

        Raises:
            OmniQError: As for `save`.
            InvalidError: Also for two of one name.
        """
        return await run(self._core.save_many(all_of(schedules, Schedule, "schedules", "give a Schedule")))

    async def get(self, name: str) -> SavedSchedule | None:
        """The schedule of this name, or ``None``."""
        return await run(self._core.get(a_text(name, "name")))

    async def list(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> builtins.list[SavedSchedule]:
        """The schedules that the filter selects, by name.

        Args:
            app: Of the code of this application. Default: any, as for `func` and `paused`.
            func: Whose tasks are of this function.
            paused: Whether it is paused.
            after: After this name, for paging: that of the last schedule of the previous page. Default: the first page.
            limit: The page size. Default: 100.
        """
        return await run(self._core.list(ScheduleFilter(app, func, paused, after, limit)))

    async def iterate(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        page: int = 1_000,
    ) -> AsyncIterator[SavedSchedule]:
        """All schedules that the filter selects, by name, read a page at a time.

        Args:
            app: Of the code of this application. Default: any, as for `func` and `paused`.
            func: Whose tasks are of this function.
            paused: Whether it is paused.
            after: After this name. Default: from the first schedule.
            page: How many schedules are read at a time, 1 to 10,000. Default: 1,000.
        """
        size = a_number(page, "page", 1, 10_000)
        while True:
            found = await self.list(app=app, func=func, paused=paused, after=after, limit=size)
            for schedule in found:
                yield schedule
            if len(found) < size:
                return
            after = found[-1].name

    async def delete(self, name: str) -> bool:
        """Removes a schedule with its history; tasks that it has enqueued stay. One that stands in code comes back when a
        worker of that application starts. Returns whether there was one."""
        return await run(self._core.delete(a_text(name, "name")))

    async def pause(self, name: str) -> None:
        """Stops the ticks of a schedule. It keeps its next tick. Pausing a paused one changes nothing.

        Raises:
            NotFoundError: If there is none of this name.
        """
        await run(self._core.pause(a_text(name, "name")))

    async def resume(self, name: str) -> None:
        """Lets a paused schedule go on with its next tick from now; those that have passed meanwhile are not missed.

        Raises:
            NotFoundError: If there is none of this name.
        """
        await run(self._core.resume(a_text(name, "name")))

    async def trigger(self, name: str) -> UUID:
        """Enqueues the schedule's task now, by hand, and returns its id. The ticks go on as if nothing had been, also if it
        is paused; the task has neither jitter nor overlap.

        Raises:
            NotFoundError: If there is none of this name.
        """
        return await run(self._core.trigger(a_text(name, "name")))

    async def history(self, name: str, limit: int = 100) -> builtins.list[Tick]:
        """The last ticks of a schedule, latest first. Empty if there is no such schedule.

        Args:
            name: The schedule.
            limit: How many ticks at most; a storage keeps 100. Default: 100.
        """
        return await run(self._core.history(a_text(name, "name"), a_number(limit, "limit")))

    async def close(self) -> None:
        """Frees the connections. The schedules of a backend are closed with their queue, and close it.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """
        await run(self._core.close())
