"""Answers a run from the value or the exception of its function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from omniq._texts import kind_of, text_of, trace_of
from omniq.app.arguments import BadArguments
from omniq.app.exceptions import Discard, Fail, Retry, Snooze
from omniq.codecs import why

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from omniq._omniq import Pending
    from omniq.app.context import StopReason
    from omniq.app.convert import Value
    from omniq.models import Task

__all__ = ["Answer", "Run", "answer_anyway", "complete", "report"]


class Answer(Protocol):
    """Takes the one answer of a run: a job of the Rust side, or its representative in another process."""

    def complete(self, value: bytes | None, codec: str) -> None: ...
    def fail(self, kind: str, message: str, trace: str | None, fatal: bool) -> None: ...
    def retry(
        self, delay: float | timedelta | None, message: str | None, trace: str | None, unlimited: bool
    ) -> None: ...
    def snooze(self, delay: float | timedelta) -> None: ...
    def discard(self, reason: str) -> None: ...


class Run(Answer, Protocol):
    """A run as its function sees it: a job of the Rust side, or its representative in another process."""

    @property
    def id(self) -> UUID: ...
    @property
    def func(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def may_retry(self) -> bool: ...
    @property
    def worker(self) -> str: ...
    @property
    def time_left(self) -> float | None: ...
    @property
    def stop_reason(self) -> StopReason | None: ...
    @property
    def has_completed(self) -> bool: ...
    def task(self) -> Task: ...
    def cancelled(self) -> Pending[StopReason]: ...
    def completion(self, value: bytes | None, codec: str) -> Pending[tuple[str, str, bytes | None]]: ...
    def completion_refused(self) -> None: ...
    def log_event(self, kind: str, data: dict[str, Any]) -> None: ...


#: The folder of this package: its frames at the beginning of each traceback are left out, as they do not help users.
_OURS = __file__.removesuffix("worker/report.py")


def complete(answer: Answer, value: Any, codec: str, returns: Value) -> None:
    """Answers a run whose function has returned a value."""
    # The codec of a payload of raw bytes does not suit other values.
    codec = "json" if codec == "raw" else codec
    try:
        data = returns.write(value, codec)
    except BaseException as error:
        answer.fail("bad_result", why(error), None, True)
    else:
        answer.complete(data, codec)


def report(answer: Answer, error: BaseException) -> None:
    """Answers a run whose function has raised this."""
    try:
        if isinstance(error, Retry):
            if error.delay is None and not error.unlimited:
                answer.fail("omniq.Retry", text_of(error.reason), _trace(error), False)
            else:
                answer.retry(error.delay, text_of(error.reason) or None, None, error.unlimited)
        elif isinstance(error, Snooze):
            answer.snooze(error.delay)
        elif isinstance(error, Discard):
            answer.discard(text_of(error.reason))
        elif isinstance(error, Fail):
            answer.fail("omniq.Fail", text_of(error.reason), _trace(error), True)
        elif isinstance(error, BadArguments):
            answer.fail("bad_arguments", text_of(error), None, True)
        else:
            answer.fail(kind_of(error), text_of(error), _trace(error), False)
    except Exception as unfit:
        # For example a delay that is not a span.
        answer.fail(kind_of(unfit), text_of(unfit), _trace(error), False)


def answer_anyway(answer: Answer, error: BaseException) -> None:
    """Answers a run after its regular answer failed, so that it does not keep its slot. Ignored if the run already has
    an answer."""
    answer.fail("unanswered", f"the run could not be answered: {type(error).__name__}", None, False)


def _trace(error: BaseException) -> str:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return trace_of(error, frames)
