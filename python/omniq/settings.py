"""The configuration of a PostgreSQL backend: its settings and their defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from omniq import _omniq
from omniq._checks import a_flag, a_text, check_options
from omniq.codecs import known
from omniq.errors import ConfigError, OmniQError

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["ConnectionOptions", "Options", "Settings", "Source"]


class ConnectionOptions(TypedDict, total=False):
    """All settings except where the parts are kept: the options of applications and backends."""

    #: The schema that holds the tables, 1 to 63 bytes. Default: ``"omniq"``.
    schema: str
    #: How many connections are kept open when idle; 0 keeps none. Default: 1.
    pool_min: int
    #: How many connections may be open at once, 1 to 10,000. Default: 10.
    pool_max: int
    #: How long a caller waits for a connection, one that becomes free or a new one, also if the server is away or takes
    #: no more connections; in seconds or as `timedelta`. Opening a queue, storage or backend takes at least one attempt
    #: at each host, even if that takes longer. Default: 10 seconds.
    acquire_timeout: float | timedelta
    #: How long one host may take to give a connection, log-in included, before the next one is tried, in seconds or as
    #: `timedelta`. Default: 10 seconds.
    connect_timeout: float | timedelta
    #: After how long an idle connection above `pool_min` is closed, in seconds or as `timedelta`. Default: 600 seconds.
    idle_timeout: float | timedelta
    #: Whether statements are prepared once and kept. Default: true; a pooler that hands out connections by transaction
    #: is detected, and then statements are not kept.
    statement_cache: bool
    #: Whether connecting brings the schema up to the newest version. Default: true.
    migrate: bool
    #: The name of the sessions in ``pg_stat_activity``, at most 63 bytes. Default: ``"omniq"``.
    application_name: str
    #: The largest payload of a task, and the largest value that a task may return, in bytes, up to 1,000,000,000.
    #: Default: 16 MiB.
    max_payload: int
    #: Whether completed tasks stay in the task table. Default: false; the result is the record of the task.
    keep_completed: bool
    #: Whether a result keeps the arguments of its task, as `TaskResult.args`. Default: false.
    keep_args: bool
    #: How long completed tasks stay if `keep_completed` is on, in seconds or as `timedelta`; ``None``: without end.
    #: Default: 7 days.
    completed_ttl: float | timedelta | None
    #: How long dead letters stay, in seconds or as `timedelta`; ``None``: without end. Default: ``None``.
    dead_ttl: float | timedelta | None
    #: How long results are kept, in seconds or as `timedelta`; ``None``: without end. Default: 7 days.
    result_ttl: float | timedelta | None
    #: How long events are kept, in seconds or as `timedelta`; ``None``: without end. They are removed a day at a time.
    #: Default: 30 days.
    event_ttl: float | timedelta | None
    #: How long a worker's claims hold without a heartbeat, in seconds or as `timedelta`, at least 0.1 seconds. Default:
    #: 10 seconds.
    lease: float | timedelta
    #: Whether an application may start a private server if no database is set, which is logged as a warning.
    #: ``OMNIQ_EMBEDDED=off`` forbids it, too. Default: true.
    embedded: bool


class Options(ConnectionOptions, total=False):
    """All settings: the options of `Settings` and of the storages."""

    #: Where tasks are kept: ``"postgres"``, ``"memory"``, or the URL of another database. Default:
    #: ``"postgres"``.
    tasks: str
    #: Where results are kept: ``"postgres"``, ``"memory"``, ``"off"``, or the URL of another database. Default:
    #: ``"postgres"``.
    results: str
    #: Where events are kept: ``"postgres"``, ``"memory"``, ``"off"``, or the URL of another database. Default:
    #: ``"off"``.
    events: str


#: The names of all settings.
NAMES = ("url", *ConnectionOptions.__annotations__, "tasks", "results", "events")


class Settings:
    """All settings of a PostgreSQL backend, read and checked.

    There are five ways to set them, and equal values have equal effect: keyword arguments, a URL with query parameters,
    a dict, a TOML or YAML file (`from_file`), and ``OMNIQ_…`` environment variables (`from_env`).

    >>> Settings("postgresql://me@db/app", schema="jobs") == Settings("postgresql://me@db/app?schema=jobs")
    True

    The text form leaves passwords out. `to_dict` contains them, so that the settings can be read back.
    """

    _core: _omniq.Settings

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        """Reads and checks the values.

        Args:
            url: The database: a ``postgresql://`` URL or ``key=value`` pairs. Default: none, which is an error once a
                connection is needed.
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
            tasks (str): Where tasks are kept: ``"postgres"``, ``"memory"``, or the URL of another database. Default:
                ``"postgres"``.
            results (str): Where results are kept: ``"postgres"``, ``"memory"``, ``"off"``, or the URL of another
                database. Default: ``"postgres"``.
            events (str): Where events are kept: ``"postgres"``, ``"memory"``, ``"off"``, or the URL of another
                database. Default: ``"off"``.

        Raises:
            ConfigError: For a bad setting, naming it.
        """
        self._core = _omniq.Settings(_plain({**({} if url is None else {"url": url}), **options}))

    @classmethod
    def _of(cls, core: _omniq.Settings) -> Self:
        made = cls.__new__(cls)
        made._core = core
        return made

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The defaults with these values applied, such as those of a JSON object.

        Raises:
            ConfigError: For a bad setting, naming it.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"settings are given as a dict, not as {type(values).__name__}")
        return cls._of(_omniq.Settings(_plain(values)))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a TOML (``.toml``) or YAML (``.yaml``, ``.yml``) file: the table ``omniq`` if it has one, else the top
        level.

        Raises:
            ConfigError: For a bad file, naming it and the setting or the line.
        """
        return cls._of(_omniq.Settings.from_file(_path(path)))

    @classmethod
    def from_env(cls) -> Self:
        """Reads ``OMNIQ_URL``, ``OMNIQ_SCHEMA``, ``OMNIQ_POOL_MAX`` and so on. An empty variable counts as not set.

        Without ``OMNIQ_URL`` the database is that of ``DATABASE_URL``, else the one that ``PGHOST``, ``PGHOSTADDR``,
        ``PGPORT``, ``PGDATABASE`` or ``PGSERVICE`` names, unless all parts are kept elsewhere.

        Raises:
            ConfigError: For a bad value, and for an unknown variable that begins with ``OMNIQ_``, naming the variable
                and the nearest one that is known.
        """
        return cls._of(_omniq.Settings.from_env())

    @classmethod
    def load(cls, *, file: str | os.PathLike[str] | None = None, url: str | None = None) -> Self:
        """Reads all sources. A later one wins over an earlier one: the defaults, the file, the environment, the URL. If
        none of them names a database, it is found as by `from_env`.

        Args:
            file: The path of a TOML or YAML file, as for `from_file`. Default: none is read.
            url: The URL of the database, in which settings may stand as well. Default: none.

        Raises:
            ConfigError: For a bad setting, naming it.
        """
        if url is not None and not isinstance(url, str):
            raise ConfigError(f"url is refused, being of type {type(url).__name__}: give text")
        return cls._of(_omniq.Settings.load(None if file is None else _path(file), url))

    def over(self, **options: Unpack[Options]) -> Self:
        """A copy of these settings with the given values applied.

        Args:
            options: The settings, by the names that the class takes.
        """
        return type(self)._of(self._core.over(_plain(options)))

    def to_dict(self) -> dict[str, Any]:
        """All values by name: spans in seconds, the URL with its password. Do not log it."""
        return self._core.to_dict()

    def __getattr__(self, name: str) -> Any:
        if name in NAMES:
            return self.to_dict().get(name)
        raise AttributeError(f"Settings has no {name!r}: known are {', '.join(NAMES)}")

    def __eq__(self, other: object) -> bool:
        return self._core == other._core if isinstance(other, Settings) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return str(self._core)

    def __repr__(self) -> str:
        return f"<Settings {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_dict, (self.to_dict(),))


