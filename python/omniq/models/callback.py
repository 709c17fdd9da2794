"""Callbacks: tasks that are enqueued when another task has ended or is retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from omniq import _omniq
from omniq._checks import refused
from omniq.models.backoff import Backoff
from omniq.models.base import Model

__all__ = ["Callback", "EndKind"]

#: How a task, or a run of it, has ended. ``success``: a run has completed it. ``retry``: a run has failed, or its worker
#: was lost, and the task is retried. ``dead``: the last run has failed: it is a dead letter. ``cancelled``: it was
#: cancelled. ``discarded``: a run has dropped it. ``expired``: no worker has begun it in time.
EndKind: TypeAlias = Literal["success", "retry", "dead", "cancelled", "discarded", "expired"]


class Callback(Model, frozen=True, kw_only=True):
    """A callback of a task: the function whose task is enqueued when that task ends in one of these ways. Its argument is
    an `Ended`.

    That task is enqueued in the transaction that ends the other one, also if the end is a cancel, the expiry, or the
    rescue from a lost worker: exactly once for each end. It runs as any task does, at least once.

    Args:
        on (tuple[EndKind, ...]): The ends for which it is: at least one.
        func (str): The name of the function that workers have registered.
        queue (str): The queue of its tasks. Default: ``"default"``.
        priority (int): The priority of its tasks: -32768 to 32767. Default: 0.
        max_retries (int): How many times its tasks may be retried. At most 1,000,000. Default: 3.
        backoff (Backoff | None): The wait before a retry. Default: `Backoff()`.
        timeout (float | timedelta | None): The longest that one run may take, in seconds or as `timedelta`: more than
            zero. Default: no limit.

    Raises:
        InvalidError: For a bad value, naming the field.
    """

    #: The ends for which it is: at least one.
    on: tuple[EndKind, ...]
    #: The name of the function that workers have registered.
    func: str
    #: The queue of its tasks. Default: ``"default"``.
    queue: str = "default"
    #: The priority of its tasks: -32768 to 32767. Default: 0.
    priority: int = 0
    #: How many times its tasks may be retried. At most 1,000,000. Default: 3.
    max_retries: int = 3
    #: The wait before a retry. Default: `Backoff()`.
    backoff: Backoff | None = None
    #: The longest that one run may take, in seconds or as `timedelta`: more than zero. Default: no limit.
    timeout: float | timedelta | None = None

    def __post_init__(self) -> None:
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise refused("backoff", self.backoff, "give a Backoff, such as Backoff.exponential(5) or Backoff.fixed(5)")
        _omniq.check_callback(self)
