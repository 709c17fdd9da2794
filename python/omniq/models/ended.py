"""The argument of a callback."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from omniq.models.base import Model
from omniq.models.callback import EndKind
from omniq.models.task import TaskError

__all__ = ["Ended"]


class Ended(Model, frozen=True):
    """The argument of a callback: what has ended, and how.

    Args:
        task_id (UUID): The task.
        kind (EndKind): How it has ended.
        queue (str): Its queue.
        func (str): The name of its function.
        attempt (int): The number of the run that has ended, or of the last one before; 0 if there was none.
        at (datetime): When it ended, by the clock of the process that ended it.
        error (TaskError | None): The error of the run, or the reason that was given, without its trace. Default: none.
        worker (str | None): The name of the worker that ran it, or that was lost. Default: none.
        metadata (dict[str, Any]): The task's metadata. Default: none.
    """

    #: The task.
    task_id: UUID
    #: How it has ended.
    kind: EndKind
    #: Its queue.
    queue: str
    #: The name of its function.
    func: str
    #: The number of the run that has ended, or of the last one before; 0 if there was none.
    attempt: int
    #: When it ended, by the clock of the process that ended it.
    at: datetime
    #: The error of the run, or the reason that was given, without its trace. Default: none.
    error: TaskError | None = None
    #: The name of the worker that ran it, or that was lost. Default: none.
    worker: str | None = None
    #: The task's metadata. Default: none.
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
