"""Tasks: those to enqueue, and those that the queue holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from omniq._checks import refused
from omniq._texts import kind_of, text_of, trace_of
from omniq.errors import InvalidError
from omniq.models.after import IfFailed, ids_of
from omniq.models.backoff import Backoff
from omniq.models.base import Model
from omniq.models.callback import Callback
from omniq.models.enums import TaskState
from omniq.models.payload import Payload
from omniq.models.unique import Unique

__all__ = ["Claim", "NewTask", "Task", "TaskError", "TaskUpdate"]


class TaskError(Model, frozen=True):
    """An error of a run as it is stored: type, message and trace, all plain text. A text longer than 64 KiB is cut and
    ends with ``…``.

    Args:
        type (str): The error's type, such as ``"ValueError"``, ``"timeout"`` or ``"worker_lost"``.
        message (str): The message.
        trace (str | None): The traceback, or the causes, if known. Default: none.
    """

    #: The error's type, such as ``"ValueError"``, ``"timeout"`` or ``"worker_lost"``.
    type: str
    #: The message.
    message: str
    #: The traceback, or the causes, if known. Default: none.
    trace: str | None = None

    @classmethod
    def of(cls, error: TaskError | BaseException | str) -> TaskError:
        """The error of an exception: its type, message and traceback. A `TaskError` is returned unchanged; a text
        becomes the message of an error of type ``"error"``.

        Raises:
            InvalidError: For anything else.
        """
        if isinstance(error, TaskError):
            return error
        if isinstance(error, str):
            return cls("error", error)
        if isinstance(error, BaseException):
            return cls(kind_of(error), text_of(error), trace_of(error))
        raise InvalidError(f"error = {text_of(error)} is refused: give an exception, a TaskError or a text")


class Claim(Model, frozen=True):
    """A worker's hold on a task. `number` grows with every claim of the task, so that a settlement by an earlier claim,
    even one of the same worker, is refused.

    Args:
        worker (int): The id of the worker that holds the task.
        number (int): The number of this claim of the task, from 1.
    """

    #: The id of the worker that holds the task.
    worker: int
    #: The number of this claim of the task, from 1.
    number: int


class _Call(Model, frozen=True):
    #: The name of the function that workers have registered.
    func: str
    #: The arguments: any value that the codec holds, or a `Payload`. Default: ``None``, which stands for none.
    args: Any = None


class NewTask(_Call, frozen=True, kw_only=True):
    """A task to enqueue: function, arguments and options. Spans are seconds or `timedelta`, at most 100 years.

    >>> NewTask("send_mail", ["ann@example.org", 3], queue="mail", priority=5, delay=60, max_retries=2).queue
    'mail'

    Args:
        func (str): The name of the function that workers have registered.
        args (Any): The arguments: any value that the codec holds, or a `Payload`. Default: ``None``, which stands for
            none.
        id (UUID | None): The id. An id that is in use is refused (`DuplicateError`). Default: a new one, made at the
            enqueue.
        queue (str | None): The queue. Default: ``"default"``.
        priority (int | None): Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
        run_at (datetime | None): The earliest start time, with a time zone. Default: at once. Refused together with
            `delay`.
        delay (float | timedelta | None): The earliest start, as a span from now by the database's clock, in seconds or
            as `timedelta`. Default: at once.
        ttl (float | timedelta | None): The task expires if no worker has begun it within this span, in seconds or as
            `timedelta`, from the later of creation and start time. More than zero. Default: no end.
        max_retries (int | None): How many times the task may be retried: 3 allows 4 runs. At most 1,000,000. Default:
            3.
        backoff (Backoff | None): The wait before a retry. Default: `Backoff()`: 1 second, doubled each time, at most an
            hour, plus up to 20 %.
        timeout (float | timedelta | None): The longest that one run may take, in seconds or as `timedelta`: more than
            zero. Default: no limit.
        metadata (dict[str, Any] | None): The user's data about the task, at most 64 KiB as JSON. Default: none.
        codec (str | None): The codec of the arguments. Default: that of the queue, which is ``"json"`` unless set.
        callbacks (tuple[Callback, ...]): What is enqueued when it ends: at most 32. Default: nothing.
        unique (Unique | None): That at most one unfinished task holds its key, and what happens if one does. Default:
            it is not unique.
        after (tuple[UUID, ...] | None): The ids of the tasks that it runs after: until all of them have ended it is
            blocked. They are in the queue, have a result, or are enqueued in the same call. At most 100,000. Default:
            it waits for none.
        if_failed (IfFailed | None): What becomes of it if one of those does not complete: ``"end"``: it shares the
            fate, as a dead letter or cancelled; ``"run"``: it runs after any end. Default: ``"end"``.
    """

    #: The id. An id that is in use is refused (`DuplicateError`). Default: a new one, made at the enqueue.
    id: UUID | None = None
    #: The queue. Default: ``"default"``.
    queue: str | None = None
    #: Tasks of higher priority are claimed first: -32768 to 32767. Default: 0.
    priority: int | None = None
    #: The earliest start time, with a time zone. Default: at once. Refused together with `delay`.
    run_at: datetime | None = None
    #: The earliest start, as a span from now by the database's clock, in seconds or as `timedelta`. Default: at once.
    delay: float | timedelta | None = None
    #: The task expires if no worker has begun it within this span, in seconds or as `timedelta`, from the later of creation
    #: and start time. More than zero. Default: no end.
    ttl: float | timedelta | None = None
    #: How many times the task may be retried: 3 allows 4 runs. At most 1,000,000. Default: 3.
    max_retries: int | None = None
    #: The wait before a retry. Default: `Backoff()`: 1 second, doubled each time, at most an hour, plus up to 20 %.
    backoff: Backoff | None = None
    #: The longest that one run may take, in seconds or as `timedelta`: more than zero. Default: no limit.
    timeout: float | timedelta | None = None
    #: The user's data about the task, at most 64 KiB as JSON. Default: none.
    metadata: dict[str, Any] | None = None
    #: The codec of the arguments. Default: that of the queue, which is ``"json"`` unless set.
    codec: str | None = None
    #: What is enqueued when it ends: at most 32. Default: nothing.
    callbacks: tuple[Callback, ...] = ()
    #: That at most one unfinished task holds its key, and what happens if one does. Default: it is not unique.
    unique: Unique | None = None
    #: The ids of the tasks that it runs after: until all of them have ended it is blocked. They are in the queue, have a result,
    #: or are enqueued in the same call. At most 100,000. Default: it waits for none.
    after: tuple[UUID, ...] | None = None
    #: What becomes of it if one of those does not complete: ``"end"``: it shares the fate, as a dead letter or cancelled;
    #: ``"run"``: it runs after any end. Default: ``"end"``.
    if_failed: IfFailed | None = None

    def __post_init__(self) -> None:
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise refused("backoff", self.backoff, "give a Backoff, such as Backoff.exponential(5) or Backoff.fixed(5)")
        if self.after is not None:
            msgspec.structs.force_setattr(self, "after", ids_of(self.after))


class TaskUpdate(Model, frozen=True, kw_only=True):
    """Changes to a task that no worker holds; a field that is not given leaves its value unchanged.

    Args:
        queue (str | None): Another queue. Default: unchanged.
        priority (int | None): Another priority. Default: unchanged.
        run_at (datetime | None): Another start time; a time that has passed means at once. Default: unchanged.
        args (Any): Other arguments. Default: unchanged.
        max_retries (int | None): Another number of retries. Default: unchanged.
        metadata (dict[str, Any] | None): Another metadata object, which replaces the old one. Default: unchanged.
        codec (str | None): The codec of the arguments. Default: that of the queue.
    """

    #: Another queue. Default: unchanged.
    queue: str | None = None
    #: Another priority. Default: unchanged.
    priority: int | None = None
    #: Another start time; a time that has passed means at once. Default: unchanged.
    run_at: datetime | None = None
    #: Other arguments. Default: unchanged.
    args: Any = msgspec.UNSET
    #: Another number of retries. Default: unchanged.
    max_retries: int | None = None
    #: Another metadata object, which replaces the old one. Default: unchanged.
    metadata: dict[str, Any] | None = None
    #: The codec of the arguments. Default: that of the queue.
    codec: str | None = None


class Task(Model, frozen=True):
    """A task as the queue holds it. All times are in UTC.

    Args:
        id (UUID): The id.
        seq (int): The position in the order of arrival.
        queue (str): The queue.
        func (str): The name of the function.
        payload (Payload): The arguments, encoded.
        priority (int): Tasks of higher priority are claimed first.
        state (TaskState): The state.
        run_at (datetime): The earliest start time.
        expires_at (datetime | None): When the task expires unless a worker has begun it; ``None``: never.
        attempt (int): The number of the present or last run, from 1; 0 before the first.
        max_retries (int): How many times the task may be retried.
        backoff (Backoff): The wait before a retry.
        timeout (timedelta | None): The longest that one run may take.
        metadata (dict[str, Any]): The user's data about the task.
        error (TaskError | None): The error of the last run that failed.
        created_at (datetime): When it was enqueued.
        claimed_at (datetime | None): When the present run was claimed.
        claim (Claim | None): The claim that holds the task, if one does. Only this claim can settle its run.
        callbacks (tuple[Callback, ...]): What is enqueued when it ends. Default: nothing.
        unique (Unique | None): That it is unique, by the text of its key; ``None``: it is not. Default: ``None``.
    """

    #: The id.
    id: UUID
    #: The position in the order of arrival.
    seq: int
    #: The queue.
    queue: str
    #: The name of the function.
    func: str
    #: The arguments, encoded.
    payload: Payload
    #: Tasks of higher priority are claimed first.
    priority: int
    #: The state.
    state: TaskState
    #: The earliest start time.
    run_at: datetime
    #: When the task expires unless a worker has begun it; ``None``: never.
    expires_at: datetime | None
    #: The number of the present or last run, from 1; 0 before the first.
    attempt: int
    #: How many times the task may be retried.
    max_retries: int
    #: The wait before a retry.
    backoff: Backoff
    #: The longest that one run may take.
    timeout: timedelta | None
    #: The user's data about the task.
    metadata: dict[str, Any]
    #: The error of the last run that failed.
    error: TaskError | None
    #: When it was enqueued.
    created_at: datetime
    #: When the present run was claimed.
    claimed_at: datetime | None
    #: The claim that holds the task, if one does. Only this claim can settle its run.
    claim: Claim | None
    #: What is enqueued when it ends. Default: nothing.
    callbacks: tuple[Callback, ...] = ()
    #: That it is unique, by the text of its key; ``None``: it is not.
    unique: Unique | None = None

    @property
    def args(self) -> Any:
        """The arguments, decoded at each access. Raises `CodecError` if they cannot be decoded."""
        return self.payload.decode()

    def __hash__(self) -> int:
        return hash((self.id, self.attempt))
