"""What the bulk enqueue of queues and backends takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypedDict

from omniq.models import Backoff, NewTask
from omniq.models.after import After, IfFailed

__all__ = ["NewTaskLike", "SharedOptions"]

#: What an ``enqueue_many`` takes for each task.
NewTaskLike: TypeAlias = NewTask | str | tuple[str, Any]


class SharedOptions(TypedDict, total=False):
    """The options of an ``enqueue_many`` that all its tasks share."""

    #: The queue. Default: that of each task, ``"default"`` unless set.
    queue: str
    #: Tasks of higher priority are claimed first: -32768 to 32767. Default: that of each task, 0 unless set.
    priority: int
    #: The earliest start time, with a time zone. Refused together with `delay`. Default: that of each task, else at once.
    run_at: datetime
    #: The earliest start, as a span from now by the database's clock, in seconds or as `timedelta`. Default: that of each
    #: task, else at once.
    delay: float | timedelta
    #: The tasks expire if no worker has begun them within this span, in seconds or as `timedelta`, from the later of
    #: creation and start time. Default: that of each task, else no end.
    ttl: float | timedelta
    #: How many times a task may be retried, 0 to 1,000,000. Default: that of each task, 3 unless set.
    max_retries: int
    #: The wait before a retry. Default: that of each task, else that of `Backoff`.
    backoff: Backoff
    #: The longest that one run may take, in seconds or as `timedelta`. Default: that of each task, else no limit.
    timeout: float | timedelta
    #: The user's data about the tasks, at most 64 KiB as JSON. Default: that of each task, else none.
    metadata: dict[str, Any]
    #: The codec of the arguments. Default: that of each task, else that of the queue or backend.
    codec: str
    #: The tasks that all of them run after: a handle or an id, or a list of these, at most 100,000. Default: those of each
    #: task, else none.
    after: After
    #: What becomes of a task if one that it runs after does not complete: ``"end"`` or ``"run"``. Default: that of each
    #: task, ``"end"`` unless set.
    if_failed: IfFailed
