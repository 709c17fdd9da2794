"""Helpers for the tests of an application: a fresh schema, everything in memory, or tasks that run at enqueue.

The package includes a pytest plugin: see `omniq.testing.plugin` for its fixtures.
"""

from omniq.testing.checks import assert_enqueued, enqueued
from omniq.testing.modes import advance, eager, in_memory, on_database

__all__ = ["advance", "assert_enqueued", "eager", "enqueued", "in_memory", "on_database"]
