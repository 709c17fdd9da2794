"""``app.schedules``: the schedules of the application's queue, those of its code and those that are saved at run time."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from omniq._checks import a_text
from omniq._generated.native_schedules import NativeScheduleStorage
from omniq._loop import run, wait
from omniq.app.declared import task_of
from omniq.app.function import BaseFunction
from omniq.app.handle import AsyncHandle, Handle
from omniq.app.options import ScheduleOptions
from omniq.app.timings import schedule_of
from omniq.models import NewTask, SavedSchedule, Schedule, TaskResult, Tick
from omniq.storage.native.schedules import AsyncNativeScheduleStorage

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from omniq.app.base import BaseApp

__all__ = ["AsyncSchedules", "Schedules"]

#: What a schedule enqueues.
Scheduled: TypeAlias = BaseFunction[..., Any, ..., Any] | NewTask | str


class _Schedules:
    """The blocking verbs, which both classes have."""

    def __init__(self, app: BaseApp) -> None:
        self._app = app

    def _made(self, name: str, task: Any, args: Any, options: ScheduleOptions) -> Schedule:
        return schedule_of(a_text(name, "name"), task_of(self._app, task, args), options)

    @property
    def _blocking(self) -> NativeScheduleStorage:
        return NativeScheduleStorage(self._app._core.schedules())

    def _trigger_sync(self, name: str) -> UUID:
        id = self._blocking.trigger(name)
        self._app._enqueued_sync([id])
        return id

    def save_sync(
        self, name: str, task: Scheduled, args: Any = None, **options: Unpack[ScheduleOptions]
    ) -> SavedSchedule:
        """Saves a schedule, blocking this thread; see `AsyncSchedules.save`.

        Args:
            name: Its name, 1 to 128 bytes.
            task: A task function, the name of one, or a `NewTask`.
            args: The arguments. Default: none.
            options: When it fires, and what else holds for it, as for `AsyncSchedules.save`.
        """
        return self._blocking.save(self._made(name, task, args, options))

    def get_sync(self, name: str) -> SavedSchedule | None:
        """The schedule of this name, or ``None``. Blocks this thread."""
        return self._blocking.get(name)

    def list_sync(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> builtins.list[SavedSchedule]:
        """The schedules that the filter selects, by name; see `AsyncSchedules.list`. Blocks this thread."""
        return self._blocking.list(app=app, func=func, paused=paused, after=after, limit=limit)

    def iterate_sync(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        page: int = 1_000,
    ) -> Iterator[SavedSchedule]:
        """All schedules that the filter selects, by name; see `AsyncSchedules.iterate`. Each page blocks this thread."""
        return self._blocking.iterate(app=app, func=func, paused=paused, after=after, page=page)

    def delete_sync(self, name: str) -> bool:
        """Removes a schedule with its history; see `AsyncSchedules.delete`. Blocks this thread."""
        return self._blocking.delete(name)

    def pause_sync(self, name: str) -> None:
        """Stops the ticks of a schedule; see `AsyncSchedules.pause`. Blocks this thread."""
        self._blocking.pause(name)

    def resume_sync(self, name: str) -> None:
        """Lets a paused schedule go on; see `AsyncSchedules.resume`. Blocks this thread."""
        self._blocking.resume(name)

    def history_sync(self, name: str, limit: int = 100) -> builtins.list[Tick]:
        """The last ticks of a schedule, latest first; see `AsyncSchedules.history`. Blocks this thread."""
        return self._blocking.history(name, limit)

    def latest_result_sync(self, name: str) -> TaskResult | None:
        """The latest result of a schedule; see `AsyncSchedules.latest_result`. Blocks this thread."""
        return wait(self._app._core.latest_result(a_text(name, "name")))


class AsyncSchedules(_Schedules):
    """The schedules of an `AsyncOmniQ`, as ``app.schedules``. The methods with ``_sync`` names are for code without an event
    loop.

    A schedule is saved here at run time, or it stands in the code of an application; `SavedSchedule.app` says which. Each
    tick enqueues at most one task, and exactly one if a worker is alive within the time that the rule for missed ticks
    allows; it does not matter which worker, and there is no scheduler beside them. Ticks come from the workers of any
    application, or of Rust, on the same queue.
    """

    @property
    def _schedules(self) -> AsyncNativeScheduleStorage:
        return AsyncNativeScheduleStorage(self._app._core.schedules())

    async def save(
        self, name: str, task: Scheduled, args: Any = None, **options: Unpack[ScheduleOptions]
    ) -> SavedSchedule:
        """Saves a schedule, in place of one of the same name, and returns it as it is stored. It is durable once this
        returns. Its next tick is computed anew only if its times have changed; a paused one stays paused.

        A worker that is idle sees it within its `maintenance_interval`. Its tasks have the callbacks that the function has
        now; middleware around enqueues is not called.

        >>> await app.schedules.save("report.7", report, 7, cron="0 7 * * 1-5", time_zone="Europe/Berlin")  # doctest: +SKIP

        Args:
            name: Its name, 1 to 128 bytes.
            task: A task function, also with other options by ``with_options``; the name of one; or a `NewTask`. A name that
                the application has a task of stands for that task, with its options.
            args: The arguments. For a function of one parameter, the argument; otherwise a tuple of arguments by position, or
                a dict of arguments by name. Default: none.
            cron (str | None): Fires by a cron expression: five fields (minute, hour, day, month, weekday), or six with
                the second first. Default: not by one.
            time_zone (str | None): The time zone of `cron`, an IANA name such as ``"Europe/Berlin"``. Default:
                ``"UTC"``.
            every (float | timedelta | None): Fires each time this span has passed, in seconds or as `timedelta`: 0.1
                seconds to 100 years, counted from `starts_at`. Default: not by one.
            at (datetime | None): Fires once, at this time, which has a time zone; at once if it has passed. Default:
                not by one.
            missed (Missed): What becomes of ticks that are later than `grace`, as after a time without workers.
                ``"skip"``: none is made up for. ``"once"``: one task, for the latest of them. ``"all"``: a task for
                each, at most for the latest 100; a number, 1 to 10,000: for the latest that many. Default: ``"once"``.
            grace (float | timedelta): How late a tick may be before it is missed, in seconds or as `timedelta`: 1
                second to 100 years. Default: 60 seconds.
            jitter (float | timedelta | None): Each task is delayed by a random time of up to this span, in seconds or
                as `timedelta`; the ticks are not. Default: none.
            overlap (bool): Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick
                is skipped. Default: true.
            max_runs (int | None): How many tasks the schedule enqueues before it ends, at least 1; skipped ticks do not
                count. Default: no end.
            starts_at (datetime | None): No tick is before this time, which has a time zone. Default: from when the
                schedule is saved.
            ends_at (datetime | None): No tick is after this time, which has a time zone. Default: no end.

        Raises:
            InvalidError: Unless exactly one of `cron`, `every` and `at` is given, for a bad value, and for arguments that do
                not fit the function; nothing is written then.
            ConflictError: If a schedule of this name stands in the code of an application.
            ConfigError: For an option that does not exist, for a task of another application, and if the queue has no
                schedules.
        """
        return await self._schedules.save(self._made(name, task, args, options))

    async def get(self, name: str) -> SavedSchedule | None:
        """The schedule of this name, or ``None``."""
        return await self._schedules.get(name)

    async def list(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> builtins.list[SavedSchedule]:
        """The schedules of the queue that the filter selects, by name.

        Args:
            app: Of the code of this application. Default: any, as for `func` and `paused`.
            func: Whose tasks are of this function.
            paused: Whether it is paused.
            after: After this name, for paging: that of the last schedule of the previous page. Default: the first page.
            limit: The page size. Default: 100.
        """
        return await self._schedules.list(app=app, func=func, paused=paused, after=after, limit=limit)

    def iterate(
        self,
        *,
        app: str | None = None,
        func: str | None = None,
        paused: bool | None = None,
        after: str | None = None,
        page: int = 1_000,
    ) -> AsyncIterator[SavedSchedule]:
        """All schedules of the queue that the filter selects, by name, read a page at a time.

        Args:
            app: Of the code of this application. Default: any, as for `func` and `paused`.
            func: Whose tasks are of this function.
            paused: Whether it is paused.
            after: After this name. Default: from the first schedule.
            page: How many schedules are read at a time, 1 to 10,000. Default: 1,000.
        """
        return self._schedules.iterate(app=app, func=func, paused=paused, after=after, page=page)

    async def delete(self, name: str) -> bool:
        """Removes a schedule with its history; tasks that it has enqueued stay. One that stands in code comes back when a
        worker of that application starts. Returns whether there was one."""
        return await self._schedules.delete(name)

    async def pause(self, name: str) -> None:
        """Stops the ticks of a schedule, which keeps its next tick; also of one that stands in code, across restarts.

        Raises:
            NotFoundError: If there is none of this name.
        """
        await self._schedules.pause(name)

    async def resume(self, name: str) -> None:
        """Lets a paused schedule go on with its next tick from now; those that have passed meanwhile are not missed.

        Raises:
            NotFoundError: If there is none of this name.
        """
        await self._schedules.resume(name)

    async def trigger(self, name: str) -> AsyncHandle[Any]:
        """Enqueues the schedule's task now, by hand, and returns its handle. The ticks go on as if nothing had been, also if
        it is paused; the task has neither jitter nor overlap.

        Raises:
            NotFoundError: If there is none of this name.
        """
        id = await self._schedules.trigger(name)
        await self._app._enqueued([id])
        return AsyncHandle(self._app, id)

    def trigger_sync(self, name: str) -> AsyncHandle[Any]:
        """Enqueues the schedule's task now, and returns its handle; see `trigger`. Blocks this thread."""
        return AsyncHandle(self._app, self._trigger_sync(name))

    async def history(self, name: str, limit: int = 100) -> builtins.list[Tick]:
        """The last ticks of a schedule, latest first. Empty if there is no such schedule.

        Args:
            name: The schedule.
            limit: How many ticks at most; 100 are kept. Default: 100.
        """
        return await self._schedules.history(name, limit)

    async def latest_result(self, name: str) -> TaskResult | None:
        """The result of the latest task of a schedule that has one, of its last hundred ticks; ``None`` if there is none.

        Raises:
            ConfigError: If results are off.
        """
        return await run(self._app._core.latest_result(a_text(name, "name")))


class Schedules(_Schedules):
    """The schedules of an `OmniQ`, as ``app.schedules``; see `AsyncSchedules`. Each method has two names: the plain one, and one
    with the suffix ``_sync``."""

    def trigger_sync(self, name: str) -> Handle[Any]:
        """Enqueues the schedule's task now, and returns its handle; see `AsyncSchedules.trigger`. Blocks this thread."""
        return Handle(self._app, self._trigger_sync(name))

    save = _Schedules.save_sync
    get = _Schedules.get_sync
    list = _Schedules.list_sync
    iterate = _Schedules.iterate_sync
    delete = _Schedules.delete_sync
    pause = _Schedules.pause_sync
    resume = _Schedules.resume_sync
    trigger = trigger_sync
    history = _Schedules.history_sync
    latest_result = _Schedules.latest_result_sync
