"""What stands for the database while a test keeps everything in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from omniq import _omniq
from omniq._loop import run, wait
from omniq.models.unique import EnqueuedId
from omniq.testing.commits import Commits

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["InMemory"]


class InMemory:
    """The tasks, results and events of an application, which outlast its ``close``, and the connections with which tasks
    were enqueued.

    `appeared`: called with the ids of tasks that a commit has added.
    """

    def __init__(self, app: BaseApp, max_payload: int, appeared: Callable[[list[UUID]], None]) -> None:
        self.memory = _omniq.Memory()
        self._app, self._max_payload, self._appeared = app, max_payload, appeared
        self._commits = Commits()

    async def enqueue(self, connection: Any, tasks: _omniq.NewTasks) -> list[UUID]:
        """Adds the tasks when the connection's transaction is committed; at once if nothing tells of that."""
        tasks, ids = tasks.with_ids()
        await run(self._app._core.check_new(tasks, self._max_payload))
        if not self._commits.after(connection, lambda: self._appear(tasks)):
            return [EnqueuedId(one) for one in await run(self._app._core.enqueue_new(tasks))]
        return ids

    def enqueue_sync(self, connection: Any, tasks: _omniq.NewTasks) -> list[UUID]:
        """As `enqueue`, blocking."""
        tasks, ids = tasks.with_ids()
        wait(self._app._core.check_new(tasks, self._max_payload))
        if not self._commits.after(connection, lambda: self._appear(tasks)):
            return [EnqueuedId(one) for one in wait(self._app._core.enqueue_new(tasks))]
        return ids

    def after_commit(self, connection: Any, work: Callable[[], None]) -> None:
        """Calls `work` when the connection's transaction is committed; at once if nothing tells of that."""
        if not self._commits.after(connection, work):
            work()

    def _appear(self, tasks: _omniq.NewTasks) -> None:
        self._appeared([one.id for one in self._app._core.enqueue_new(tasks).wait()])

    def close(self) -> None:
        """Ends the mode: what was not committed by now is forgotten."""
        self._commits.close()
