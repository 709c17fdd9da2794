"""Verbs inside the user's own transaction, on a connection of the user's driver."""

from __future__ import annotations

from omniq.transaction.enqueue import Enqueue, enqueue_in, enqueue_in_sync, of_tasks
from omniq.transaction.send import complete_in, complete_in_sync

__all__ = ["Enqueue", "complete_in", "complete_in_sync", "enqueue_in", "enqueue_in_sync", "of_tasks"]
