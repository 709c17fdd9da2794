"""The callbacks of tasks: ``on_start``, which is called within each run, and those whose tasks are enqueued when a task
ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, get_args

from omniq._checks import refused
from omniq.app.callables import may_be_async
from omniq.app.context import Context
from omniq.app.signature import Signature
from omniq.errors import ConfigError
from omniq.models.callback import Callback, EndKind

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["CALLBACKS", "Callbacks", "HasCallbacks", "StartHooks", "callbacks_of", "hooks_of", "starting"]


class CallbackFunction(Protocol):
    """A function that is a task."""

    name: str

    @property
    def signature(self) -> Signature: ...

    def _options(self) -> dict[str, Any]: ...


#: A function that is a task and takes an `Ended`, the name of one, or several of these.
Callbacks: TypeAlias = str | CallbackFunction | Sequence[str | CallbackFunction]
#: A function that takes the `Context`, or several.
StartHooks: TypeAlias = Callable[[Context], Any] | Sequence[Callable[[Context], Any]]

F = TypeVar("F")

_ENDS: Final = get_args(EndKind)
#: The options that name callbacks.
CALLBACKS: Final = ("on_start", *(f"on_{kind}" for kind in _ENDS))
#: The options that a callback takes over from its function.
_TAKEN: Final = ("queue", "priority", "max_retries", "backoff", "timeout")
_REST: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class HasCallbacks:
    """The decorators of an application that add callbacks for all its tasks."""

    #: Counts what the templates of functions depend on beside their own options.
    _changes: int
    _callbacks: dict[str, list[Any]]
    _start_hooks: list[Callable[[Context], Any]]

    def _add_callback(self, kind: str, function: F) -> F:
        _check_function(function, f"@app.on_{kind}")
        self._callbacks.setdefault(kind, []).append(function)
        self._changes += 1
        return function

    def on_start(self, function: F) -> F:
        """Adds a function that is called in the worker within every run, before the task's function and inside the
        middleware: once an attempt. It takes the `Context`, and may be async.

        If it raises, the run fails, and the task is retried as after any failure: so the start of each run that got as
        far as the task's function was seen.

        >>> @app.on_start  # doctest: +SKIP
        ... def show(context: Context) -> None:
        ...     log.info("%s begins, attempt %d", context.id, context.attempt)

        Args:
            function: The function.

        Raises:
            ConfigError: For anything that cannot be called.
        """
        self._start_hooks.extend(_hooks(function, "@app.on_start"))
        return function

    def on_success(self, function: F) -> F:
        """Adds a task function as a callback of all tasks of this application: its task is enqueued when a run has
        completed one of them. It takes an `Ended`.

        Callbacks see every end, whatever has ended the task: a run, a cancel, the expiry, or the rescue of the tasks of
        a worker that was lost. The callback's task is enqueued in the transaction that ends the other one, exactly once
        for each end, and runs as any task does, at least once, on any worker that knows its function, with that
        function's options. A task has the callbacks that its application had when it was enqueued. Tasks of callbacks
        have no callbacks. A task that is deleted or purged has no end in this sense.

        >>> @app.on_dead  # doctest: +SKIP
        ... @app.task(queue="ops")
        ... async def alert(ended: Ended) -> None:
        ...     await send_mail("ops@example.org", f"{ended.func} is dead: {ended.error.message}")

        The option of the same name adds callbacks for the tasks of one function, group or call.

        Args:
            function: A task function, or the name of one.

        Raises:
            ConfigError: For a function that is no task, or does not take exactly one argument.
        """
        return self._add_callback("success", function)

    def on_retry(self, function: F) -> F:
        """The same for a run that has failed, or whose worker was lost, if another run follows; see `on_success`."""
        return self._add_callback("retry", function)

    def on_dead(self, function: F) -> F:
        """The same for a task whose last run has failed, so that it is a dead letter; see `on_success`."""
        return self._add_callback("dead", function)

    def on_cancelled(self, function: F) -> F:
        """The same for a task that was cancelled, while it waited or ran; see `on_success`."""
        return self._add_callback("cancelled", function)

    def on_discarded(self, function: F) -> F:
        """The same for a task that its function has dropped by `Discard`; see `on_success`."""
        return self._add_callback("discarded", function)

    def on_expired(self, function: F) -> F:
        """The same for a task that no worker has begun within its time to live; see `on_success`."""
        return self._add_callback("expired", function)


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _hooks(given: Any, name: str) -> list[Callable[[Context], Any]]:
    hooks = _several(given)
    for one in hooks:
        if not callable(one):
            raise refused(name, one, "give a function of the Context", is_shown=False)
    return hooks


def hooks_of(options: Mapping[str, Any], app: BaseApp | None) -> list[Callable[[Context], Any]]:
    """What is called at the start of each run of a function with these options."""
    return [*([] if app is None else app._start_hooks), *_hooks(options.get("on_start"), "on_start")]


def starting(hooks: list[Callable[[Context], Any]]) -> list[Callable[[Context], Any]]:
    """These hooks as middleware."""
    if not hooks:
        return []
    if not any(map(may_be_async, hooks)):

        def start(context: Context) -> Any:
            for hook in hooks:
                hook(context)
            yield

        return [start]

    async def start_async(context: Context) -> Any:
        for hook in hooks:
            value = hook(context)
            if inspect.isawaitable(value):
                await value
        yield

    return [start_async]


def _check_function(function: Any, name: str) -> None:
    """Refuses what cannot be a callback."""
    if isinstance(function, str):
        return
    if not hasattr(function, "_options"):
        words = "give a task function, such as one below @app.task, or the name of one"
        raise refused(name, function, words, is_shown=False)
    try:
        parameters = function.signature.parameters
    except ConfigError as error:
        if isinstance(error.__cause__, NameError):
            # An annotation names what is defined later.
            return
        raise
    if len(parameters) != 1 or parameters[0].kind in _REST:
        raise ConfigError(
            f"{name}: task {function.name} takes {len(parameters)} arguments, and a callback takes one, an Ended"
        )


def callbacks_of(options: Mapping[str, Any], app: BaseApp | None, of: CallbackFunction | None) -> tuple[Callback, ...]:
    """The callbacks of tasks with these options, those of the application included, unless the function is one of these
    itself.

    Raises:
        ConfigError: For a function that cannot be a callback.
        InvalidError: For a bad value of an option.
    """
    shared = {} if app is None else app._callbacks
    if of is not None and any(_name(one) == of.name for functions in shared.values() for one in functions):
        shared = {}
    found: dict[Any, tuple[Any, list[EndKind]]] = {}
    for kind in _ENDS:
        own = _several(options.get(f"on_{kind}"))
        for one in own:
            _check_function(one, f"on_{kind}")
        for one in (*own, *shared.get(kind, ())):
            function = app.functions.get(one, one) if isinstance(one, str) and app is not None else one
            # A copy with other options is a callback of its own.
            key = function if isinstance(function, str) else id(function)
            found.setdefault(key, (function, []))[1].append(kind)
    return tuple(_callback(function, kinds) for function, kinds in found.values())


def _name(function: Any) -> str:
    return function if isinstance(function, str) else function.name


def _callback(function: Any, kinds: list[EndKind]) -> Callback:
    on = tuple(dict.fromkeys(kinds))
    if isinstance(function, str):
        return Callback(on=on, func=function)
    options = function._options()
    taken = {name: options[name] for name in _TAKEN if options.get(name) is not None}
    return Callback(on=on, func=function.name, **taken)
