"""For the tests of your own application: a fresh schema, everything in memory, or tasks that run at enqueue.

The pytest plugin comes with the package: see `omniq.testing.plugin` for its fixtures.
"""

from omniq.testing.checks import assert_enqueued, enqueued
from omniq.testing.modes import eager, in_memory, on_database

__all__ = ["assert_enqueued", "eager", "enqueued", "in_memory", "on_database"]
