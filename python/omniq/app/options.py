"""The options of tasks and schedules: those of a function, those of one enqueue, and those of a schedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

from omniq.app.callbacks import Callbacks, StartHooks
from omniq.app.rules import ErrorTypes, RetryWhen
from omniq.models import Backoff, Unique
from omniq.models.after import After, IfFailed
from omniq.models.schedule import Missed

__all__ = ["OF_CALL", "CallOptions", "ScheduleOptions", "TaskDefaults", "TaskOptions"]


class TaskDefaults(TypedDict, total=False):
    """The options that functions without their own have, given to an application, a route or a group."""

    #: The queue. Default: ``"default"``.
    queue: str
    #: Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
    priority: int
    #: How many times a task that fails may be retried, 0 to 1,000,000: 3 allows 4 runs. Default: 3.
    max_retries: int
    #: The wait before a retry: `Backoff.fixed`, `linear`, `exponential` or `list`. Default: 1 second, doubled each time, at
    #: most an hour, plus up to 20 % at random.
    backoff: Backoff
    #: The longest that one run may take, in seconds or as `timedelta`. After it an ``async def`` function is cancelled,
    #: one in a process is ended, and one in a thread is notified by its `Context`. ``None``: no limit, whatever the
    #: defaults say. Default: no limit.
    timeout: float | timedelta | None
    #: When `SoftTimeout` is raised inside a run, in seconds or as `timedelta` from its begin, less than `timeout`: in an
    #: ``async def`` function where it awaits, in a thread between two instructions, in a process by SIGALRM, which also
    #: interrupts system calls. ``None``: never, whatever the defaults say. Default: never.
    soft_timeout: float | timedelta | None
    #: The exception types after which a run is retried; a run with another exception leaves a dead letter. If a type is
    #: in neither list, the nearest of its base classes counts. Timeouts and lost workers are always retried. Default:
    #: every exception.
    retry_on: ErrorTypes | None
    #: The exception types after which a run is not retried: its task becomes a dead letter at once. Default: none.
    dead_on: ErrorTypes | None
    #: A ``def`` function for what types cannot tell: it takes the exception and the `Context`, and returns ``True``: the
    #: task is retried after its backoff; seconds or a `timedelta`: it is retried after that; ``False``: it becomes a dead
    #: letter; ``None``: the types decide. All retries count. Default: none.
    retry_when: RetryWhen | None
    #: The task expires if no worker has begun it within this span, in seconds or as `timedelta`, from the later of
    #: creation and start time. ``None``: no end, whatever the defaults say. Default: no end.
    ttl: float | timedelta | None
    #: A dict that travels with the task, at most 64 KiB as JSON. Default: an empty one.
    metadata: dict[str, Any]
    #: The codec of arguments and value. Default: that of the application, which is ``"json"`` unless set.
    codec: str
    #: Makes its tasks unique: at any moment at most one unfinished task holds a key; see `Unique`. ``True``: by all
    #: arguments. ``None`` or ``False``: they are not, whatever the defaults say. Default: they are not.
    unique: Unique | bool | None
    #: A function, or several, called in the worker within each run before the task's function. It takes the `Context`, and
    #: may be async; see `AsyncOmniQ.on_start`. Those of the application are called as well. Default: none.
    on_start: StartHooks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run has completed the
    #: task; see `AsyncOmniQ.on_success`. Those of the application are called as well. Default: none.
    on_success: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run has failed, or its
    #: worker was lost, and the task is retried. Default: none.
    on_retry: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when its last run has failed,
    #: so that it is a dead letter. Default: none.
    on_dead: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when it is cancelled. Default:
    #: none.
    on_cancelled: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run drops it by
    #: `Discard`. Default: none.
    on_discarded: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when no worker has begun it
    #: within its time to live. Default: none.
    on_expired: Callbacks | None


class ScheduleOptions(TypedDict, total=False):
    """When a schedule fires, by exactly one of `cron`, `every` and `at`, and what else holds for it."""

    #: Fires by a cron expression: five fields (minute, hour, day, month, weekday), or six with the second first. Default:
    #: not by one.
    cron: str | None
    #: The time zone of `cron`, an IANA name such as ``"Europe/Berlin"``. Default: ``"UTC"``.
    time_zone: str | None
    #: Fires each time this span has passed, in seconds or as `timedelta`: 0.1 seconds to 100 years, counted from `starts_at`.
    #: Default: not by one.
    every: float | timedelta | None
    #: Fires once, at this time, which has a time zone; at once if it has passed. Default: not by one.
    at: datetime | None
    #: What becomes of ticks that are later than `grace`, as after a time without workers. ``"skip"``: none is made up for.
    #: ``"once"``: one task, for the latest of them. ``"all"``: a task for each, at most for the latest 100; a number, 1 to
    #: 10,000: for the latest that many. Default: ``"once"``.
    missed: Missed
    #: How late a tick may be before it is missed, in seconds or as `timedelta`: 1 second to 100 years. Default: 60 seconds.
    grace: float | timedelta
    #: Each task is delayed by a random time of up to this span, in seconds or as `timedelta`; the ticks are not. Default:
    #: none.
    jitter: float | timedelta | None
    #: Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick is skipped. Default: true.
    overlap: bool
    #: How many tasks the schedule enqueues before it ends, at least 1; skipped ticks do not count. Default: no end.
    max_runs: int | None
    #: No tick is before this time, which has a time zone. Default: from when the schedule is saved.
    starts_at: datetime | None
    #: No tick is after this time, which has a time zone. Default: no end.
    ends_at: datetime | None


class TaskOptions(TaskDefaults, ScheduleOptions, total=False):
    """The options of every task of a function, given to `AsyncOmniQ.task`. With `cron`, `every` or `at` it has a schedule of
    the task's name, which calls it without arguments."""

    #: The name under which workers find it, in every language. Default: the function's own name; in a group, after the
    #: group's name and a dot.
    name: str
    #: The earliest start of each of its tasks, as a span from the enqueue, or from the tick of a schedule, in seconds or as
    #: `timedelta`. Default: at once.
    delay: float | timedelta
    #: Whether a ``def`` function runs in a process: for work that is bound by the processor, and for timeouts that end
    #: any run. The program needs a main guard, as with `multiprocessing`. Default: false.
    process: bool


