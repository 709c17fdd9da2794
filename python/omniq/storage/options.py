"""What the bulk enqueue of queues and backends takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypedDict

from omniq.models import Backoff, NewTask

__all__ = ["NewTaskLike", "SharedOptions"]

#: What an ``enqueue_many`` takes for each task.
NewTaskLike: TypeAlias = NewTask | str | tuple[str, Any]


class SharedOptions(TypedDict, total=False):
    """The options of an ``enqueue_many`` that all its tasks share."""

    #: The queue. Default: that of each task, as for the other options.
    queue: str
    #: Tasks of higher priority are claimed first: -32768 to 32767.
    priority: int
    #: The earliest start time, with a time zone.
    run_at: datetime
    #: The earliest start, as a span from now by the database's clock.
    delay: float | timedelta
    #: The tasks expire if no worker has begun them within this span from the later of creation and start time.
    ttl: float | timedelta
    #: How many times a task may be retried, 0 to 1,000,000.
    max_retries: int
    #: The wait before a retry.
    backoff: Backoff
    #: The longest that one run may take.
    timeout: float | timedelta
    #: The user's data about the tasks, at most 64 KiB as JSON.
    metadata: dict[str, Any]
    #: The codec of the arguments.
    codec: str
