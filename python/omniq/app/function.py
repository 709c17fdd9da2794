"""Functions that are tasks: they can be called, or enqueued."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from omniq import _omniq
from omniq._checks import an_id_or_text, several
from omniq._equivalents import FUNCTION, missing
from omniq._loop import run, wait
from omniq.app.arguments import Call
from omniq.app.around_enqueue import around, around_sync
from omniq.app.definition import Definition, P, Q, R, S
from omniq.app.handle import AsyncHandle, Handle
from omniq.app.keys import key_of
from omniq.app.values import Value
from omniq.errors import InvalidError, OmniQError, of_kind
from omniq.models import NewTask, Payload
from omniq.models.unique import EnqueuedId
from omniq.transaction import enqueue_in, enqueue_in_sync

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["AsyncTaskFunction", "BaseFunction", "TaskFunction"]


class Batch(NamedTuple):
    """Calls that are enqueued together."""

    #: Their arguments.
    written: list[bytes]
    #: Their keys, if the tasks are unique by their arguments.
    keys: list[str] | None


class BaseFunction(Definition[Q, S, P, R]):
    """A function that is a task, and how its tasks are written."""

    def _enqueue(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _omniq.Pending[UUID]:
        app, codec, template, _ = self._now()
        return template.enqueue(app._core, self.arguments.write(args, kwargs, codec))

    def _written(self, calls: Iterable[Any], first: int = 0) -> list[bytes]:
        arguments = self.arguments
        written: list[bytes] = []
        codec = self._now().codec
        quick = arguments.quick_writer(codec)
        call: Any = None
        try:
            for call in several(calls, "calls", "calls"):
                data = quick(call)
                written.append(arguments.write(*arguments.unpack(call), codec) if data is None else data)
        except OmniQError as error:
            if not error.message.startswith("task "):
                raise
            # The number of the call is added, because its arguments do not show which of several calls it is.
            words = f"calls[{first + len(written)}] of {error.message}{arguments.hint(call)}"
            raise of_kind(error.kind, words) from error.__cause__
        return written

    def _enqueue_many(self, calls: Iterable[Any], first: int = 0) -> _omniq.Pending[list[UUID]]:
        """The enqueue of these calls; `first` is the number of the first one in messages."""
        app, _, template, _ = self._now()
        return template.enqueue_many(app._core, self._written(calls, first))

    def _keys(self, calls: Iterable[Call]) -> list[str] | None:
        """The keys of these calls of a unique task; ``None``: the options name the key, or it is not unique."""
        unique, arguments = self.unique, self.arguments
        if unique is None or unique.key is not None:
            return None
        return [key_of(arguments, call, unique.args) for call in calls]

    def _one(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Batch:
        return Batch([self.arguments.write(args, kwargs, self._now().codec)], self._keys([(args, kwargs)]))

    def _many(self, calls: Iterable[Any], first: int) -> Batch:
        given = several(calls, "calls", "calls")
        return Batch(self._written(given, first), self._keys(map(self.arguments.unpack, given)))

    @property
    def _is_plain(self) -> bool:
        """Whether its tasks are enqueued in their own transaction, and are not unique."""
        return self._connection is None and self.unique is None

    def _enqueue_sync(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
        if self.app._enqueue_middleware:
            id = around_sync(self, 1, lambda made: [made._write_sync(args, kwargs)])[0]
        else:
            id = self._write_sync(args, kwargs)
        self.app._enqueued_sync([id])
        return id

    def _write_sync(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
        if self._is_plain:
            return wait(self._enqueue(args, kwargs))
        return self._send_sync(self._one(args, kwargs))[0]

    def _send_sync(self, batch: Batch) -> list[UUID]:
        app, _, template, _ = self._now()
        if self._connection is not None:
            return enqueue_in_sync(self._connection, app._core, template.new_tasks(*batch), app._test)
        return [EnqueuedId(one) for one in wait(template.enqueue_unique(app._core, *batch))]

    def _enqueue_many_sync(self, calls: Iterable[Any]) -> list[UUID]:
        ids = self._ids_sync(calls)
        self.app._enqueued_sync(ids)
        return ids

    def _ids_sync(self, calls: Iterable[Any], first: int = 0) -> list[UUID]:
        """Writes a task for each call, within the middleware. `first`: the number of the first call in messages."""
        if self.app._enqueue_middleware:
            given = several(calls, "calls", "calls")
            return around_sync(self, len(given), lambda made: made._write_many_sync(given, first))
        return self._write_many_sync(calls, first)

    def _write_many_sync(self, calls: Iterable[Any], first: int) -> list[UUID]:
        if self._is_plain:
            return wait(self._enqueue_many(calls, first))
        return self._send_sync(self._many(calls, first))

    async def _write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[UUID]:
        if self._is_plain:
            return [await run(self._enqueue(args, kwargs))]
        return await self._send(self._one(args, kwargs))

    async def _send(self, batch: Batch) -> list[UUID]:
        app, _, template, _ = self._now()
        if self._connection is not None:
            return await enqueue_in(self._connection, app._core, template.new_tasks(*batch), app._test)
        return [EnqueuedId(one) for one in await run(template.enqueue_unique(app._core, *batch))]

    async def _ids(self, calls: Iterable[Any], first: int = 0) -> list[UUID]:
        """As `_ids_sync`, on the event loop."""
        if self.app._enqueue_middleware:
            given = several(calls, "calls", "calls")
            return await around(self, len(given), lambda made: made._write_many(given, first))
        return await self._write_many(calls, first)

    async def _write_many(self, calls: Iterable[Any], first: int) -> list[UUID]:
        if self._is_plain:
            return await run(self._enqueue_many(calls, first))
        return await self._send(self._many(calls, first))

    def _task_of_schedule(self, args: Any) -> NewTask:
        """The task that a schedule enqueues, with these arguments, which are given as for one call of ``enqueue_many``; ``None``:
        without arguments."""
        if self._connection is not None:
            raise InvalidError(
                f"a schedule of {self} cannot be saved with connection=…: it is saved in a transaction of its own; leave it out"
            )
        codec, task = self._new_task(self.app.codec)
        arguments = self.arguments
        by_place, by_name = ((), {}) if args is None else arguments.unpack(args)
        try:
            data = arguments.write(by_place, by_name, codec)
        except OmniQError as error:
            raise of_kind(error.kind, f"{error.message}{arguments.hint(args)}") from error.__cause__
        unique = task.unique
        if unique is not None and unique.key is None:
            unique = unique.replace(key=key_of(arguments, (by_place, by_name), unique.args), args=None)
        return task.replace(args=Payload(codec, data), unique=unique)

    # For its handles.

    def _func_name(self) -> str | None:
        return self.name

    def _application(self) -> BaseApp:
        return self.app

    def _returns_of(self, _func: str) -> Value:
        return self.returns

    def _by_name(self) -> BaseFunction[..., Any, ..., Any]:
        # A copy with other options has no name in a module.
        return self.app.functions.get(self.name, self)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise missing(self, name, FUNCTION)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def __reduce__(self) -> Any:
        # Pickled by its name in its module, as functions are.
        return self._owner._reduced(self.function, getattr(self.function, "__qualname__", self.name))


class TaskFunction(BaseFunction[Q, S, P, R]):
    """A task of an `OmniQ`: enqueued by blocking calls, from any thread."""

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Adds a task with these arguments. The task is durable once this returns. Blocks this thread.

        Raises:
            InvalidError: For arguments that do not fit the function, naming the argument; nothing is written then.
            DuplicateError: If the id is in use; nothing is written then.
            UnavailableError: If the server cannot be reached.
        """
        return Handle(self, self._enqueue_sync(args, kwargs), "new")

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Adds a task for each of these calls, all or none; see `AsyncTaskFunction.enqueue_many`. Blocks the thread."""
        return [Handle(self, id, "new") for id in self._enqueue_many_sync(calls)]

    enqueue = enqueue_sync
    enqueue_many = enqueue_many_sync

    def handle(self, id: UUID | str) -> Handle[R]:
        """The handle of a task of this function that was enqueued before, by its id or the id's text."""
        return Handle(self, an_id_or_text(id))


