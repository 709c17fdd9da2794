"""``app.map``: a call of a task for each item, and all their values in order."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from omniq._checks import a_number, refused, several
from omniq.app.collect import Collected, Options
from omniq.app.exceptions import TaskFailed
from omniq.app.function import AsyncTaskFunction, BaseFunction, TaskFunction
from omniq.app.handle import BaseHandle
from omniq.app.progress import Progress
from omniq.app.steps import Enqueue, Enqueued, Steps, awaited, blocked, told
from omniq.errors import ConfigError, InvalidError

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["AsyncMaps", "Maps"]

R = TypeVar("R")

#: The most tasks that one call enqueues.
_CHUNK = 5_000


class AsyncMaps:
    """The method of an `AsyncOmniQ`."""

    @overload
    async def map(
        self,
        function: AsyncTaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: Literal[False] = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R]: ...
    @overload
    async def map(
        self,
        function: AsyncTaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R | Exception]: ...
    async def map(
        self,
        function: AsyncTaskFunction[..., Any, ..., Any],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> Any:
        """Enqueues a call of a task for each item, waits for them, and returns their values in the order of the items.

        The calls are enqueued up to 5,000 at a time, each such part all or none. After an error, what was enqueued
        before goes on, unless `cancel_rest` is true.

        Args:
            function: The task, of this application; with other options by `with_options`.
            items: For a function of one parameter, the argument of each call. Otherwise for each call a tuple of
                arguments by position, or a dict of arguments by name. An iterator is read as far as tasks are enqueued.
            concurrency: The most tasks that are unfinished at once. Default: all are enqueued before the first is waited
                for.
            timeout: How long to wait at most for all of them together, in seconds or as `timedelta`. Default: without
                end.
            return_exceptions: Whether the exception of a task without a value (`TaskFailed`, `CodecError`,
                `NotFoundError`) takes the place of the value. Default: false: the first one is raised.
            cancel_rest: Whether the tasks that have not ended are cancelled once a task has failed, the time is over or
                an item is refused, also if the caller itself is cancelled. No further items are enqueued then: with `return_exceptions` the list ends with the
                last one that was. Default: false.
            progress: As for `omniq.gather`; the total of an iterator is not known. Default: nothing is shown.

        Raises:
            TaskFailed: If a task ended without a value: failed, cancelled, expired or discarded.
            NotFoundError: If a task was deleted meanwhile.
            TimeoutError: If some tasks have not ended in time, also with `return_exceptions`.
            InvalidError: For an item that does not fit the function, naming the argument.
            ConfigError: If results are off, for a task of another application, or for a bar whose package is not
                installed.
        """
        options = Options(timeout, return_exceptions, cancel_rest, progress)
        return await awaited(_mapping(cast("BaseApp", self), function, items, concurrency, options))

    @overload
    def map_sync(
        self,
        function: AsyncTaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: Literal[False] = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R]: ...
    @overload
    def map_sync(
        self,
        function: AsyncTaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R | Exception]: ...
    def map_sync(
        self,
        function: AsyncTaskFunction[..., Any, ..., Any],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> Any:
        """As `map`, blocking this thread."""
        options = Options(timeout, return_exceptions, cancel_rest, progress)
        return blocked(_mapping(cast("BaseApp", self), function, items, concurrency, options))


class Maps:
    """The method of an `OmniQ`."""

    @overload
    def map_sync(
        self,
        function: TaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: Literal[False] = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R]: ...
    @overload
    def map_sync(
        self,
        function: TaskFunction[..., Any, ..., R],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> list[R | Exception]: ...
    def map_sync(
        self,
        function: TaskFunction[..., Any, ..., Any],
        items: Iterable[Any],
        *,
        concurrency: int | None = None,
        timeout: float | timedelta | None = None,
        return_exceptions: bool = False,
        cancel_rest: bool = False,
        progress: Progress = None,
    ) -> Any:
        """Enqueues a call of a task for each item, waits for them, and returns their values in the order of the items;
        see `AsyncOmniQ.map`, also for the arguments. Blocks this thread."""
        options = Options(timeout, return_exceptions, cancel_rest, progress)
        return blocked(_mapping(cast("BaseApp", self), function, items, concurrency, options))

    map = map_sync


def _mapping(
    app: BaseApp,
    function: BaseFunction[..., Any, ..., Any],
    items: Iterable[Any],
    concurrency: int | None,
    options: Options,
) -> Steps[list[Any]]:
    if not isinstance(function, BaseFunction):
        raise refused("function", function, "give a task of this application", is_shown=False)
    if function.app is not app:
        raise ConfigError(f"{function} belongs to another application: call the method map of that one")
    if function._connection is not None:
        raise InvalidError(
            f"map cannot enqueue {function} with connection=…: its tasks would wait for your transaction; commit first"
        )
    if concurrency is not None:
        a_number(concurrency, "concurrency", 1)
    total = len(items) if isinstance(items, Sized) else None
    if isinstance(items, str | bytes | dict) or not isinstance(items, Iterable):
        # Refused there.
        several(items, "items", "items")
    calls = iter(items)
    with options.bar(total) as report:
        yield from told(report, 0)
        work = Collected(app, options, report)
        try:
            while True:
                if work.is_cancelled:
                    calls = iter(())
                room = _CHUNK if concurrency is None else min(_CHUNK, concurrency - work.unfinished)
                part = list(islice(calls, room))
                if part:
                    yield from _enqueued(app, function, part, work, options)
                elif not (yield from work.step()):
                    return work.values
        except BaseException as error:
            yield from work.given_up(error)
            raise


def _enqueued(
    app: BaseApp, function: BaseFunction[..., Any, ..., Any], calls: list[Any], work: Collected, options: Options
) -> Steps[None]:
    ids = yield Enqueue(function, calls, len(work.values), options.cancels_rest)
    work.add(BaseHandle(function, id) for id in ids)
    if app._eager is not None:
        try:
            yield Enqueued(app, ids)
        except TaskFailed:
            # Its result says the same.
            if not options.returns_exceptions:
                raise
