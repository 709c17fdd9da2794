"""How applications and groups make tasks of functions: the decorator ``task``, typed for each kind of function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from omniq.app.context import Context
from omniq.app.decorator import AsyncDecorator, Decorator
from omniq.app.function import AsyncTaskFunction, TaskFunction
from omniq.app.options import TaskOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncDefines", "Defines"]

P = ParamSpec("P")
R = TypeVar("R")


class _Registers(ABC):
    @abstractmethod
    def _register(self, function: Callable[..., Any], options: TaskOptions, depth: int) -> Any:
        """Makes the task. `depth`: how many frames below this call the function is defined."""


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
            name (str): The name under which workers find it, in every language. Default: the function's own name; in a
                group, after the group's name and a dot.
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
            name (str): The name under which workers find it, in every language. Default: the function's own name; in a
                group, after the group's name and a dot.
            process (bool): Whether a ``def`` function runs in a process: for work that is bound by the processor, and
                for timeouts that end any run. The program needs a main guard, as with `multiprocessing`. Default:
                false.
        """
        if function is not None:
            return self._register(function, options, 2)
        return lambda function: self._register(function, options, 2)
