"""The storages on PostgreSQL: tasks, results and events, each async and blocking, each usable alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from omniq import _omniq, logging
from omniq.settings import Settings, Source, check_writing, settings_of
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

    from omniq.settings import Options

__all__ = [
    "AsyncPostgresEventStorage",
    "AsyncPostgresQueue",
    "AsyncPostgresResultStorage",
    "PostgresEventStorage",
    "PostgresQueue",
    "PostgresResultStorage",
]


class _OnPostgres:
    """How all of them are opened."""

    #: What it was opened with.
    settings: Settings

    def __init__(
        self,
        url: Source = None,
        *,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[Options],
    ) -> None:
        """Checks the settings; nothing is connected yet.

        Args:
            url: A ``postgresql://`` URL, `Settings`, or a dict of values. Default: the environment (``OMNIQ_URL`` …).
            codec: How values are written where a call does not say it.
            allow_pickle: Whether payloads may be written and read by pickle and dill, which run code when they are read.
            options: Settings, such as ``schema="jobs"``; they win over those of the URL. See `omniq.settings.Options`.

        Raises:
            OmniQError: `is_config` for a bad setting, naming it.
        """
        self.settings = settings_of(url, options)
        check_writing(codec, allow_pickle)
        logging.follow()
        self._open(codec, allow_pickle)

    def _open(self, codec: str, allow_pickle: bool) -> None:
        raise NotImplementedError

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[Options],
    ) -> Self:
        """As a TOML or YAML file says; see `Settings.from_file`."""
        return cls(Settings.from_file(path), codec=codec, allow_pickle=allow_pickle, **options)

    @classmethod
    def from_env(cls, *, codec: str = "json", allow_pickle: bool = False, **options: Unpack[Options]) -> Self:
        """As the ``OMNIQ_…`` variables of the environment say; see `Settings.from_env`."""
        return cls(Settings.from_env(), codec=codec, allow_pickle=allow_pickle, **options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.settings}>"


class _Queue(_OnPostgres):
    _core: _omniq.Queue

    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Queue.postgres(self.settings._core, codec, allow_pickle)


class _Results(_OnPostgres):
    _core: _omniq.Results

    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Results.postgres(self.settings._core, allow_pickle)


class _Events(_OnPostgres):
    _core: _omniq.Events

    def _open(self, codec: str, allow_pickle: bool) -> None:
        self._core = _omniq.Events.postgres(self.settings._core)


class AsyncPostgresQueue(_Queue, AsyncTaskQueue, native=True):
    """The task queue on PostgreSQL, for event loops: asyncio, uvloop, and trio.

    >>> async with AsyncPostgresQueue("postgresql://localhost/app") as queue:  # doctest: +SKIP
    ...     id = await queue.enqueue("greet", "Ann")
    ...     task = await queue.dequeue(timeout=5)
    ...     await queue.complete(task)
    """


class PostgresQueue(_Queue, TaskQueue, native=True):
    """The task queue on PostgreSQL, blocking: usable from any thread, by many at once, and after a fork.

    >>> with PostgresQueue("postgresql://localhost/app") as queue:  # doctest: +SKIP
    ...     id = queue.enqueue("greet", "Ann")
    ...     task = queue.dequeue(timeout=5)
    ...     queue.complete(task)
    """


class AsyncPostgresResultStorage(_Results, AsyncResultStorage, native=True):
    """The result storage on PostgreSQL, for event loops: asyncio, uvloop, and trio."""


class PostgresResultStorage(_Results, ResultStorage, native=True):
    """The result storage on PostgreSQL, blocking: usable from any thread, by many at once, and after a fork."""


class AsyncPostgresEventStorage(_Events, AsyncEventStorage, native=True):
    """The event storage on PostgreSQL, for event loops: asyncio, uvloop, and trio."""


class PostgresEventStorage(_Events, EventStorage, native=True):
    """The event storage on PostgreSQL, blocking: usable from any thread, by many at once, and after a fork."""
