"""The library's log: Python's logger ``omniq`` and its children, such as ``omniq.core.worker``.

The log is independent of task events, which are data. No payload and no password is ever logged, but a failed run is
logged with the message of its exception, unless ``OMNIQ_LOG_ERRORS=type`` or the worker's option ``log_errors`` hides
it. The level is that of the logger ``omniq`` when a storage is opened. It can be set at any time:

- by function: ``set_log_level("debug")`` or ``set_log_level(logging.DEBUG)``;
- by the environment: ``OMNIQ_LOG_LEVEL=debug``, which also writes to stderr unless the program configures logging
  itself.

The Rust side delivers its records in batches, by a thread that is started with the first connection. Its fields follow
the message, and are the dict ``omniq_fields`` of a record.

In the process of a worker each record, of any logger, has the attributes ``omniq_task``, ``omniq_func``,
``omniq_queue`` and ``omniq_attempt``: those of the run that it was logged in, else ``None``.
"""

from __future__ import annotations

import atexit
import logging
import select
import sys
import threading

from omniq import _omniq
from omniq._log_format import FORMATTERS, JsonFormatter, TextFormatter, listed
from omniq.errors import ConfigError, OmniQError, of_kind

__all__ = ["LOGGER", "TRACE", "JsonFormatter", "TextFormatter", "set_log_level"]

#: The library's logger.
LOGGER = logging.getLogger("omniq")
#: The level below ``logging.DEBUG``, named trace on the Rust side.
TRACE = 5


def set_log_level(level: str | int) -> None:
    """Sets the level of the library's log.

    Args:
        level: ``"off"``, ``"error"``, ``"warning"``, ``"info"``, ``"debug"`` or ``"trace"``, or a level of `logging`.

    Raises:
        ConfigError: For another word, or a value of another type.
    """
    global _bad
    if not isinstance(level, str | int):
        words = 'give a word, such as "info", or a level of logging'
        raise ConfigError(f"the log level is refused, being of type {type(level).__name__}: {words}")
    LOGGER.setLevel(_omniq.log_level(level) if isinstance(level, str) else level)
    _bad = None
    _pass_on()


#: The error of a bad ``OMNIQ_LOG_LEVEL``. An import cannot report it in one line, so opening a storage raises it.
_bad: OmniQError | None = None


def check() -> None:
    """Raises `ConfigError` if the environment names a level that does not exist, unless `set_log_level` has set one."""
    if _bad is not None:
        raise of_kind(_bad.kind, _bad.message)


def follow() -> None:
    """Sets the level of the Rust side to that of the logger. Raises as `check`."""
    check()
    _pass_on()


def _pass_on() -> None:
    _omniq.set_log_level(min(max(LOGGER.getEffectiveLevel(), 0), 255))


_configured: tuple[str, str] | None = None


def configure(level: str, style: str) -> None:
    """Writes the log of a program to stderr, unless it has configured logging itself: OmniQ's from this level on, and
    that of others from info on.

    Args:
        level: As for `set_log_level`.
        style: ``"text"`` or ``"json"``.

    Raises:
        ConfigError: For another level.
    """
    global _configured
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[style]())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    set_log_level(level)
    _configured = (level, style)


def configured() -> tuple[str, str] | None:
    """What `configure` was called with, if it was. Processes of tasks are configured in the same way."""
    return _configured


class _UnlessConfigured(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr unless the program has added a handler to the root logger or to ``omniq``."""

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
        # The address of the private server must be visible also if the program has not configured logging.
        logging.getLogger("omniq.server").addHandler(_UnlessConfigured())
        return
    handler = _UnlessConfigured()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)


def flush() -> None:
    """Passes the records of the Rust side to Python's loggers."""
    for level, name, message, given, created in _omniq.take_log_records():
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            fields = dict(given)
            trace = fields.pop("trace", None)
            record = logger.makeRecord(name, level, "(omniq)", 0, message + listed(fields), (), None)
            record.created, record.msecs = created, created % 1 * 1000
            record.omniq_message, record.omniq_fields = message, fields
            # Formatters write it below the message, as the traceback of an exception.
            record.exc_text = None if trace is None else str(trace)
            logger.handle(record)


def _watch(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        # While it waits, no Rust frame is on this thread's stack, so that the interpreter can end at any time.
        poll.poll()
        flush()


def start() -> None:
    """Starts the thread that passes records on. The Rust side calls it once in each process."""
    _pass_on()
    threading.Thread(target=_watch, args=(_omniq.log_fileno(),), name="omniq-log", daemon=True).start()


_from_env()
logging.addLevelName(TRACE, "TRACE")
atexit.register(flush)
