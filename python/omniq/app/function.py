"""Functions that are tasks: they can be called, or enqueued."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, Protocol, TypeVar
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_flag, a_text_or_none, an_id_or_text, check_options, several
from omniq._equivalents import FUNCTION, missing
from omniq._loop import run, wait
from omniq.app.arguments import Arguments
from omniq.app.around_enqueue import around, around_sync
from omniq.app.call_plan import CallPlan
from omniq.app.callables import Wait, inner, is_async, name_of
from omniq.app.handle import AsyncHandle, Handle
from omniq.app.options import CallOptions, TaskOptions
from omniq.app.rules import RULES, Rules
from omniq.app.runners import AsyncRunner, Runner, async_runner, runner
from omniq.app.signature import Signature
from omniq.app.values import Value, reader
from omniq.errors import ConfigError, InvalidError, OmniQError, of_kind
from omniq.models import NewTask
from omniq.transaction import enqueue_in, enqueue_in_sync
from omniq.transaction.send import InTest

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from omniq.app.base import BaseApp

__all__ = ["AsyncTaskFunction", "TaskFunction"]

#: `Q` and `S`: the parameters and the return type of the plain call; `P`: the parameters of `enqueue`; `R`: the value
#: of a run.
Q = ParamSpec("Q")
S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


class BaseFunction(Generic[Q, S, P, R]):
    """A function that is a task. A call of it is a plain call of the function."""

    __name__: str
    __qualname__: str
    #: The name under which workers find it.
    name: str
    #: The function itself.
    function: Callable[Q, S]
    #: Whether it is an ``async def`` function.
    is_async: bool

    def __init__(
        self, owner: Owner, function: Callable[Q, S], options: TaskOptions, namespace: dict[str, Any] | None
    ) -> None:
        # The attributes of a callable object are not copied.
        functools.update_wrapper(self, function, updated=("__dict__",) if inspect.isroutine(function) else ())
        self._owner = owner
        self.function = function
        self.is_async = is_async(function)
        settings: dict[str, Any] = dict(options)
        check_options(settings, TaskOptions.__annotations__, "a task")
        called = inner(function) if callable(function) else None
        if called is None or inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise ConfigError(f"{function!r} is no task: give a def or async def function that yields nothing")
        name = a_text_or_none(settings.pop("name", None), "name")
        if name == "":
            raise InvalidError("the task's name is empty: give it 1 to 128 bytes")
        self.name = name_of(function) if name is None else name
        self.process: bool = a_flag(settings.pop("process", False), "process")
        if self.process and self.is_async:
            raise ConfigError(f"task {self.name}: process=True is for def functions, and this one is async")
        self._own = settings
        self._namespace = namespace
        self._connection: Any = None
        self._bound: _Bound | None = None
        self._shared = _Shared()
        self._check()
        self._rules()
        self._refuse_early()

    @property
    def app(self) -> BaseApp:
        """The application that it belongs to.

        Raises:
            ConfigError: If it belongs to a group that no application includes.
        """
        return self._owner._application()

    # The following are made at first use, so that annotations may name what is defined later.

    @property
    def signature(self) -> Signature:
        """The parameters, sorted by the source of their arguments."""
        return self._once("signature", lambda: Signature(self.function, self._namespace))  # type: ignore[no-any-return]

    def _refuse_early(self) -> None:
        """Refuses at its definition a function that no worker could call."""
        try:
            signature = self.signature
        except ConfigError as error:
            if isinstance(error.__cause__, NameError):
                # An annotation names what is defined later.
                return
            raise
        codec = self._options().get("codec") or "json"
        for parameter in signature.parameters:
            try:
                reader(parameter.type, codec)
            except ConfigError as error:
                raise ConfigError(f"parameter {parameter.name} of task {self.name}: {error.message}") from error

    @property
    def arguments(self) -> Arguments:
        """Encodes and decodes the arguments."""
        allow = self.app.allow_pickle
        return self._once(f"arguments {allow}", lambda: Arguments(self.name, self.signature, allow))  # type: ignore[no-any-return]

    @property
    def returns(self) -> Value:
        """Encodes and decodes the value of a run."""
        allow = self.app.allow_pickle
        return self._once(f"returns {allow}", lambda: Value(self.signature.returns, allow))  # type: ignore[no-any-return]

    def plan(self, lasting: Mapping[Any, Any]) -> CallPlan:
        """The plan of its runs, with the middleware that the application has at this time. `lasting`: the values of the
        worker's scope."""
        app = self.app
        return CallPlan(
            self.function,
            self.signature,
            app._middleware,
            app.dependency_overrides,
            self._rules(),
            lasting,
            app._test,
        )

    def _options(self) -> dict[str, Any]:
        """Its options, those of its owner included."""
        return {**self._owner._defaults_of(self.name), **self._own}

    def _rules(self) -> Rules:
        return Rules(self._options())

    def make_runner(self, plan: CallPlan, wait: Wait) -> Runner:
        """The runner of a ``def`` function. `wait` awaits its middleware and dependencies that are async."""
        return runner(plan, self.arguments, self.returns, wait)

    def make_async_runner(self, plan: CallPlan) -> AsyncRunner:
        """The runner of an ``async def`` function."""
        return async_runner(plan, self.arguments, self.returns)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        made = self._shared.made
        if name not in made:
            with self._shared.lock:
                if name not in made:
                    made[name] = make()
        return made[name]

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> S:
        """Calls the function in this process; nothing is enqueued."""
        return self.function(*args, **kwargs)

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """The same task with other options: ``f.with_options(delay=60).enqueue(1)``.

        Args:
            id (UUID): The id of the task. An id that is in use is refused (`DuplicateError`). Default: a new one.
            queue (str): The queue. Default: the function's.
            priority (int): Tasks of higher priority are claimed first: -32768 to 32767. Default: the function's.
            run_at (datetime): The earliest start time, with a time zone. Refused together with `delay`. Default: at
                once.
            delay (float | timedelta): The earliest start, as a span from now in seconds or as `timedelta`. Refused
                together with `run_at`. Default: at once.
            ttl (float | timedelta | None): The task expires if no worker has begun it within this span, in seconds or
                as `timedelta`, from the later of creation and start time. ``None``: no end. Default: the function's.
            max_retries (int): How many times the task may be retried if it fails, 0 to 1,000,000. Default: the
                function's.
            backoff (Backoff): The wait before a retry. Default: the function's.
            timeout (float | timedelta | None): The longest that one run may take, in seconds or as `timedelta`.
                ``None``: no limit. Default: the function's.
            metadata (dict[str, Any]): A dict that travels with the task, in place of the function's. Default: the
                function's.
            codec (str): The codec of arguments and value. Default: the function's.
            connection (Any): Your open connection, in whose transaction the task is enqueued: of asyncpg, psycopg,
                SQLAlchemy or Django. Default: none; the task is enqueued in its own transaction.

        Raises:
            ConfigError: For an option that does not exist.
            InvalidError: For a bad value of an option.
        """
        check_options(options, CallOptions.__annotations__, "an enqueue")
        # Not copy.copy, which does not copy objects that are pickled by name.
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        given: dict[str, Any] = dict(options)
        made._connection = given.pop("connection", self._connection)
        # `run_at` and `delay` set the same value: the later one wins.
        kept = dict(self._own)
        for one, other in (("run_at", "delay"), ("delay", "run_at")):
            if given.get(one) is not None:
                kept.pop(other, None)
        made._own = {**kept, **given}
        made._bound = None
        made._check()
        return made

    def _template(self, default_codec: str) -> tuple[str, _omniq.Template]:
        # `None` stands for the library's default, also where the owner has another.
        options = {name: value for name, value in self._options().items() if value is not None and name not in RULES}
        codec = a_text_or_none(options.pop("codec", None), "codec") or default_codec
        return codec, _omniq.Template(NewTask(self.name, **options), codec)

    def _check(self) -> None:
        """Refuses bad options where they are written, also before the application is known."""
        if self._owner._is_included():
            self._now()
        else:
            self._template("json")

    def _now(self) -> _Bound:
        """What the options come to in the present application."""
        app, bound = self.app, self._bound
        if bound is None or bound.app is not app:
            bound = self._bound = _Bound(app, *self._template(app.codec))
        return bound

    def queue_name(self) -> str:
        """The queue of its tasks."""
        queue: str = self._options().get("queue") or "default"
        return queue

    def _enqueue(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _omniq.Pending[UUID]:
        app, codec, template = self._now()
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
        app, _, template = self._now()
        return template.enqueue_many(app._core, self._written(calls, first))

    def _new_tasks(self, written: list[bytes]) -> tuple[_omniq.Backend, _omniq.NewTasks, InTest | None]:
        """These calls as tasks, for an enqueue with the user's transaction."""
        app, _, template = self._now()
        return app._core, template.new_tasks(written), app._test

    def _enqueue_sync(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
        if self.app._enqueue_middleware:
            id = around_sync(self, 1, lambda made: [made._write_sync(args, kwargs)])[0]
        else:
            id = self._write_sync(args, kwargs)
        self.app._enqueued_sync([id])
        return id

    def _write_sync(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UUID:
        if self._connection is None:
            return wait(self._enqueue(args, kwargs))
        written = [self.arguments.write(args, kwargs, self._now().codec)]
        return enqueue_in_sync(self._connection, *self._new_tasks(written))[0]

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
        if self._connection is None:
            return wait(self._enqueue_many(calls, first))
        return enqueue_in_sync(self._connection, *self._new_tasks(self._written(calls, first)))

    async def _write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[UUID]:
        if self._connection is None:
            return [await run(self._enqueue(args, kwargs))]
        written = [self.arguments.write(args, kwargs, self._now().codec)]
        return await enqueue_in(self._connection, *self._new_tasks(written))

    async def _ids(self, calls: Iterable[Any], first: int = 0) -> list[UUID]:
        """As `_ids_sync`, on the event loop."""
        if self.app._enqueue_middleware:
            given = several(calls, "calls", "calls")
            return await around(self, len(given), lambda made: made._write_many(given, first))
        return await self._write_many(calls, first)

    async def _write_many(self, calls: Iterable[Any], first: int) -> list[UUID]:
        if self._connection is None:
            return await run(self._enqueue_many(calls, first))
        return await enqueue_in(self._connection, *self._new_tasks(self._written(calls, first)))

    # For its handles.

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


class Owner(Protocol):
    """What a function belongs to: an application, or a group that an application includes."""

    def _application(self) -> BaseApp: ...

    def _is_included(self) -> bool: ...

    def _defaults_of(self, name: str) -> dict[str, Any]:
        """The options of a function with this name that has none of its own."""
        ...

    def _reduced(self, function: Any, place: str, /) -> Any:
        """The answer of a task's ``__reduce__``; `place` is the function's name in its module."""


class _Bound(NamedTuple):
    """What a function's options come to in an application."""

    app: BaseApp
    codec: str
    template: _omniq.Template


class _Shared:
    """The values that a function shares with its copies with other options."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.lock = threading.RLock()


class TaskFunction(BaseFunction[Q, S, P, R]):
    """A task of an `OmniQ`: enqueued by blocking calls, from any thread."""

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Adds a task with these arguments. The task is durable once this returns. Blocks this thread.

        Raises:
            InvalidError: For arguments that do not fit the function, naming the argument; nothing is written then.
            DuplicateError: If the id is in use; nothing is written then.
            UnavailableError: If the server cannot be reached.
        """
        return Handle(self, self._enqueue_sync(args, kwargs))

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Adds a task for each of these calls, all or none; see `AsyncTaskFunction.enqueue_many`. Blocks the thread."""
        return [Handle(self, id) for id in self._enqueue_many_sync(calls)]

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
        return AsyncHandle(self, ids[0])

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
        return [AsyncHandle(self, id) for id in ids]

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> AsyncHandle[R]:
        """Adds a task, blocking this thread; see `enqueue`."""
        return AsyncHandle(self, self._enqueue_sync(args, kwargs))

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[AsyncHandle[R]]:
        """Adds tasks, blocking this thread; see `enqueue_many`."""
        return [AsyncHandle(self, id) for id in self._enqueue_many_sync(calls)]

    def handle(self, id: UUID | str) -> AsyncHandle[R]:
        """The handle of a task of this function that was enqueued before, by its id or the id's text."""
        return AsyncHandle(self, an_id_or_text(id))
