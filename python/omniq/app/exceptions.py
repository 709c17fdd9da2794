"""What a task raises to say what should become of it, and what waiting for its result may raise."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from omniq.models import ResultStatus, TaskError, TaskResult

__all__ = ["Discard", "Fail", "Retry", "Snooze", "TaskFailed"]


class Retry(Exception):
    """Raised by a task: run it again.

    Args:
        reason: Why; kept as the error of this run.
        delay: The wait, in seconds or as `timedelta`. Default: the task's own backoff.
        unlimited: The task runs again whatever its number of retries says. Default: the run counts as any failed one,
            and where no retry is left the task becomes a dead letter.

    A task that runs again and again without a pause is slowed, and named in the log.
    """

    def __init__(self, reason: str = "", *, delay: float | timedelta | None = None, unlimited: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.unlimited = unlimited


class Snooze(Exception):
    """Raised by a task: put it off, the attempt not counted.

    Args:
        delay: For how long, in seconds or as `timedelta`.
    """

    def __init__(self, delay: float | timedelta) -> None:
        super().__init__(delay)
        self.delay = delay


class Discard(Exception):
    """Raised by a task: drop it. It is neither retried nor kept as a dead letter; the reason is kept in its result."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Fail(Exception):
    """Raised by a task: it has failed for good. It is not retried, whatever its retries say, and stays as a dead letter.

    Args:
        reason: Why; kept, with the traceback, as the error of this run.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class TaskFailed(Exception):
    """Raised where a task's value is asked for and the task has ended without one.

    The traceback of the worker is in the text, and in `error.trace`.
    """

    #: The record of the task.
    result: TaskResult

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self.result = result

    @property
    def task_id(self) -> UUID:
        """The task."""
        return self.result.task_id

    @property
    def status(self) -> ResultStatus:
        """How it ended: failed, cancelled, expired or discarded."""
        return self.result.status

    @property
    def error(self) -> TaskError | None:
        """Type, message and traceback of the last run, if it failed."""
        return self.result.error

    def __str__(self) -> str:
        result = self.result
        text = f"task {result.task_id} ({result.func}) ended as {result.status}"
        if result.error is None:
            return text
        text = f"{text}: {result.error.type}: {result.error.message}"
        return f"{text}\n\n{result.error.trace}" if result.error.trace else text
