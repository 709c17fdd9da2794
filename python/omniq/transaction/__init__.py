"""Verbs inside the user's own transaction, on a connection of the user's driver."""

from __future__ import annotations

from omniq.transaction.send import (
    enqueue_in,
    enqueue_in_sync,
    execute_in,
    execute_in_sync,
    is_inside,
    is_inside_sync,
)

__all__ = ["enqueue_in", "enqueue_in_sync", "execute_in", "execute_in_sync", "is_inside", "is_inside_sync"]
