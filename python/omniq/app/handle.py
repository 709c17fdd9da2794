"""The handle that an enqueue returns: to look at the task, wait for it and cancel it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from omniq._checks import a_span
from omniq._equivalents import HANDLE, missing
from omniq._loop import run, wait, wait_for_runs
from omniq.app.exceptions import TaskFailed
from omniq.app.values import Value, value_of
from omniq.errors import NotFoundError
from omniq.models import Cancelled, EventFilter, ResultStatus, Task, TaskEvent, TaskResult, TaskState
from omniq.models.unique import EnqueuedId, EnqueuedKind

if TYPE_CHECKING:
    from omniq._omniq import Backend, Pending
    from omniq.app.base import BaseApp
    from omniq.app.function import BaseFunction

__all__ = ["AsyncHandle", "BaseHandle", "End", "Handle", "limit", "refuse_endless"]

R_co = TypeVar("R_co", covariant=True)

#: The end of a task that was waited for: its result, or the error of a task that has left none.
End: TypeAlias = TaskResult | NotFoundError

#: The timeout of a wait without end.
_FOR_EVER = timedelta(days=3650)


def limit(timeout: float | timedelta | None) -> float | timedelta:
    """The timeout of a wait; ``None``: without end."""
    return _FOR_EVER if timeout is None else a_span(timeout, "timeout")


def refuse_endless(app: BaseApp, ids: list[UUID], timeout: float | timedelta | None) -> None:
    """Refuses a wait that nothing would end: in eager mode, without a timeout, for a task that `advance` would run."""
    if timeout is None and app._eager is not None:
        app._eager.refuse_endless(ids)


class Source(Protocol):
    """What a handle comes from: a function, or an application for a task of any function."""

    def _application(self) -> BaseApp: ...

    def _returns_of(self, func: str, /) -> Value:
        """How the value of a task with this function is read."""
        ...

    def _func_name(self) -> str | None:
        """The name of the function, if it is known which one."""
        ...

    def _by_name(self) -> BaseFunction[..., Any, ..., Any]:
        """A function that pickle finds by its name, and that leads to this source."""
        ...


class BaseHandle(Generic[R_co]):
    """The handle of a task that was enqueued, with blocking methods."""

    __slots__ = ("_ended", "_source", "enqueued", "id")

    #: What an error says to one who gives a handle as a value.
    _in_place_of = "give str(handle), of which app.handle(…) makes a handle again"

    def __init__(self, source: Source, id: UUID, enqueued: EnqueuedKind | None = None) -> None:
        """Enqueues give handles, and ``app.handle`` does: users make none by themselves.

        Args:
            source: The function or application.
            id: The task's id.
            enqueued: What has become of the enqueue. Default: not known, or what the id says.
        """
        if isinstance(id, EnqueuedId):
            enqueued, id = id.kind, UUID(int=id.int)
        #: The task's id.
        self.id = id
        #: What has become of the enqueue that gave this handle: ``"new"``, or for a task that is unique ``"skipped"``,
        #: ``"replaced"`` or ``"rescheduled"``. ``None``: it was made of an id.
        self.enqueued: EnqueuedKind | None = enqueued
        self._source = source
        #: What `as_completed` gave.
        self._ended: End | None = None

    @property
    def existing(self) -> bool:
        """Whether the enqueue that gave this handle has added nothing, as another task, which this is the handle of, holds
        the key; see `Unique`."""
        return self.enqueued not in (None, "new")

    @property
    def _core(self) -> Backend:
        return self._source._application()._core

    def _events(self) -> Any:
        return self._core.events().query(EventFilter(task_id=self.id))

    def _wait(self, timeout: float | timedelta | None) -> Pending[TaskResult]:
        refuse_endless(self._source._application(), [self.id], timeout)
        return self._core.wait(self.id, limit(timeout))

    def _value(self, result: End) -> R_co:
        if isinstance(result, NotFoundError):
            raise result
        if result.status is not ResultStatus.COMPLETED:
            raise TaskFailed(result)
        value: R_co = value_of(result, self._source._returns_of(result.func), self._source._func_name())
        return value

    def result_sync(self, timeout: float | timedelta | None = None) -> R_co:
        """Waits for the task's end, blocking this thread, and returns its value; see `AsyncHandle.result`."""
        if self._ended is not None:
            return self._value(self._ended)
        found = wait_for_runs(self._wait(timeout))
        return self._value(found)

    def status_sync(self) -> TaskState | None:
        """The state of the task, blocking; see `AsyncHandle.status`."""
        core = self._core
        task = wait(core.queue().get(self.id))
        return _status(task, None if task is not None else wait(core.result(self.id)))

    def cancel_sync(self) -> Cancelled:
        """Cancels the task, blocking; see `AsyncHandle.cancel`."""
        return wait(self._core.cancel(self.id))

    def events_sync(self) -> list[TaskEvent]:
        """The events of the task, blocking; see `AsyncHandle.events`."""
        return wait(self._events())

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise missing(self, name, HANDLE)

    def __repr__(self) -> str:
        words = (type(self).__name__, self._source._func_name(), str(self.id))
        return f"<{' '.join(word for word in words if word)}>"

    def __str__(self) -> str:
        """The text of the id, of which ``app.handle`` makes a handle again."""
        return str(self.id)

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, BaseHandle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> Any:
        # The function is pickled by its name in its module, and leads to the application.
        function = self._source._by_name()
        return _loaded, (function, self.id, self._source is self._source._application())


