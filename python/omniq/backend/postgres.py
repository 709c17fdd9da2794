"""The backends on PostgreSQL: tasks, results and events in one object, with one configuration and one pool."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omniq.backend.base import AsyncBackend
from omniq.backend.blocking import Backend
from omniq.backend.parts import NAMES, Parts
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
    """How both are opened."""

    def __init__(
        self,
        url: Source = None,
        *,
        queue: str | AsyncTaskQueue | TaskQueue | None = None,
        results: str | AsyncResultStorage | ResultStorage | None = None,
        events: str | AsyncEventStorage | EventStorage | None = None,
        codec: str = "json",
        allow_pickle: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Checks the settings; nothing is connected yet.

        Args:
            url: A ``postgresql://`` URL, `Settings`, or a dict of values. Default: the environment (``OMNIQ_URL`` …).
            queue: Where tasks are kept: ``"postgres"`` (the default), ``"memory"``, the URL of another database, or a
                storage of any kind, also one of your own. It is closed with the backend.
            results: Where results are kept: the same, or ``"off"``. Default: ``"postgres"``.
            events: Where events are kept: the same, or ``"off"``. Default: ``"off"``.
            codec: How values are written where a call does not say it.
            allow_pickle: Whether payloads may be written and read by pickle and dill, which run code when they are read.
            options: Settings, such as ``schema="jobs"``; they win over those of the URL. See `omniq.settings.Options`.

        Raises:
            OmniQError: `is_config` for a bad setting, naming it.
        """
        parts: dict[str, Any] = dict(zip(NAMES, (queue, results, events), strict=True))
        places = {name: part for name, part in parts.items() if isinstance(part, str)}
        given = {name: part for name, part in parts.items() if name not in places}
        settings = settings_of(url, {**_as_mapping(options), **places})
        self._assemble(settings, given, codec, allow_pickle)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """As a TOML or YAML file says; see `Settings.from_file`. The other arguments are those of the class."""
        return cls(Settings.from_file(path), **options)

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """As the ``OMNIQ_…`` variables of the environment say. The other arguments are those of the class."""
        return cls(Settings.from_env(), **options)


def _as_mapping(options: Any) -> Mapping[str, Any]:
    made: Mapping[str, Any] = options
    return made


class AsyncPostgresBackend(_OnPostgres, AsyncBackend):
    """Tasks, results and events on PostgreSQL, or each wherever it is put; for event loops: asyncio, uvloop, and trio.

    >>> async with AsyncPostgresBackend("postgresql://localhost/app") as backend:  # doctest: +SKIP
    ...     id = await backend.enqueue("greet", "Ann")
    ...     task = await backend.queue.dequeue(timeout=5)
    ...     await backend.complete(task, f"Hello {task.args}")
    ...     print((await backend.wait(id, timeout=5)).value)
    """


class PostgresBackend(_OnPostgres, Backend):
    """Tasks, results and events on PostgreSQL, or each wherever it is put; blocking, usable from any thread.

    >>> with PostgresBackend("postgresql://localhost/app") as backend:  # doctest: +SKIP
    ...     id = backend.enqueue("greet", "Ann")
    ...     task = backend.queue.dequeue(timeout=5)
    ...     backend.complete(task, f"Hello {task.args}")
    ...     print(backend.wait(id, timeout=5).value)
    """
