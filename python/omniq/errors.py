"""The exceptions of OmniQ: one class for each kind of error.

The kinds are those of the Rust side, except `task_failed`, for which `omniq.TaskFailed` is raised.
"""

from __future__ import annotations

import builtins
from typing import ClassVar

__all__ = [
    "BlockingInAsyncError",
    "Cause",
    "ClaimLostError",
    "ClosedError",
    "CodecError",
    "ConfigError",
    "ConflictError",
    "DuplicateError",
    "InvalidError",
    "NotFoundError",
    "OmniQError",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "SchemaMissingError",
    "SchemaTooNewError",
    "TimeoutError",
    "UnavailableError",
]


#: SQLSTATEs of statements that the server rolled back for a passing reason: cancelled or timed out, a lock that was not
#: granted in time, a serialization failure, a deadlock. The same on the Rust side.
_UNDONE = ("57014", "55P03", "40001", "40P01")


class OmniQError(Exception):
    """The base of all errors of OmniQ. An instance of this class itself is an error of no other kind: see its cause.

    Catch the subclasses that you handle, or test the kind: ``is_not_found`` is true for a `NotFoundError`, and so on.
    The message names the value, the limit and, if there is one, the remedy. It never contains a payload or a password.
    A database error keeps its SQLSTATE, and its cause as ``__cause__``.

    >>> error = InvalidError('queue name "" is empty: give it 1 to 128 bytes')
    >>> isinstance(error, ValueError), error.is_invalid, error.is_unavailable
    (True, True, False)

    Args:
        message: The message.
        sqlstate: The SQLSTATE, five characters, if the database reported one. Default: none.
    """

    #: The name of the kind, such as ``"duplicate"``; each kind has one class.
    kind: ClassVar[str] = "internal"
    #: The message alone, without the cause.
    message: str
    #: The SQLSTATE (five characters) if the database reported one, else ``None``.
    sqlstate: str | None

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate

    def __repr__(self) -> str:
        state = f", sqlstate={self.sqlstate!r}" if self.sqlstate is not None else ""
        return f"{type(self).__name__}({self.message!r}{state})"

    @property
    def is_invalid(self) -> bool:
        """An argument was refused; nothing was written."""
        return self.kind == "invalid"

    @property
    def is_duplicate(self) -> bool:
        """The id is in use already; nothing was written."""
        return self.kind == "duplicate"

    @property
    def is_not_found(self) -> bool:
        """There is no such task, result or object."""
        return self.kind == "not_found"

    @property
    def is_conflict(self) -> bool:
        """The task is in a state that forbids the verb (such as deleting a running task)."""
        return self.kind == "conflict"

    @property
    def is_claim_lost(self) -> bool:
        """The claim no longer holds: another worker may have the task by now; nothing was changed."""
        return self.kind == "claim_lost"

    @property
    def is_unavailable(self) -> bool:
        """The database cannot be reached, or the connection broke. The call may have been carried out; a later try may
        succeed."""
        return self.kind == "unavailable"

    @property
    def is_pool_timeout(self) -> bool:
        """No connection of the pool became free within the acquire timeout; nothing was sent to the database."""
        return self.kind == "pool_timeout"

    @property
    def is_timeout(self) -> bool:
        """A time limit ran out, such as the caller's timeout."""
        return self.kind == "timeout"

    @property
    def is_schema_too_new(self) -> bool:
        """The database's schema is newer than this version of the library can use."""
        return self.kind == "schema_too_new"

    @property
    def is_schema_missing(self) -> bool:
        """The schema or a table of it is missing, or older than this version needs."""
        return self.kind == "schema_missing"

    @property
    def is_permission_denied(self) -> bool:
        """The database role lacks a privilege."""
        return self.kind == "permission_denied"

    @property
    def is_blocking_in_async(self) -> bool:
        """A blocking method was called on the event loop that it needs."""
        return self.kind == "blocking_in_async"

    @property
    def is_closed(self) -> bool:
        """The object was closed."""
        return self.kind == "closed"

    @property
    def is_codec(self) -> bool:
        """A payload cannot be encoded or decoded."""
        return self.kind == "codec"

    @property
    def is_config(self) -> bool:
        """A setting was refused, or the call needs a part that is not configured, such as a result storage."""
        return self.kind == "config"

    @property
    def is_internal(self) -> bool:
        """Any other error; see the cause."""
        return self.kind == "internal"

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later without any change: the server was unreachable, the pool was
        exhausted, or the server rolled the statement back for a passing reason (cancelled or timed out, a lock of
        another session, a serialization failure, a deadlock)."""
        return self.kind in ("unavailable", "pool_timeout") or self.sqlstate in _UNDONE


class InvalidError(OmniQError, ValueError):
    """An argument was refused; nothing was written."""

    kind = "invalid"


class DuplicateError(OmniQError):
    """The id is in use already; nothing was written."""

    kind = "duplicate"


class NotFoundError(OmniQError, LookupError):
    """There is no such task, result or object."""

    kind = "not_found"


class ConflictError(OmniQError):
    """The task is in a state that forbids the verb (such as deleting a running task)."""

    kind = "conflict"


class ClaimLostError(OmniQError):
    """The claim no longer holds: another worker may have the task by now; nothing was changed."""

    kind = "claim_lost"


class UnavailableError(OmniQError, ConnectionError):
    """The database cannot be reached, or the connection broke. The call may have been carried out; a later try may
    succeed."""

    kind = "unavailable"


class PoolTimeoutError(OmniQError):
    """No connection of the pool became free within the acquire timeout; nothing was sent to the database.

    It is not a subclass of `TimeoutError`, because a caller that waits for a result concludes from that error that the
    task has not ended yet.
    """

    kind = "pool_timeout"


class TimeoutError(OmniQError, builtins.TimeoutError):
    """A time limit ran out, such as the caller's timeout."""

    kind = "timeout"


class SchemaTooNewError(OmniQError):
    """The database's schema is newer than this version of the library can use."""

    kind = "schema_too_new"


class SchemaMissingError(OmniQError):
    """The schema or a table of it is missing, or older than this version needs."""

    kind = "schema_missing"


class PermissionDeniedError(OmniQError, PermissionError):
    """The database role lacks a privilege."""

    kind = "permission_denied"


class BlockingInAsyncError(OmniQError, RuntimeError):
    """A blocking method was called on the event loop that it needs."""

    kind = "blocking_in_async"


class ClosedError(OmniQError, RuntimeError):
    """The object was closed."""

    kind = "closed"


class CodecError(OmniQError, ValueError):
    """A payload cannot be encoded or decoded."""

    kind = "codec"


class ConfigError(OmniQError):
    """A setting was refused, or the call needs a part that is not configured, such as a result storage."""

    kind = "config"


_CLASSES: dict[str, type[OmniQError]] = {made.kind: made for made in OmniQError.__subclasses__()}


def of_kind(kind: str, message: str, sqlstate: str | None = None) -> OmniQError:
    """The error of this kind, as named on the Rust side; an `OmniQError` itself for an unknown kind."""
    return _CLASSES.get(kind, OmniQError)(message, sqlstate=sqlstate)


class Cause(Exception):
    """The cause of an `OmniQError`, such as an error of the database driver; it is the error's ``__cause__``."""