class AsyncTaskFunction(BaseFunction[Q, S, P, R]):
    """A task of an `AsyncOmniQ`: enqueued on an event loop, or by blocking calls with ``_sync`` names."""

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]:
        """Adds a task with these arguments. The task is durable once this returns.

        Calls that arrive while one is under way are sent together in the next statement; each returns once its own task
        is durable.

        Raises:
            InvalidError: For arguments that do not fit the function, naming the argument; nothing is written then.
            DuplicateError: If the id is in use; nothing is written then.
            UnavailableError: If the server cannot be reached.
        """
        if self.app._enqueue_middleware:
            ids = await around(self, 1, lambda made: made._write(args, kwargs))
        else:
            ids = await self._write(args, kwargs)
        if self.app._eager is not None:
            await self.app._enqueued(ids)
        return AsyncHandle(self, ids[0], "new")

    async def enqueue_many(self, calls: Iterable[Any]) -> list[AsyncHandle[R]]:
        """Adds a task for each of these calls, all or none, far faster than one by one.

        Args:
            calls: For a function of one parameter, the argument of each call. Otherwise for each call a tuple of
                arguments by position, or a dict of arguments by name.

        Raises:
            OmniQError: As for `enqueue`; one bad call refuses all.
        """
        ids = await self._ids(calls)
        if self.app._eager is not None:
            await self.app._enqueued(ids)
        return [AsyncHandle(self, id, "new") for id in ids]

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]:
        """Adds a task, blocking this thread; see `enqueue`."""
        return AsyncHandle(self, self._enqueue_sync(args, kwargs), "new")

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[AsyncHandle[R]]:
        """Adds tasks, blocking this thread; see `enqueue_many`."""
        return [AsyncHandle(self, id, "new") for id in self._enqueue_many_sync(calls)]

    def handle(self, id: UUID | str) -> AsyncHandle[R]:
        """The handle of a task of this function that was enqueued before, by its id or the id's text."""
        return AsyncHandle(self, an_id_or_text(id))
