"""What a task is by its definition: its function, its signature, its options, and what these come to in an application."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

from omniq import _omniq
from omniq._checks import a_flag, a_text_or_none, check_options
from omniq.app.arguments import Arguments
from omniq.app.call_plan import CallPlan
from omniq.app.callables import Wait, inner, is_async, name_of
from omniq.app.callbacks import CALLBACKS, callbacks_of, hooks_of, starting
from omniq.app.options import OF_CALL, CallOptions, TaskOptions
from omniq.app.rules import RULES, Rules
from omniq.app.runners import AsyncRunner, Runner, async_runner, runner
from omniq.app.signature import Signature
from omniq.app.timings import schedule_of, taken_out
from omniq.app.values import Value, reader
from omniq.errors import ConfigError, InvalidError
from omniq.models import NewTask, Unique
from omniq.models.after import ids_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from omniq.app.base import BaseApp

__all__ = ["Definition", "Owner", "P", "Q", "R", "S"]

#: `Q` and `S`: the parameters and the return type of the plain call; `P`: the parameters of `enqueue`; `R`: the value
#: of a run.
Q = ParamSpec("Q")
S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


class Definition(Generic[Q, S, P, R]):
    """The definition of a task. A call of it is a plain call of the function."""

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
        check_options(settings, TaskOptions.__annotations__, "a task", of_call=OF_CALL)
        called = inner(function) if callable(function) else None
        if isinstance(function, str):
            raise ConfigError(
                f"{function!r} is no function: give options by their names, such as task(name={function!r})"
            )
        if inspect.isclass(function):
            raise ConfigError(f"{function!r} is a class, and no task: give a function, or an object with __call__")
        if called is None or inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise ConfigError(f"{function!r} is no task: give a def or async def function that yields nothing")
        name = a_text_or_none(settings.pop("name", None), "name")
        if name == "":
            raise InvalidError("the task's name is empty: give it 1 to 128 bytes")
        self.name = name_of(function) if name is None else name
        self.process: bool = a_flag(settings.pop("process", False), "process")
        if self.process and self.is_async:
            raise ConfigError(f"task {self.name}: process=True is for def functions, and this one is async")
        #: The options of its own schedule; none: it has no schedule.
        self._schedule = taken_out(settings)
        self._own = settings
        self._namespace = namespace
        self._connection: Any = None
        self._bound: _Bound | None = None
        self._shared = _Shared()
        self._check()
        self._rules()
        if self._schedule:
            schedule_of(self.name, NewTask(self.name), self._schedule)
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
        if self._schedule and signature.first_required is not None:
            raise ConfigError(
                f"task {self.name} has a schedule, which calls it without arguments, and its parameter"
                f" {signature.first_required} has no default: give it one, or declare the schedule with arguments, by"
                " app.schedule(name, function, args, …)"
            )
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
            [*app._middleware, *starting(hooks_of(self._options(), app))],
            app.dependency_overrides,
            self._rules(),
            lasting,
            app._test,
            app._returns_of,
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
            run_at (datetime): The earliest start time, with a time zone. Refused together with `delay`. Default: by the
                function's `delay`.
            delay (float | timedelta): The earliest start, as a span from now in seconds or as `timedelta`. Refused
                together with `run_at`. Default: the function's.
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
            unique (Unique | bool | None): Makes the task unique: at any moment at most one unfinished task holds its
                key; see `Unique`. ``True``: by all arguments. ``None`` or ``False``: it is not. Default: the
                function's.
            after (After | None): The tasks that it runs after: a handle or an id, or a list of these, at most 100,000.
                Until all of them have ended it is blocked, and its `ttl` counts from then on. ``None``: it waits for
                none. Default: none.
            if_failed (IfFailed): What becomes of it if one of those does not complete. ``"end"``: it shares the fate:
                after a dead letter it becomes a dead letter, after one that was cancelled, has expired or was deleted
                it is cancelled. ``"run"``: it runs after any end. Default: ``"end"``.
            on_success (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has completed the task. Default: the function's.
            on_retry (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has failed, or its worker was lost, and the task is retried. Default: the
                function's.
            on_dead (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when its last run has failed, so that it is a dead letter. Default: the function's.
            on_cancelled (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when it is cancelled. Default: the function's.
            on_discarded (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run drops it by `Discard`. Default: the function's.
            on_expired (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when no worker has begun it within its time to live. Default: the function's.
            connection (Any): Your open connection, in whose transaction the task is enqueued: of asyncpg, psycopg,
                SQLAlchemy or Django. Default: none; the task is enqueued in its own transaction.

        Raises:
            ConfigError: For an option that does not exist.
            InvalidError: For a bad value of an option.
        """
        check_options(options, CallOptions.__annotations__, "an enqueue", TaskOptions.__annotations__)
        # Not copy.copy, which does not copy objects that are pickled by name.
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        given: dict[str, Any] = dict(options)
        made._connection = given.pop("connection", self._connection)
        if given.get("after") is not None:
            # Read once: it may be an iterator.
            given["after"] = ids_of(given["after"])
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
        codec, task = self._new_task(default_codec)
        return codec, _omniq.Template(task, codec)

    def _new_task(self, default_codec: str) -> tuple[str, NewTask]:
        """The codec and a task with all options, without arguments."""
        # `None` stands for the library's default, also where the owner has another.
        given = self._options()
        app = self._owner._application() if self._owner._is_included() else None
        hooks_of(given, app)
        callbacks = callbacks_of(given, app, self)
        left_out = (*RULES, *CALLBACKS)
        options = {name: value for name, value in given.items() if value is not None and name not in left_out}
        options["unique"] = self.unique
        if "after" in given and given["after"] is None:
            # It waits for none, so that nothing becomes of it.
            options.pop("if_failed", None)
        codec = a_text_or_none(options.pop("codec", None), "codec") or default_codec
        return codec, NewTask(self.name, **options, callbacks=callbacks)

    def _check(self) -> None:
        """Refuses bad options where they are written, also before the application is known."""
        if self._owner._is_included():
            self._now()
        else:
            self._template("json")

    def _now(self) -> _Bound:
        """What the options come to in the present application."""
        app, bound = self.app, self._bound
        if bound is None or bound.app is not app or bound.changes != app._changes:
            bound = self._bound = _Bound(app, *self._template(app.codec), app._changes)
        return bound

    @property
    def unique(self) -> Unique | None:
        """That its tasks are unique, and by what; ``None``: they are not."""
        return unique_of(self._options())

    def queue_name(self) -> str:
        """The queue of its tasks."""
        queue: str = self._options().get("queue") or "default"
        return queue


def unique_of(options: Mapping[str, Any]) -> Unique | None:
    """What these options make tasks unique by; ``None``: they do not."""
    given = options.get("unique")
    return Unique() if given is True else given or None


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
    #: What `BaseApp._changes` was.
    changes: int


class _Shared:
    """The values that a function shares with its copies with other options."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.lock = threading.RLock()