#: The source of a storage's settings: a URL, `Settings`, a dict of values, or ``None``, which means the environment.
Source = str | Settings | Mapping[str, Any] | None


def settings_of(source: Source, options: Mapping[str, Any]) -> Settings:
    """The settings of a constructor's arguments; options win over the source."""
    if isinstance(source, str):
        return Settings.from_dict({"url": source, **options})
    if source is None:
        base = Settings.from_env()
    elif isinstance(source, Settings):
        base = source
    elif isinstance(source, Mapping):
        base = Settings.from_dict(source)
    else:
        kind = type(source).__name__
        raise ConfigError(f"a storage is opened with a URL, Settings or a dict, not with {kind}")
    return base.over(**options) if options else base


def _path(given: str | os.PathLike[str]) -> str | os.PathLike[str]:
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(f"a settings file is named by a path, not by {type(given).__name__}")
    return given


def check_writing(codec: str, allow_pickle: bool) -> None:
    """Refuses a codec that cannot be used, and an `allow_pickle` that is not a `bool` (`ConfigError`)."""
    try:
        allowed = a_flag(allow_pickle, "allow_pickle")
        known(a_text(codec, "codec"), allowed)
    except OmniQError as error:
        raise ConfigError(error.message) from None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    # Names are checked before values, so that an unknown option with a value of a wrong type is refused for its name.
    check_options(values, NAMES, "Settings")
    return {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in values.items()}
