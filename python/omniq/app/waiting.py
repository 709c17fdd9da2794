"""Waits for many tasks: `gather` for all their values, `as_completed` for each task as it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Iterator
from datetime import timedelta
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload
from uuid import UUID

from omniq import _omniq
from omniq._checks import refused, several
from omniq._loop import run, wait_for_runs
from omniq.app.callables import is_coroutine
from omniq.app.collect import Collected, Options
from omniq.app.handle import AsyncHandle, BaseHandle, End, Handle, limit, refuse_endless
from omniq.app.progress import Progress, bar_of
from omniq.app.steps import Steps, awaited, blocked, refuse_awaitable, told
from omniq.errors import InvalidError, NotFoundError
from omniq.models import TaskResult

__all__ = ["as_completed", "as_completed_sync", "gather", "gather_sync"]

R = TypeVar("R")
H = TypeVar("H", bound=BaseHandle[Any])

#: What a wait has found: results, and the errors of tasks that have left none.
_Found: TypeAlias = tuple[list[TaskResult], dict[UUID, NotFoundError]]


@overload
def gather(
    *handles: AsyncHandle[R] | Iterable[AsyncHandle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: Literal[False] = False,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> Coroutine[Any, Any, list[R]]: ...
@overload
def gather(
    *handles: AsyncHandle[R] | Iterable[AsyncHandle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: bool,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> Coroutine[Any, Any, list[R | Exception]]: ...
@overload
def gather(
    *handles: Handle[R] | Iterable[Handle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: Literal[False] = False,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> list[R]: ...
@overload
def gather(
    *handles: Handle[R] | Iterable[Handle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: bool,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> list[R | Exception]: ...
def gather(
    *handles: Any,
    timeout: float | timedelta | None = None,
    return_exceptions: bool = False,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> Any:
    """Waits for many tasks, and returns their values in the order of the handles: ``await gather(handles)`` for those of
    an `AsyncOmniQ`, ``gather(handles)`` for those of an `OmniQ`.

    The results of many tasks are read in one query. For a task that does not exist, or whose result has expired or was
    deleted, it waits until the timeout is over.

    Args:
        handles: The handles, of one application: as arguments, or as a list or another iterable.
        timeout: How long to wait at most for all of them together, in seconds or as `timedelta`. Default: without end.
        return_exceptions: Whether the exception of a task without a value (`TaskFailed`, `CodecError`, `NotFoundError`)
            takes the place of the value. Default: false: the first one is raised, and the other tasks go on.
        cancel_rest: Whether the tasks that have not ended are cancelled, as by ``handle.cancel()``, once a task has
            failed, the time is over, or the caller itself is cancelled. Default: false.
        progress: ``True`` shows a bar of the package tqdm, or of rich if tqdm is not installed; ``"tqdm"`` or
            ``"rich"`` names one. A function is called with the numbers ``(done, total)``, at the beginning and whenever
            tasks have ended; an async one is awaited, and refused by blocking calls. Default: nothing is shown.

    Raises:
        TaskFailed: If a task ended without a value: failed, cancelled, expired or discarded.
        CodecError: If a value does not fit the annotation of its function.
        TimeoutError: If some tasks have not ended in time, also with `return_exceptions`.
        NotFoundError: If a task was deleted meanwhile, or has ended where no results are kept.
        InvalidError: For handles of different kinds or applications.
        ConfigError: If results are off, or for a bar whose package is not installed.
    """
    given = _given(handles)
    options = Options(timeout, return_exceptions, cancel_rest, progress)
    if not given:
        return _Nothing()
    steps = _gathering(given, options)
    return awaited(steps) if isinstance(given[0], AsyncHandle) else blocked(steps)


@overload
def gather_sync(
    *handles: BaseHandle[R] | Iterable[BaseHandle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: Literal[False] = False,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> list[R]: ...
@overload
def gather_sync(
    *handles: BaseHandle[R] | Iterable[BaseHandle[R]],
    timeout: float | timedelta | None = None,
    return_exceptions: bool,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> list[R | Exception]: ...
def gather_sync(
    *handles: Any,
    timeout: float | timedelta | None = None,
    return_exceptions: bool = False,
    cancel_rest: bool = False,
    progress: Progress = None,
) -> Any:
    """Waits for many tasks, blocking this thread, and returns their values in the order of the handles, of either kind;
    see `gather`, also for the arguments."""
    given = _given(handles)
    options = Options(timeout, return_exceptions, cancel_rest, progress)
    return blocked(_gathering(given, options)) if given else []


@overload
def as_completed(
    *handles: AsyncHandle[R] | Iterable[AsyncHandle[R]],
    timeout: float | timedelta | None = None,
    progress: Progress = None,
) -> AsyncIterator[AsyncHandle[R]]: ...
@overload
def as_completed(
    *handles: Handle[R] | Iterable[Handle[R]],
    timeout: float | timedelta | None = None,
    progress: Progress = None,
) -> Iterator[Handle[R]]: ...
def as_completed(*handles: Any, timeout: float | timedelta | None = None, progress: Progress = None) -> Any:
    """Gives the handles of many tasks as the tasks end, those that have ended at once: ``async for handle in
    as_completed(handles)`` for those of an `AsyncOmniQ`, ``for handle in as_completed(handles)`` for those of an `OmniQ`.

    A handle that it gives keeps the result: its ``result()`` needs no query. It raises `TaskFailed` if the task ended
    without a value, and `NotFoundError` if it was deleted meanwhile. Neither ends the iteration.

    Args:
        handles: The handles, of one application: as arguments, or as a list or another iterable.
        timeout: How long to wait at most for all of them together, from now, in seconds or as `timedelta`. Default:
            without end.
        progress: As for `gather`. Default: nothing is shown.

    Raises:
        TimeoutError: If some tasks have not ended in time.
        InvalidError: For handles of different kinds or applications.
        ConfigError: If results are off, or for a bar whose package is not installed.
    """
    ends: _Ends[Any] = _Ends(_given(handles), timeout, progress)
    if not ends.handles:
        return _Nothing()
    return _each(ends) if isinstance(ends.handles[0], AsyncHandle) else _each_sync(ends)


def as_completed_sync(
    *handles: H | Iterable[H], timeout: float | timedelta | None = None, progress: Progress = None
) -> Iterator[H]:
    """Gives the handles of many tasks, of either kind, as the tasks end, blocking this thread; see `as_completed`."""
    return _each_sync(_Ends(_given(handles), timeout, progress))


def _given(handles: tuple[Any, ...]) -> list[Any]:
    """The handles, after a check that one wait can serve them."""
    given: list[Any] = []
    for one in handles:
        if isinstance(one, BaseHandle) or is_coroutine(one):
            given.append(one)
        else:
            given.extend(several(one, "handles", "handles"))
    coroutines = [place for place, one in enumerate(given) if is_coroutine(one)]
    if coroutines:
        for place in coroutines:
            # Python need not warn of it as well.
            getattr(given[place], "close", lambda: None)()
        raise InvalidError(
            f"handles[{coroutines[0]}] is a coroutine: give the handle that it returns, such as gather(await f.enqueue(1))"
        )
    for place, one in enumerate(given):
        if not isinstance(one, BaseHandle):
            raise refused(f"handles[{place}]", one, "give the handles that enqueue returned", is_shown=False)
        if type(one) is not type(given[0]):
            raise InvalidError(f"handles[{place}] = {one!r} is refused beside {given[0]!r}: give handles of one kind")
        if one._source._application() is not given[0]._source._application():
            raise InvalidError(
                f"handles[{place}] = {one!r} is refused beside {given[0]!r}: wait for the tasks of each application by itself"
            )
    return given


def _gathering(handles: list[BaseHandle[Any]], options: Options) -> Steps[list[Any]]:
    with options.bar(len(handles)) as report:
        yield from told(report, 0)
        work = Collected(handles[0]._source._application(), options, report)
        work.add(handles)
        try:
            while (yield from work.step()):
                pass
        except BaseException as error:
            yield from work.given_up(error)
            raise
        return work.values


class _Ends(Generic[H]):
    """The handles whose tasks have not ended."""

    def __init__(self, handles: list[H], timeout: float | timedelta | None, progress: Progress) -> None:
        self.handles = handles
        self.bar = bar_of(progress)
        #: How many tasks have ended.
        self.ended = 0
        self._by_id: dict[UUID, list[H]] = {}
        for handle in handles:
            self._by_id.setdefault(handle.id, []).append(handle)
        self._added = list(self._by_id)
        span = limit(timeout)
        self._waiting: _omniq.WaitMany | None = None
        if handles:
            app = handles[0]._source._application()
            refuse_endless(app, self._added, timeout)
            self._waiting = app._core.wait_many(span)

    def next(self) -> _omniq.Pending[_Found] | None:
        """Waits for some of the tasks; ``None`` without handles."""
        added, self._added = self._added, []
        return None if self._waiting is None else self._waiting.next(added)

    def of(self, found: _Found) -> list[H]:
        """The handles of tasks that have ended; none if all of them have been given."""
        results, without = found
        ended: dict[UUID, End] = {result.task_id: result for result in results} | without
        made = []
        for id, end in ended.items():
            for handle in self._by_id.pop(id, ()):
                handle._ended = end
                made.append(handle)
        self.ended += len(made)
        return made


async def _each(ends: _Ends[H]) -> AsyncIterator[H]:
    with ends.bar(len(ends.handles)) as report:
        await awaited(told(report, 0))
        while (step := ends.next()) is not None and (handles := ends.of(await run(step))):
            await awaited(told(report, ends.ended))
            for handle in handles:
                yield handle


def _each_sync(ends: _Ends[H]) -> Iterator[H]:
    with ends.bar(len(ends.handles)) as report:
        refuse_awaitable(report(0))
        while (step := ends.next()) is not None and (handles := ends.of(wait_for_runs(step))):
            refuse_awaitable(report(ends.ended))
            yield from handles


class _Nothing(list[Any]):
    """What waiting for no handles gives, whose kind is unknown: an empty list, awaited or not."""

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return []
        yield

    async def __aiter__(self) -> AsyncIterator[Any]:
        for one in self:
            yield one
