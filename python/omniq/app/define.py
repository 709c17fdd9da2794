"""How applications and groups make tasks of functions: the decorator ``task``, typed for each kind of function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from omniq.app.context import Context
from omniq.app.decorator import AsyncDecorator, Decorator
from omniq.app.function import AsyncTaskFunction, BaseFunction, TaskFunction
from omniq.app.options import ScheduleOptions, TaskOptions
from omniq.models import NewTask

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncDefines", "Defines"]

P = ParamSpec("P")
R = TypeVar("R")


class _Registers(ABC):
    @abstractmethod
    def _register(self, function: Callable[..., Any], options: TaskOptions, depth: int) -> Any:
        """Makes the task. `depth`: how many frames below this call the function is defined."""

    @abstractmethod
    def _declare(self, name: str, task: Any, args: Any, options: ScheduleOptions, depth: int) -> None:
        """Declares the schedule. `depth`: how many frames below this call it stands."""

    def schedule(
        self,
        name: str,
        task: BaseFunction[..., Any, ..., Any] | NewTask | str,
        args: Any = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Declares a schedule in code: for a task with arguments, or for several schedules of one task. One alone, without
        arguments, is declared by the task itself: ``@app.task(cron="30 2 * * *")``.

        Each worker of the application saves what has changed when it starts, and removes schedules that have left the code:
        those that no live worker of the application declares any more. Each tick enqueues at most one task, and exactly one
        if a worker is alive within the time that the rule for missed ticks allows. The task has the callbacks of the
        application; middleware around enqueues is not called.

        >>> app.schedule("report.berlin", report, "Berlin", cron="0 7 * * 1-5", time_zone="Europe/Berlin")  # doctest: +SKIP

        Args:
            name: Its name, 1 to 128 bytes, which no schedule of another application has, and none that was saved at run
                time.
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
            InvalidError: Unless exactly one of `cron`, `every` and `at` is given, and for a bad value. Arguments that do not
                fit the function are refused when a worker starts.
            ConfigError: For a name that another line has declared, and for an option that does not exist.
        """
        self._declare(name, task, args, options, 2)


