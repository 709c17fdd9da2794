"""The options of tasks: those of a function, and those of one enqueue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from omniq.app.rules import ErrorTypes, RetryWhen
from omniq.models import Backoff

__all__ = ["CallOptions", "TaskDefaults", "TaskOptions"]


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


class TaskOptions(TaskDefaults, total=False):
    """The options of every task of a function, given to `AsyncOmniQ.task`."""

    #: The name under which workers find it, in every language. Default: the function's own name; in a group, after the
    #: group's name and a dot.
    name: str
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
    #: The earliest start time, with a time zone. Refused together with `delay`. Default: at once.
    run_at: datetime
    #: The earliest start, as a span from now in seconds or as `timedelta`. Refused together with `run_at`. Default: at
    #: once.
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
    #: Your open connection, in whose transaction the task is enqueued: of asyncpg, psycopg, SQLAlchemy or Django.
    #: Default: none; the task is enqueued in its own transaction.
    connection: Any
