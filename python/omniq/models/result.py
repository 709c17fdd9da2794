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
    """The record of a task that has ended. One per task id; storing again replaces it. All times are in UTC.

    Args:
        task_id (UUID): The task.
        status (ResultStatus): How it ended.
        payload (Payload | None): The value that the handler returned, encoded, if the task completed. Default: none.
        error (TaskError | None): The error of a failed task, or the reason of a discarded one. Default: none.
        queue (str): The task's queue. Default: an empty text.
        func (str): The task's function. Default: an empty text.
        worker (str | None): The name of the worker of the last run. Default: none.
        attempt (int): The number of the last run. Default: 0.
        metadata (dict[str, Any]): The task's metadata. Default: an empty dict.
        enqueued_at (datetime | None): When the task was enqueued. Default: not known.
        started_at (datetime | None): When the last run began. Default: not known.
        finished_at (datetime): When it ended. Default: now.
        ttl (timedelta | None): How long the record is kept from when it is stored; ``None``: without end. Default:
            without end.
        expires_at (datetime | None): When the record expires; set by the storage from `ttl`. Default: none.
        args_payload (Payload | None): The task's arguments, encoded, if the setting `keep_args` asks for that. Default:
            none.
    """

    #: The task.
    task_id: UUID
    #: How it ended.
    status: ResultStatus
    #: The value that the handler returned, encoded, if the task completed. Default: none.
    payload: Payload | None = None
    #: The error of a failed task, or the reason of a discarded one. Default: none.
    error: TaskError | None = None
    #: The task's queue. Default: an empty text.
    queue: str = ""
    #: The task's function. Default: an empty text.
    func: str = ""
    #: The name of the worker of the last run. Default: none.
    worker: str | None = None
    #: The number of the last run. Default: 0.
    attempt: int = 0
    #: The task's metadata. Default: an empty dict.
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    #: When the task was enqueued. Default: not known.
    enqueued_at: datetime | None = None
    #: When the last run began. Default: not known.
    started_at: datetime | None = None
    #: When it ended. Default: now.
    finished_at: datetime = msgspec.field(default_factory=_now)
    #: How long the record is kept from when it is stored; ``None``: without end. Default: without end.
    ttl: timedelta | None = None
    #: When the record expires; set by the storage from `ttl`. Default: none.
    expires_at: datetime | None = None
    #: The task's arguments, encoded, if the setting `keep_args` asks for that. Default: none.
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
