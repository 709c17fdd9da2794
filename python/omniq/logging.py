"""The library's log: Python's logger ``omniq`` and its children, such as ``omniq.core.worker``.

It is apart from task events, which are data. No payload and no password is ever logged. The level is that of the logger
``omniq`` when a storage is opened, and can be set at any time:

- by function: ``set_log_level("debug")`` or ``set_log_level(logging.DEBUG)``;
- by the environment: ``OMNIQ_LOG_LEVEL=debug``, which also writes to stderr as long as the program has not configured
  logging by itself.

The Rust side hands its records over in batches, through a thread that is started with the first connection.
"""

from __future__ import annotations

import atexit
import logging
import select
import sys
import threading

from omniq import _omniq
from omniq.errors import ConfigError, OmniQError, of_kind

__all__ = ["LOGGER", "TRACE", "set_log_level"]

#: The library's logger.
LOGGER = logging.getLogger("omniq")
#: Below ``logging.DEBUG``: what the Rust side calls trace.
TRACE = 5


def set_log_level(level: str | int) -> None:
    """Sets how much the library logs.

    Args:
        level: ``"off"``, ``"error"``, ``"warning"``, ``"info"``, ``"debug"`` or ``"trace"``, or a level of `logging`.

    Raises:
        ConfigError: For another word.
    """
    global _bad
    if not isinstance(level, str | int):
        words = 'give a word, such as "info", or a level of logging'
        raise ConfigError(f"the log level is refused, being of type {type(level).__name__}: {words}")
    LOGGER.setLevel(_omniq.log_level(level) if isinstance(level, str) else level)
    _bad = None
    _pass_on()


#: What is wrong with ``OMNIQ_LOG_LEVEL``. An import cannot say it in one line, so whoever opens a storage is told.
_bad: OmniQError | None = None


def check() -> None:
    """Raises `ConfigError` if the environment names a level that does not exist, and no other was set."""
    if _bad is not None:
        raise of_kind(_bad.kind, _bad.message)


def follow() -> None:
    """Has the Rust side let through what the logger would."""
    check()
    _pass_on()


def _pass_on() -> None:
    _omniq.set_log_level(min(max(LOGGER.getEffectiveLevel(), 0), 255))


class _UnlessConfigured(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr as long as the program has no handler of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers and len(LOGGER.handlers) == 1:
            self.stream = sys.stderr
            super().emit(record)


def _from_env() -> None:
    global _bad
    level = None
    try:
        level = _omniq.log_level_from_env()
    except OmniQError as error:
        _bad = error
    if level is None:
        LOGGER.addHandler(logging.NullHandler())
        # Where tasks go if no database is named must be seen, also by those who have not set up logging.
        logging.getLogger("omniq.server").addHandler(_UnlessConfigured())
        return
    handler = _UnlessConfigured()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)


def hand_over() -> None:
    """Gives Python's loggers what the Rust side has logged."""
    for level, name, message, created in _omniq.take_log_records():
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            record = logger.makeRecord(name, level, "(omniq)", 0, message, (), None)
            record.created, record.msecs = created, created % 1 * 1000
            logger.handle(record)


def _watch(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        # Nothing of Rust is on this thread's stack while it waits, so that the interpreter can end at any time.
        poll.poll()
        hand_over()


def start() -> None:
    """Begins to hand over; called by the Rust side once a process."""
    _pass_on()
    threading.Thread(target=_watch, args=(_omniq.log_fileno(),), name="omniq-log", daemon=True).start()


_from_env()
logging.addLevelName(TRACE, "TRACE")
atexit.register(hand_over)
