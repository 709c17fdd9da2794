"""The backends on PostgreSQL: tasks, results and events in one object, with one configuration and one pool."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omniq._generated.backend import Backend
from omniq.backend.base import AsyncBackend
from omniq.backend.parts import PARTS, Parts
from omniq.settings import Settings, Source, settings_of
from omniq.storage.base import (
    AsyncEventStorage,
    AsyncResultStorage,
    AsyncTaskQueue,
    EventStorage,
    ResultStorage,
    TaskQueue,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from omniq.settings import ConnectionOptions

__all__ = ["AsyncPostgresBackend", "PostgresBackend"]


class _OnPostgres(Parts):
    """The constructors of both backends."""

    def __init__(
        self,
        url: Source = None,
        *,
        tasks: str | AsyncTaskQueue | TaskQueue | None = None,
        results: str | AsyncResultStorage | ResultStorage | None = None,
        events: str | AsyncEventStorage | EventStorage | None = None,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Checks the settings; nothing is connected yet. Settings by name win over those of the URL.

        Args:
            url: A ``postgresql://`` URL, `Settings`, or a dict of values. Default: the environment (``OMNIQ_URL`` …,
                as `Settings.from_env` says).
            tasks: Where tasks are kept: ``"postgres"``, ``"memory"``, the URL of another database, or a storage object,
                which may be a custom storage and is closed with the backend. Default: ``"postgres"``.
            results: Where results are kept: the same, or ``"off"``. Default: ``"postgres"``.
            events: Where events are kept: the same, or ``"off"``. Default: ``"off"``.
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

        Raises:
            ConfigError: For a bad setting, naming it.
        """
        parts: dict[str, Any] = dict(zip(PARTS, (tasks, results, events), strict=True))
        places = {name: part for name, part in parts.items() if isinstance(part, str)}
        given = {name: part for name, part in parts.items() if name not in places}
        settings = settings_of(url, {**_as_mapping(options), **places})
        self._assemble(settings, given, codec, allow_pickle)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """A backend with the settings of a TOML or YAML file; see `Settings.from_file`. The other arguments are those
        of the class, and win over the file."""
        return cls(Settings.from_file(path), **options)

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """A backend with the settings of the environment's ``OMNIQ_…`` variables. The other arguments are those of the
        class, and win over the environment."""
        return cls(Settings.from_env(), **options)


def _as_mapping(options: Any) -> Mapping[str, Any]:
    made: Mapping[str, Any] = options
    return made


class AsyncPostgresBackend(_OnPostgres, AsyncBackend):
    """Tasks, results and events on PostgreSQL, or each in the place that its argument names. For event loops: asyncio,
    uvloop, and trio.

    >>> async with AsyncPostgresBackend("postgresql://localhost/app") as backend:  # doctest: +SKIP
    ...     id = await backend.enqueue("greet", "Ann")
    ...     task = await backend.queue.dequeue(timeout=5)
    ...     await backend.complete(task, f"Hello {task.args}")
    ...     print((await backend.wait(id, timeout=5)).value)
    """


class PostgresBackend(_OnPostgres, Backend):
    """Tasks, results and events on PostgreSQL, or each in the place that its argument names. Blocking, usable from any
    thread.

    >>> with PostgresBackend("postgresql://localhost/app") as backend:  # doctest: +SKIP
    ...     id = backend.enqueue("greet", "Ann")
    ...     task = backend.queue.dequeue(timeout=5)
    ...     backend.complete(task, f"Hello {task.args}")
    ...     print(backend.wait(id, timeout=5).value)
    """