class Handle(BaseHandle[R_co]):
    """The handle of a task that was enqueued; blocking. Each method has two names: the plain one, and one with the
    suffix ``_sync``."""

    __slots__ = ()

    # Not aliases: type checkers lose the type of the value in an alias of a generic class's method.

    def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Waits for the task's end and returns its value; see `AsyncHandle.result`."""
        return self.result_sync(timeout)

    def status(self) -> TaskState | None:
        """The state of the task; see `AsyncHandle.status`."""
        return self.status_sync()

    def cancel(self) -> Cancelled:
        """Cancels the task; see `AsyncHandle.cancel`."""
        return self.cancel_sync()

    def events(self) -> list[TaskEvent]:
        """The events of the task; see `AsyncHandle.events`."""
        return self.events_sync()


class AsyncHandle(BaseHandle[R_co]):
    """The handle of a task that was enqueued. The methods with ``_sync`` names are for code without an event loop.

    Handles of one task are equal, and are pickled; in JSON a handle is the text of its `id`, of which ``app.handle`` or
    the function's ``handle`` makes one again. One that `as_completed` has given keeps the result.
    """

    __slots__ = ()

    async def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Waits for the task's end and returns the function's value, decoded by its return annotation.

        Args:
            timeout: How long to wait at most, in seconds or as `timedelta`. Default: without end.

        Raises:
            TaskFailed: If the task ended without a value: failed, cancelled, expired or discarded.
            TimeoutError: If it has not ended in time.
            NotFoundError: If it ends meanwhile and leaves no result: it was deleted, or ended where none are kept.
            ConfigError: If results are off.
            CodecError: If the value does not fit the annotation, or cannot be read here; the text has the task's id.
        """
        if self._ended is not None:
            return self._value(self._ended)
        found = await run(self._wait(timeout))
        return self._value(found)

    async def status(self) -> TaskState | None:
        """The state of the task; ``None`` if the queue does not hold it and no result is stored (any more)."""
        core = self._core
        task = await run(core.queue().get(self.id))
        return _status(task, None if task is not None else await run(core.result(self.id)))

    async def cancel(self) -> Cancelled:
        """Cancels the task: a waiting one leaves the queue, a running one is asked to stop.

        A running ``async def`` task is cancelled, one in a process is ended, and one in a thread is notified by its
        `Context`.

        Returns:
            `Cancelled.DONE`, `Cancelled.REQUESTED` for a running task, or `Cancelled.NOT_FOUND`.
        """
        return await run(self._core.cancel(self.id))

    async def events(self) -> list[TaskEvent]:
        """The first 100 events of the task, the oldest first.

        Raises:
            ConfigError: If events are off.
        """
        return await run(self._events())


def _loaded(function: BaseFunction[..., Any, ..., Any], id: UUID, of_any: bool) -> Any:
    """A handle that was pickled; `of_any`: as ``app.handle`` made it."""
    source: Any = function.app if of_any else function
    return source.handle(id)


def _status(task: Task | None, result: TaskResult | None) -> TaskState | None:
    if task is not None:
        return task.state
    if result is None:
        return None
    return TaskState.DEAD if result.status is ResultStatus.FAILED else TaskState(str(result.status))