class CallOptions(TypedDict, total=False):
    """The options of one enqueue, given to `AsyncTaskFunction.with_options`."""

    #: The id of the task. An id that is in use is refused (`DuplicateError`). Default: a new one.
    id: UUID
    #: The queue. Default: the function's.
    queue: str
    #: Tasks of higher priority are claimed first: -32768 to 32767. Default: the function's.
    priority: int
    #: The earliest start time, with a time zone. Refused together with `delay`. Default: by the function's `delay`.
    run_at: datetime
    #: The earliest start, as a span from now in seconds or as `timedelta`. Refused together with `run_at`. Default: the
    #: function's.
    delay: float | timedelta
    #: The task expires if no worker has begun it within this span, in seconds or as `timedelta`, from the later of
    #: creation and start time. ``None``: no end. Default: the function's.
    ttl: float | timedelta | None
    #: How many times the task may be retried if it fails, 0 to 1,000,000. Default: the function's.
    max_retries: int
    #: The wait before a retry. Default: the function's.
    backoff: Backoff
    #: The longest that one run may take, in seconds or as `timedelta`. ``None``: no limit. Default: the function's.
    timeout: float | timedelta | None
    #: A dict that travels with the task, in place of the function's. Default: the function's.
    metadata: dict[str, Any]
    #: The codec of arguments and value. Default: the function's.
    codec: str
    #: Makes the task unique: at any moment at most one unfinished task holds its key; see `Unique`. ``True``: by all
    #: arguments. ``None`` or ``False``: it is not. Default: the function's.
    unique: Unique | bool | None
    #: The tasks that it runs after: a handle or an id, or a list of these, at most 100,000. Until all of them have ended it is
    #: blocked, and its `ttl` counts from then on. ``None``: it waits for none. Default: none.
    after: After | None
    #: What becomes of it if one of those does not complete. ``"end"``: it shares the fate: after a dead letter it becomes a
    #: dead letter, after one that was cancelled, has expired or was deleted it is cancelled. ``"run"``: it runs after any
    #: end. Default: ``"end"``.
    if_failed: IfFailed
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run has completed the
    #: task. Default: the function's.
    on_success: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run has failed, or its
    #: worker was lost, and the task is retried. Default: the function's.
    on_retry: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when its last run has failed,
    #: so that it is a dead letter. Default: the function's.
    on_dead: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when it is cancelled. Default:
    #: the function's.
    on_cancelled: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when a run drops it by
    #: `Discard`. Default: the function's.
    on_discarded: Callbacks | None
    #: A task function that takes an `Ended`, its name, or several: its task is enqueued when no worker has begun it
    #: within its time to live. Default: the function's.
    on_expired: Callbacks | None
    #: Your open connection, in whose transaction the task is enqueued: of asyncpg, psycopg, SQLAlchemy or Django.
    #: Default: none; the task is enqueued in its own transaction.
    connection: Any


#: The options that only a call has, and no definition of a task.
OF_CALL: Final = tuple(name for name in CallOptions.__annotations__ if name not in TaskOptions.__annotations__)
