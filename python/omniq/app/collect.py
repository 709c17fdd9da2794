"""The values of many tasks, in order, as they come: the work that `omniq.gather` and ``app.map`` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq._checks import a_flag
from omniq.app.exceptions import TaskFailed
from omniq.app.handle import BaseHandle, End, limit, refuse_endless
from omniq.app.progress import Bar, Progress, bar_of
from omniq.app.steps import Anyway, Steps, told
from omniq.errors import OmniQError

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["Collected", "Options"]

#: The most tasks that one call cancels.
_CANCELLED = 1_000


class Options:
    """The checked options of a call that collects values."""

    def __init__(
        self, timeout: float | timedelta | None, return_exceptions: bool, cancel_rest: bool, progress: Progress
    ) -> None:
        self.given, self.timeout = timeout, limit(timeout)
        self.returns_exceptions = a_flag(return_exceptions, "return_exceptions")
        self.cancels_rest = a_flag(cancel_rest, "cancel_rest")
        self.bar: Bar = bar_of(progress)


class Collected:
    """The values that have come, and the tasks that have not ended."""

    def __init__(self, app: BaseApp, options: Options, report: Callable[[int], object]) -> None:
        self.values: list[Any] = []
        self._handles: list[BaseHandle[Any]] = []
        #: The places of the values of the tasks that have not ended.
        self._places: dict[UUID, list[int]] = {}
        self._added: list[UUID] = []
        self._ended = 0
        self.is_cancelled = False
        self._app, self._options, self._report = app, options, report
        self._waiting = app._core.wait_many(options.timeout)

    @property
    def unfinished(self) -> int:
        """How many tasks have not ended."""
        return len(self._places)

    def add(self, handles: Iterable[BaseHandle[Any]]) -> None:
        """Collects the values of these tasks too."""
        for handle in handles:
            self._places.setdefault(handle.id, []).append(len(self.values))
            self._added.append(handle.id)
            self._handles.append(handle)
            self.values.append(None)

    def step(self) -> Steps[bool]:
        """Waits for some of the tasks. Returns false if all have ended.

        Raises:
            TaskFailed, CodecError, NotFoundError: For a task without a value, unless exceptions are returned.
            TimeoutError: If some have not ended in time.
        """
        added, self._added = self._added, []
        refuse_endless(self._app, added, self._options.given)
        results, without = yield self._waiting.next(added)
        ended: dict[UUID, End] = {result.task_id: result for result in results} | without
        has_failed = False
        for id, end in ended.items():
            for place in self._places.pop(id, ()):
                self._ended += 1
                try:
                    self.values[place] = self._handles[place]._value(end)
                except (TaskFailed, OmniQError) as error:
                    if not self._options.returns_exceptions:
                        raise
                    self.values[place] = error
                    has_failed = True
        if ended:
            yield from told(self._report, self._ended)
        if has_failed and self._options.cancels_rest and not self.is_cancelled:
            yield from self._cancel()
        return bool(ended)

    def given_up(self, error: BaseException) -> Steps[None]:
        """What follows an error that ends the call, or its cancel: the rest is cancelled if that was asked for."""
        # A generator that is closed cannot wait any more.
        if not self._options.cancels_rest or isinstance(error, GeneratorExit):
            return
        try:
            yield Anyway(self._cancel())
        except OmniQError as other:
            raise error from other

    def _cancel(self) -> Steps[None]:
        self.is_cancelled = True
        for ids in _parts(list(self._places)):
            yield self._app._core.cancel_many(ids)


def _parts(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), _CANCELLED):
        yield ids[start : start + _CANCELLED]
