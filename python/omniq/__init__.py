"""OmniQ: a task queue on PostgreSQL.

Tasks, results and events are three independent stores with common interfaces. Each can be kept in your PostgreSQL
database, in another one, in memory, or in a custom storage. Each async class has a blocking twin.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from omniq._equivalents import MODULE
from omniq._generated.backend import Backend
from omniq._omniq import __version__, after_fork
from omniq.app import (
    AsyncHandle,
    AsyncOmniQ,
    AsyncTaskGroup,
    Context,
    Depends,
    Discard,
    EnqueueCall,
    Fail,
    Handle,
    OmniQ,
    Retry,
    Snooze,
    SoftTimeout,
    TaskFailed,
    TaskGroup,
    as_completed,
    as_completed_sync,
    gather,
    gather_sync,
    injected,
)
from omniq.backend.base import AsyncBackend
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.errors import (
    BlockingInAsyncError,
    Cause,
    ClaimLostError,
    ClosedError,
    CodecError,
    ConfigError,
    ConflictError,
    DuplicateError,
    InvalidError,
    NotFoundError,
    OmniQError,
    PermissionDeniedError,
    PoolTimeoutError,
    SchemaMissingError,
    SchemaTooNewError,
    UnavailableError,
)

# Not in `__all__`: `from omniq import *` must not hide the built-in one.
from omniq.errors import TimeoutError as TimeoutError
from omniq.logging import set_log_level
from omniq.models import (
    At,
    Backoff,
    Callback,
    Cron,
    Ended,
    Enqueued,
    Every,
    NewTask,
    Payload,
    Predecessor,
    Predecessors,
    SavedSchedule,
    Schedule,
    Task,
    TaskError,
    TaskEvent,
    TaskResult,
    Tick,
    Unique,
)
from omniq.settings import Settings

__all__ = [
    "AsyncBackend",
    "AsyncHandle",
    "AsyncOmniQ",
    "AsyncPostgresBackend",
    "AsyncTaskGroup",
    "At",
    "Backend",
    "Backoff",
    "BlockingInAsyncError",
    "Callback",
    "Cause",
    "ClaimLostError",
    "ClosedError",
    "CodecError",
    "ConfigError",
    "ConflictError",
    "Context",
    "Cron",
    "Depends",
    "Discard",
    "DuplicateError",
    "Ended",
    "EnqueueCall",
    "Enqueued",
    "Every",
    "Fail",
    "Handle",
    "InvalidError",
    "NewTask",
    "NotFoundError",
    "OmniQ",
    "OmniQError",
    "Payload",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "PostgresBackend",
    "Predecessor",
    "Predecessors",
    "Retry",
    "SavedSchedule",
    "Schedule",
    "SchemaMissingError",
    "SchemaTooNewError",
    "Settings",
    "Snooze",
    "SoftTimeout",
    "Task",
    "TaskError",
    "TaskEvent",
    "TaskFailed",
    "TaskGroup",
    "TaskResult",
    "Tick",
    "UnavailableError",
    "Unique",
    "__version__",
    "as_completed",
    "as_completed_sync",
    "gather",
    "gather_sync",
    "injected",
    "set_log_level",
]

os.register_at_fork(after_in_child=after_fork)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        found = MODULE.get(name)
        if found is not None:
            # No `AttributeError`: `from omniq import …` would leave its text out.
            raise ImportError(f"omniq has no {name}: its equivalent is {found}", name=__name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
