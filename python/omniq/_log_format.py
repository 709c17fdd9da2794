"""How `omniq worker` writes its log: lines of text, or lines of JSON. Both show which run a line belongs to."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

import msgspec

from omniq._log_context import FIELDS

__all__ = ["FORMATTERS", "JsonFormatter", "TextFormatter"]

_USUAL = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """A line with time, level, logger and message; in the run of a task also the task's id, function, queue and
    attempt."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback."""
        return super().formatMessage(record) + listed(_run_of(record))


class JsonFormatter(logging.Formatter):
    """A JSON object in a line: ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``; in the run of a task also
    ``task``, ``func``, ``queue`` and ``attempt``; then the fields of OmniQ's own lines, or what a program has given as
    ``extra``; and ``trace``, the traceback. Values that JSON does not have are written as their text."""

    def format(self, record: logging.LogRecord) -> str:
        """The object as text."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": getattr(record, "omniq_message", None) or record.getMessage(),
            **_run_of(record),
            **getattr(record, "omniq_fields", {}),
        }
        for name, value in vars(record).items():
            if name not in _USUAL and not name.startswith("omniq_"):
                fields.setdefault(name, value)
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        if trace:
            fields["trace"] = trace
        if record.stack_info:
            fields["stack"] = record.stack_info
        try:
            return msgspec.json.encode(fields, enc_hook=str).decode()
        except Exception:
            # For example a dict whose keys are no texts.
            return msgspec.json.encode({name: str(value) for name, value in fields.items()}).decode()


def listed(fields: dict[str, Any]) -> str:
    """The fields as they follow a message in a line of text."""
    return "".join(f" {name}={_word(value)}" for name, value in fields.items())


def _word(value: object) -> str:
    text = str(value)
    plain = text and text.isprintable() and not any(sign in text for sign in ' "=')
    return text if plain else msgspec.json.encode(text).decode()


def _run_of(record: logging.LogRecord) -> dict[str, Any]:
    if getattr(record, FIELDS["task"], None) is None:
        return {}
    return {name: getattr(record, attribute) for name, attribute in FIELDS.items()}


#: The formatters by the name of ``--log-format``.
FORMATTERS: dict[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
