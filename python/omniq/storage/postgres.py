"""The storages on PostgreSQL: tasks, results, events and schedules, each async and blocking, each usable alone."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from omniq import _omniq, logging
from omniq._generated.native_events import NativeEventStorage
from omniq._generated.native_queue import NativeQueue
from omniq._generated.native_results import NativeResultStorage
from omniq._generated.native_schedules import NativeScheduleStorage
from omniq.settings import Settings, Source, check_writing, settings_of
from omniq.storage.native import (
    AsyncNativeEventStorage,
    AsyncNativeQueue,
    AsyncNativeResultStorage,
    AsyncNativeScheduleStorage,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from omniq.settings import Options

__all__ = [
    "AsyncPostgresEventStorage",
    "AsyncPostgresQueue",
    "AsyncPostgresResultStorage",
    "AsyncPostgresScheduleStorage",
    "PostgresEventStorage",
    "PostgresQueue",
    "PostgresResultStorage",
    "PostgresScheduleStorage",
]


class _OnPostgres(ABC):
    """The constructors of all of them."""

    #: The settings that it was opened with.
    settings: Settings
    _core: Any

    def __init__(
        self,
        url: Source = None,
        *,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[Options],
    ) -> None:
        """Checks the settings; nothing is connected yet. Settings by name win over those of the URL.

        Args:
            url: A ``postgresql://`` URL, `Settings`, or a dict of values. Default: the environment (``OMNIQ_URL`` …,
                as `Settings.from_env` says).
            codec: The codec of values if a call names none. Default: ``"json"``.
            allow_pickle: Whether payloads may be encoded and decoded by pickle and dill, which run code when they
                decode. Default: false.
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
        self.settings = settings_of(url, options)
        check_writing(codec, allow_pickle)
        logging.follow()
        self._open(codec, allow_pickle)

    @abstractmethod
    def _open(self, codec: str, allow_pickle: bool) -> None: ...

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[Options],
    ) -> Self:
        """A storage with the settings of a TOML or YAML file; see `Settings.from_file`.

        Args:
            path: The file.
            codec: As for the class. Default: ``"json"``.
            allow_pickle: As for the class. Default: false.
            options: Settings, as for the class; they win over the file.
        """
        return cls(Settings.from_file(path), codec=codec, allow_pickle=allow_pickle, **options)

    @classmethod
    def from_env(cls, *, codec: str = "json", allow_pickle: bool = False, **options: Unpack[Options]) -> Self:
        """A storage with the settings of the environment's ``OMNIQ_…`` variables; see `Settings.from_env`.

        Args:
            codec: As for the class. Default: ``"json"``.
            allow_pickle: As for the class. Default: false.
            options: Settings, as for the class; they win over the environment.
        """
        return cls(Settings.from_env(), codec=codec, allow_pickle=allow_pickle, **options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.settings}>"


class _Queue(_OnPostgres):
    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Queue.postgres(self.settings._core, codec, allow_pickle)


class _Results(_OnPostgres):
    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Results.postgres(self.settings._core, allow_pickle)


class _Events(_OnPostgres):
    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Events.postgres(self.settings._core)


class _Schedules(_OnPostgres):
    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Schedules.postgres(self.settings._core, codec, allow_pickle)


class AsyncPostgresQueue(_Queue, AsyncNativeQueue):
    """The task queue on PostgreSQL, for event loops: asyncio, uvloop, and trio.

    >>> async with AsyncPostgresQueue("postgresql://localhost/app") as queue:  # doctest: +SKIP
    ...     id = await queue.enqueue("greet", "Ann")
    ...     task = await queue.dequeue(timeout=5)
    ...     await queue.complete(task)
    """


class PostgresQueue(_Queue, NativeQueue):
    """The task queue on PostgreSQL, blocking: usable from any thread, by several threads at once, and after a fork.

    >>> with PostgresQueue("postgresql://localhost/app") as queue:  # doctest: +SKIP
    ...     id = queue.enqueue("greet", "Ann")
    ...     task = queue.dequeue(timeout=5)
    ...     queue.complete(task)
    """


class AsyncPostgresResultStorage(_Results, AsyncNativeResultStorage):
    """The result storage on PostgreSQL, for event loops: asyncio, uvloop, and trio."""


class PostgresResultStorage(_Results, NativeResultStorage):
    """The result storage on PostgreSQL, blocking: usable from any thread, by several threads at once, and after a
    fork."""


class AsyncPostgresEventStorage(_Events, AsyncNativeEventStorage):
    """The event storage on PostgreSQL, for event loops: asyncio, uvloop, and trio."""


class PostgresEventStorage(_Events, NativeEventStorage):
    """The event storage on PostgreSQL, blocking: usable from any thread, by several threads at once, and after a
    fork."""


class AsyncPostgresScheduleStorage(_Schedules, AsyncNativeScheduleStorage):
    """The schedules of the queue in the same database and schema, for event loops: asyncio, uvloop, and trio. There is no
    custom schedule storage in Python, because a schedule must share the transactions of its queue.

    >>> async with AsyncPostgresScheduleStorage("postgresql://localhost/app") as schedules:  # doctest: +SKIP
    ...     await schedules.save(Schedule("nightly", Cron("30 2 * * *", "Europe/Berlin"), NewTask("close_books")))
    """


class PostgresScheduleStorage(_Schedules, NativeScheduleStorage):
    """The schedules of the queue in the same database and schema, blocking: usable from any thread, by several threads at
    once, and after a fork. There is no custom schedule storage in Python, because a schedule must share the transactions of
    its queue."""
