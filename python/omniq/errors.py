"""The one exception of OmniQ, with questions; the same on the Rust side."""

from __future__ import annotations

__all__ = ["Cause", "OmniQError"]


class OmniQError(Exception):
    """What went wrong, in a form that a program can ask about and a person can read.

    The message names the value, the limit and, where there is one, the remedy. It never holds a payload or a password.
    An error of the database keeps its SQLSTATE, and its cause as ``__cause__``.

    >>> error = OmniQError('queue name "" is empty: give it 1 to 128 bytes', "invalid")
    >>> error.is_invalid, error.is_unavailable
    (True, False)
    """

    #: The message alone.
    message: str
    #: The name of the kind, such as ``"duplicate"``; the questions are made from it.
    kind: str
    #: The five characters of SQLSTATE, where the database gave them.
    sqlstate: str | None

    def __init__(self, message: str, kind: str = "internal", sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.sqlstate = sqlstate

    def __repr__(self) -> str:
        state = f", sqlstate={self.sqlstate!r}" if self.sqlstate is not None else ""
        return f"OmniQError({self.message!r}, kind={self.kind!r}{state})"

    def __reduce__(self) -> tuple[type[OmniQError], tuple[str, str, str | None]]:
        return (type(self), (self.message, self.kind, self.sqlstate))

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
        """The claim was lost: another worker may have the task by now; nothing was changed."""
        return self.kind == "claim_lost"

    @property
    def is_unavailable(self) -> bool:
        """The database cannot be reached, or broke off; a later try may succeed."""
        return self.kind == "unavailable"

    @property
    def is_pool_timeout(self) -> bool:
        """No connection of the pool became free within the acquire timeout."""
        return self.kind == "pool_timeout"

    @property
    def is_timeout(self) -> bool:
        """The time given by the caller ran out."""
        return self.kind == "timeout"

    @property
    def is_schema_too_new(self) -> bool:
        """The database's schema is newer than this version of the library knows."""
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
        """A blocking method was called where it would stop an event loop that it needs."""
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
        """A setting was refused, or a part that is not configured was asked for."""
        return self.kind == "config"

    @property
    def is_internal(self) -> bool:
        """None of the others; see the cause."""
        return self.kind == "internal"

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later without any change: the server was away, or the pool was full."""
        return self.kind in ("unavailable", "pool_timeout")


class Cause(Exception):
    """What lies behind an `OmniQError`, such as a report of the database's driver; found as ``__cause__``."""
