"""Results: the records of tasks that have ended."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec

from omniq.errors import CodecError
from omniq.models.base import Model
from omniq.models.enums import ResultStatus
from omniq.models.payload import Payload
from omniq.models.task import TaskError

__all__ = ["TaskResult"]


def _now() -> datetime:
    return datetime.now(timezone.utc)


class TaskResult(Model, frozen=True):
    """The record of a task that has ended. One per task id; storing again replaces it. All times are in UTC."""

    #: The task.
    task_id: UUID
    #: How it ended.
    status: ResultStatus
    #: The value that the handler returned, encoded, if the task completed.
    payload: Payload | None = None
    #: The error of a failed task, or the reason of a discarded one.
    error: TaskError | None = None
    #: The task's queue.
    queue: str = ""
    #: The task's function.
    func: str = ""
    #: The name of the worker of the last run.
    worker: str | None = None
    #: The number of the last run.
    attempt: int = 0
    #: The task's metadata.
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    #: When the task was enqueued.
    enqueued_at: datetime | None = None
    #: When the last run began.
    started_at: datetime | None = None
    #: When it ended. Default: now.
    finished_at: datetime = msgspec.field(default_factory=_now)
    #: How long the record is kept from when it is stored; ``None``: without end.
    ttl: timedelta | None = None
    #: When the record expires; set by the storage from `ttl`.
    expires_at: datetime | None = None
    #: The task's arguments, encoded, if the setting `keep_args` asks for that.
    args_payload: Payload | None = None

    @property
    def value(self) -> Any:
        """The value that the handler returned, decoded at each access; ``None`` if there is no value.

        Raises:
            CodecError: If it cannot be decoded; the text has the task's id.
        """
        if self.payload is None:
            return None
        try:
            return self.payload.decode()
        except CodecError as error:
            raise CodecError(f"the value of task {self.task_id} cannot be read: {error.message}") from error

    @property
    def args(self) -> Any:
        """The task's arguments, decoded at each access; ``None`` if they were not kept.

        Raises:
            CodecError: If they cannot be decoded.
        """
        return None if self.args_payload is None else self.args_payload.decode()

    def __hash__(self) -> int:
        return hash((self.task_id, self.finished_at))
