"""Groups of tasks: functions that are tasks before an application is at hand, which includes them later."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from omniq import _omniq
from omniq._checks import a_text, a_text_or_none, check_options, refused
from omniq.app.callables import name_of, place_of
from omniq.app.callbacks import CALLBACKS, callbacks_of, hooks_of
from omniq.app.declared import Declaration, caller, declare
from omniq.app.define import AsyncDefines, Defines
from omniq.app.definition import unique_of
from omniq.app.function import AsyncTaskFunction, BaseFunction, TaskFunction
from omniq.app.options import OF_CALL, ScheduleOptions, TaskDefaults, TaskOptions
from omniq.app.rules import RULES, Rules
from omniq.errors import ConfigError, InvalidError
from omniq.models import NewTask

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from omniq.app.base import BaseApp

__all__ = ["AsyncTaskGroup", "TaskGroup"]

Functions = dict[str, BaseFunction[..., Any, ..., Any]]


def checked_defaults(options: Any, of: str) -> dict[str, Any]:
    """The options of a `TaskDefaults`, checked where they are written."""
    if not isinstance(options, Mapping):
        raise refused(of, options, 'give a dict of options, such as {"queue": "mail"}', is_shown=False)
    check_options(options, TaskDefaults.__annotations__, of, of_call=OF_CALL)
    given = {name: value for name, value in dict(options).items() if value is not None}
    Rules(given)
    hooks_of(given, None)
    callbacks = callbacks_of(given, None, None)
    others = {name: value for name, value in given.items() if name not in (*RULES, *CALLBACKS)}
    others["unique"] = unique_of(given)
    codec = a_text_or_none(others.pop("codec", None), "codec") or "json"
    _omniq.Template(NewTask("checked", **others, callbacks=callbacks), codec)
    return given


def namespace_of(function: Callable[..., Any], depth: int) -> dict[str, Any] | None:
    """The locals of the function around a nested function, which annotations may name."""
    if "<locals>" not in getattr(function, "__qualname__", ""):
        return None
    return dict(sys._getframe(depth + 1).f_locals)


def add(functions: Functions, made: BaseFunction[..., Any, ..., Any]) -> None:
    """Adds a function to those of an application or a group, in place of itself if its module was loaded again."""
    before = functions.get(made.name)
    if before is not None and place_of(before.function) != place_of(made.function):
        where = ".".join(place_of(before.function)[:2])
        raise ConfigError(f"task {made.name!r} is there already ({where}): give this one another by name=…")
    functions[made.name] = made


def add_to(app: BaseApp, made: BaseFunction[..., Any, ..., Any]) -> None:
    """Adds a function to those of an application."""
    goes_on = "with the function that it had under that name" if made.name in app.functions else "without it"
    add(app.functions, made)
    app._changes += 1
    if app._working:
        warn_late(f"task {made.name} is defined", goes_on, 5)


def warn_late(what: str, goes_on: str, stacklevel: int) -> None:
    """Warns of tasks and schedules that come while a worker of their application runs in this process, such as in a notebook."""
    message = f"{what} while a worker of its application runs, which goes on {goes_on}: stop it, and start another one"
    warnings.warn(message, RuntimeWarning, stacklevel)


class BaseGroup:
    """The functions of a group, and the application that includes it."""

    _function_class: type[BaseFunction[..., Any, ..., Any]]

    #: The name, which the names of its tasks begin with.
    name: str
    #: The functions that are tasks, by the names under which workers find them.
    functions: Functions

    def __init__(self, name: str, **options: Unpack[TaskDefaults]) -> None:
        """Makes a group without functions.

        Args:
            name: Its name: the function ``send`` of the group ``"mail"`` is the task ``mail.send``, unless ``name=…`` gives
                it another name.
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
            unique (Unique | bool | None): Makes its tasks unique: at any moment at most one unfinished task holds a
                key; see `Unique`. ``True``: by all arguments. ``None`` or ``False``: they are not, whatever the
                defaults say. Default: they are not.
            on_start (StartHooks | None): A function, or several, called in the worker within each run before the task's
                function. It takes the `Context`, and may be async; see `AsyncOmniQ.on_start`. Those of the application
                are called as well. Default: none.
            on_success (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has completed the task; see `AsyncOmniQ.on_success`. Those of the application are
                called as well. Default: none.
            on_retry (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run has failed, or its worker was lost, and the task is retried. Default: none.
            on_dead (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when its last run has failed, so that it is a dead letter. Default: none.
            on_cancelled (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when it is cancelled. Default: none.
            on_discarded (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when a run drops it by `Discard`. Default: none.
            on_expired (Callbacks | None): A task function that takes an `Ended`, its name, or several: its task is
                enqueued when no worker has begun it within its time to live. Default: none.

        Raises:
            InvalidError: For an empty name, and for a bad value of an option.
            ConfigError: For an option that does not exist.
        """
        if a_text(name, "name") == "":
            raise InvalidError("the group's name is empty: give it at least one letter")
        self.name = name
        self._options = checked_defaults(options, f"a {type(self).__name__}")
        self.functions = {}
        self._declarations: dict[str, Declaration] = {}
        self._app: BaseApp | None = None
        #: The module that has included it, which a process that runs its tasks imports.
        self._included_in: str | None = None

    def _register(self, function: Callable[..., Any], options: TaskOptions, depth: int) -> Any:
        named: TaskOptions = dict(options)  # type: ignore[assignment]
        if named.get("name") is None:
            named["name"] = f"{self.name}.{name_of(function)}"
        made = self._function_class(self, function, named, namespace_of(function, depth))
        add(self.functions, made)
        if self._app is not None:
            add_to(self._app, made)
        return made

    def _declare(self, name: str, task: Any, args: Any, options: ScheduleOptions, depth: int) -> None:
        declare(self._declarations, Declaration(name, task, args, options, caller(depth)))
        if self._app is not None and self._app._working:
            warn_late(f"schedule {name} is declared", "without it", depth + 2)

    def _application(self) -> BaseApp:
        if self._app is None:
            raise ConfigError(
                f"the group {self.name!r} is in no application: call app.include(…) with it first, at the top level of a"
                " module if its tasks run in processes"
            )
        return self._app

    def _is_included(self) -> bool:
        return self._app is not None

    def _defaults_of(self, name: str) -> dict[str, Any]:
        return {**({} if self._app is None else self._app._defaults_of(name)), **self._options}

    def _reduced(self, function: Any, place: str) -> Any:
        return _loaded, (self._included_in, function.__module__, place)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {len(self.functions)} tasks>"


def _loaded(included_in: str | None, module: str, place: str) -> Any:
    """A function of a group in another process, after the module that includes the group."""
    if included_in is not None:
        importlib.import_module(included_in)
    found: Any = importlib.import_module(module)
    for name in place.split("."):
        found = getattr(found, name)
    return found


class AsyncTaskGroup(BaseGroup, AsyncDefines):
    """Tasks for an `AsyncOmniQ` that is made elsewhere.

    >>> tasks = AsyncTaskGroup("mail", queue="mail", max_retries=5)
    >>> @tasks.task
    ... async def send(to: str) -> None: ...
    >>> app = AsyncOmniQ("postgresql://localhost/app")
    >>> app.include(tasks)
    >>> send.name
    'mail.send'

    An application that includes it takes it over from one that included it before.
    """

    _function_class = AsyncTaskFunction


class TaskGroup(BaseGroup, Defines):
    """Tasks for an `OmniQ` that is made elsewhere; see `AsyncTaskGroup`."""

    _function_class = TaskFunction
