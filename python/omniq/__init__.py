"""OmniQ: a task queue on PostgreSQL.

Tasks, results and events are three independent stores behind common interfaces.
"""

from __future__ import annotations

import os

from omniq._omniq import __version__, after_fork
from omniq.errors import Cause, OmniQError

__all__ = ["Cause", "OmniQError", "__version__"]

os.register_at_fork(after_in_child=after_fork)
