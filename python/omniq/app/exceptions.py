"""The exceptions that a task raises to choose its outcome, and the one that a wait for its result may raise."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

    from omniq.models import ResultStatus, TaskError, TaskResult

__all__ = ["Discard", "Fail", "Retry", "Snooze", "SoftTimeout", "TaskFailed"]


class Retry(Exception):
    """Raised by a task to be run again.

    Args:
        reason: The reason; kept as the error of this run. Default: none.
        delay: The wait, in seconds or as `timedelta`, at most 100 years. Default: the task's backoff.
        unlimited: Whether the task runs again even if no retries are left; the attempt counts. Default: false: it
            counts as any other retry, and if none is left, the task becomes a dead letter.

    Workers slow down a task that runs again and again without a pause, and name it in the log.
    """

    def __init__(self, reason: str = "", *, delay: float | timedelta | None = None, unlimited: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.unlimited = unlimited


class Snooze(Exception):
    """Raised by a task to be postponed; the attempt is not counted.

    Args:
        delay: The wait, in seconds or as `timedelta`, at most 100 years.
    """

    def __init__(self, delay: float | timedelta) -> None:
        super().__init__(delay)
        self.delay = delay


class Discard(Exception):
    """Raised by a task to be dropped: it is neither retried nor kept as a dead letter.

    The reason is kept in its result.

    Args:
        reason: The reason. Default: none.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Fail(Exception):
    """Raised by a task that has failed for good: it is not retried even if retries are left, and stays as a dead
    letter.

    Args:
        reason: The reason; kept, with the traceback, as the error of this run. Default: none.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class SoftTimeout(asyncio.CancelledError):
    """Raised inside a run once its function's `soft_timeout` is over, so that it can save its work before it ends.

    It is raised once in a run. A run that catches it goes on; one that does not has failed, and its retry rules decide.
    It is a `CancelledError`, so that ``except Exception`` does not catch it, and asyncio's task groups end their tasks.
    """

    def __str__(self) -> str:
        return "the soft timeout of the run is over"


#: The exceptions that say themselves what becomes of the task.
OUTCOMES: Final = (Discard, Fail, Retry, Snooze)


class TaskFailed(Exception):
    """Raised instead of returning a task's value if the task has ended without one.

    The text contains the traceback of the run, as does `error.trace`.
    """

    #: The record of the task.
    result: TaskResult

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self.result = result

    @property
    def task_id(self) -> UUID:
        """The task's id."""
        return self.result.task_id

    @property
    def status(self) -> ResultStatus:
        """How it ended: failed, cancelled, expired or discarded."""
        return self.result.status

    @property
    def error(self) -> TaskError | None:
        """The error of a failed task, or the reason of a discarded one; else ``None``."""
        return self.result.error

    def __str__(self) -> str:
        result = self.result
        text = f"task {result.task_id} ({result.func}) ended as {result.status}"
        if result.error is None:
            return text
        text = f"{text}: {result.error.type}: {result.error.message}"
        return f"{text}\n\n{result.error.trace}" if result.error.trace else text