class AsyncDefines(_Registers):
    """The decorator of an `AsyncOmniQ` and of an `AsyncTaskGroup`."""

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> AsyncTaskFunction[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTaskFunction[P, Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> AsyncTaskFunction[Concatenate[Context, P], R, P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> AsyncTaskFunction[P, R, P, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> AsyncDecorator: ...
    def task(self, function: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
        """Makes a task of a function: ``@app.task``, or ``@app.task(queue="mail", max_retries=5)``.

        A plain call still calls the function; ``await f.enqueue(…)`` enqueues the call for a worker. An ``async def``
        function runs on the worker's event loop, a ``def`` function in a thread, or with ``process=True`` in a process.

        Args:
            queue (str): The queue. Default: ``"default"``.
            priority (int): Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
            max_retries (int): How many times a task that fails may be retried, 0 to 1,000,000: 3 allows 4 runs.
                Default: 3.
            backoff (Backoff): The wait before a retry: `Backoff.fixed`, `linear`, `exponential` or `list`. Default: 1
                second, doubled each time, at most an hour, plus up to 20 % at random.
            timeout (float | timedelta | None): The longest that one run may take, in seconds or as `timedelta`. After
                it an ``async def`` function is cancelled, one in a process is ended, and one in a thread is notified by
                its `Context`. ``None``: no limit, whatever the defaults say. Default: no limit.
            soft_timeout (float | timedelta | None): When `SoftTimeout` is raised inside a run, in seconds or as
                `timedelta` from its begin, less than `timeout`: in an ``async def`` function where it awaits, in a
                thread between two instructions, in a process by SIGALRM, which also interrupts system calls. ``None``:
                never, whatever the defaults say. Default: never.
            retry_on (ErrorTypes | None): The exception types after which a run is retried; a run with another exception
                leaves a dead letter. If a type is in neither list, the nearest of its base classes counts. Timeouts and
                lost workers are always retried. Default: every exception.
            dead_on (ErrorTypes | None): The exception types after which a run is not retried: its task becomes a dead
                letter at once. Default: none.
            retry_when (RetryWhen | None): A ``def`` function for what types cannot tell: it takes the exception and the
                `Context`, and returns ``True``: the task is retried after its backoff; seconds or a `timedelta`: it is
                retried after that; ``False``: it becomes a dead letter; ``None``: the types decide. All retries count.
                Default: none.
            ttl (float | timedelta | None): The task expires if no worker has begun it within this span, in seconds or
                as `timedelta`, from the later of creation and start time. ``None``: no end, whatever the defaults say.
                Default: no end.
            metadata (dict[str, Any]): A dict that travels with the task, at most 64 KiB as JSON. Default: an empty one.
            codec (str): The codec of arguments and value. Default: that of the application, which is ``"json"`` unless
                set.
            unique (Unique | bool | None): Makes its tasks unique: at any moment at most one unfinished task holds a
                key; see `Unique`. ``True``: by all arguments. ``None`` or ``False``: they are not, whatever the
                defaults say. Default: they are not.
            on_start (StartHooks | None): A function, or several, called in the worker within each run before the task's
                function. It takes the `Context`, and may be async; see `AsyncOmniQ.on_start`. Those of the application
                are called as well. Default: none.
            on_success (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has completed the task; see `AsyncOmniQ.on_success`. Those of the application are
                called as well. Default: none.
            on_retry (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has failed, or its worker was lost, and the task is retried. Default: none.
            on_dead (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when its last run has failed, so that it is a dead letter. Default: none.
            on_cancelled (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when it is cancelled. Default: none.
            on_discarded (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run drops it by `Discard`. Default: none.
            on_expired (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when no worker has begun it within its time to live. Default: none.
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
            name (str): The name under which workers find it, in every language. Default: the function's own name; in a
                group, after the group's name and a dot.
            delay (float | timedelta): The earliest start of each of its tasks, as a span from the enqueue, or from the
                tick of a schedule, in seconds or as `timedelta`. Default: at once.
            process (bool): Whether a ``def`` function runs in a process: for work that is bound by the processor, and
                for timeouts that end any run. The program needs a main guard, as with `multiprocessing`. Default:
                false.

        Raises:
            ConfigError: For a name that another function has, or an option that does not exist.
            InvalidError: For a bad value of an option.
        """
        if function is not None:
            return self._register(function, options, 2)
        return lambda function: self._register(function, options, 2)


class Defines(_Registers):
    """The decorator of an `OmniQ` and of a `TaskGroup`."""

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> TaskFunction[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> TaskFunction[P, Coroutine[Any, Any, R], P, R]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> TaskFunction[Concatenate[Context, P], R, P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R, P, R]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> Decorator: ...
    def task(self, function: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
        """Makes a task of a function; see `AsyncOmniQ.task`, also for the errors. ``f.enqueue(…)`` blocks the thread.

        Args:
            queue (str): The queue. Default: ``"default"``.
            priority (int): Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
            max_retries (int): How many times a task that fails may be retried, 0 to 1,000,000: 3 allows 4 runs.
                Default: 3.
            backoff (Backoff): The wait before a retry: `Backoff.fixed`, `linear`, `exponential` or `list`. Default: 1
                second, doubled each time, at most an hour, plus up to 20 % at random.
            timeout (float | timedelta | None): The longest that one run may take, in seconds or as `timedelta`. After
                it an ``async def`` function is cancelled, one in a process is ended, and one in a thread is notified by
                its `Context`. ``None``: no limit, whatever the defaults say. Default: no limit.
            soft_timeout (float | timedelta | None): When `SoftTimeout` is raised inside a run, in seconds or as
                `timedelta` from its begin, less than `timeout`: in an ``async def`` function where it awaits, in a
                thread between two instructions, in a process by SIGALRM, which also interrupts system calls. ``None``:
                never, whatever the defaults say. Default: never.
            retry_on (ErrorTypes | None): The exception types after which a run is retried; a run with another exception
                leaves a dead letter. If a type is in neither list, the nearest of its base classes counts. Timeouts and
                lost workers are always retried. Default: every exception.
            dead_on (ErrorTypes | None): The exception types after which a run is not retried: its task becomes a dead
                letter at once. Default: none.
            retry_when (RetryWhen | None): A ``def`` function for what types cannot tell: it takes the exception and the
                `Context`, and returns ``True``: the task is retried after its backoff; seconds or a `timedelta`: it is
                retried after that; ``False``: it becomes a dead letter; ``None``: the types decide. All retries count.
                Default: none.
            ttl (float | timedelta | None): The task expires if no worker has begun it within this span, in seconds or
                as `timedelta`, from the later of creation and start time. ``None``: no end, whatever the defaults say.
                Default: no end.
            metadata (dict[str, Any]): A dict that travels with the task, at most 64 KiB as JSON. Default: an empty one.
            codec (str): The codec of arguments and value. Default: that of the application, which is ``"json"`` unless
                set.
            unique (Unique | bool | None): Makes its tasks unique: at any moment at most one unfinished task holds a
                key; see `Unique`. ``True``: by all arguments. ``None`` or ``False``: they are not, whatever the
                defaults say. Default: they are not.
            on_start (StartHooks | None): A function, or several, called in the worker within each run before the task's
                function. It takes the `Context`, and may be async; see `AsyncOmniQ.on_start`. Those of the application
                are called as well. Default: none.
            on_success (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has completed the task; see `AsyncOmniQ.on_success`. Those of the application are
                called as well. Default: none.
            on_retry (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has failed, or its worker was lost, and the task is retried. Default: none.
            on_dead (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when its last run has failed, so that it is a dead letter. Default: none.
            on_cancelled (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when it is cancelled. Default: none.
            on_discarded (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run drops it by `Discard`. Default: none.
            on_expired (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when no worker has begun it within its time to live. Default: none.
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
            name (str): The name under which workers find it, in every language. Default: the function's own name; in a
                group, after the group's name and a dot.
            delay (float | timedelta): The earliest start of each of its tasks, as a span from the enqueue, or from the
                tick of a schedule, in seconds or as `timedelta`. Default: at once.
            process (bool): Whether a ``def`` function runs in a process: for work that is bound by the processor, and
                for timeouts that end any run. The program needs a main guard, as with `multiprocessing`. Default:
                false.
        """
        if function is not None:
            return self._register(function, options, 2)
        return lambda function: self._register(function, options, 2)
