"""Which run the present code belongs to, so that each record of `logging` carries its task, function, queue and
attempt."""

from __future__ import annotations

import contextvars
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omniq.worker.run import Run

__all__ = ["CURRENT", "FIELDS", "install"]

#: The run that the present code belongs to. What a run starts on the event loop inherits it, as any context variable.
CURRENT: contextvars.ContextVar[Run | None] = contextvars.ContextVar("omniq_run", default=None)

#: The names of a run's facts in lines of the log, and those of their attributes of a record. The latter are prefixed,
#: because `logging` raises an error for a program's own ``extra`` of the same name.
FIELDS = {"task": "omniq_task", "func": "omniq_func", "queue": "omniq_queue", "attempt": "omniq_attempt"}


class _Factory:
    """Makes records as the factory before it, and adds the run."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._before(*args, **kwargs)
        run = CURRENT.get()
        if run is None:
            record.omniq_task = record.omniq_func = record.omniq_queue = record.omniq_attempt = None
        else:
            record.omniq_task, record.omniq_func = str(run.id), run.func
            record.omniq_queue, record.omniq_attempt = run.queue, run.attempt
        return record


def install() -> None:
    """From now on the records of this process carry their run. Workers call it."""
    before = logging.getLogRecordFactory()
    if not isinstance(before, _Factory):
        logging.setLogRecordFactory(_Factory(before))
