"""What runs a function for a job: reads the arguments, calls, and answers. Made once for each function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from omniq.app.context import Context
from omniq.app.kinds import heeding, is_coroutine
from omniq.worker.report import complete, report

if TYPE_CHECKING:
    from omniq.app.convert import Value
    from omniq.app.function import BaseFunction
    from omniq.app.plan import Wait
    from omniq.worker.report import Run


def blocking(function: BaseFunction[..., Any, ..., Any], wait: Wait) -> Callable[[Run, bytes, str], None]:
    """For a ``def`` function; what stands around it and is async is awaited by `wait`."""
    plan, arguments, returns = function.plan(), function.arguments, function.returns
    call, read = function.function, arguments.read

    if plan.is_bare:

        def bare(job: Run, data: bytes, codec: str) -> None:
            try:
                args, kwargs = read(data, codec)
                value = call(*args, **kwargs)
                if is_coroutine(value):
                    # An async function behind a decorator.
                    value = wait(heeding(job, value))
            except BaseException as error:
                report(job, error)
            else:
                complete(job, value, codec, returns)

        return bare

    def full(job: Run, data: bytes, codec: str) -> None:
        try:
            value = plan.call(Context(job, codec, returns, False), arguments.named(read(data, codec)), wait)
        except BaseException as error:
            report(job, error)
        else:
            _complete(job, value, codec, returns)

    return full


def coroutine(function: BaseFunction[..., Any, ..., Any]) -> Callable[[Run, bytes, str], Awaitable[None]]:
    """For an ``async def`` function."""
    plan, arguments, returns = function.plan(), function.arguments, function.returns
    call, read = function.function, arguments.read

    if plan.is_bare:

        async def bare(job: Run, data: bytes, codec: str) -> None:
            try:
                args, kwargs = read(data, codec)
                value = await call(*args, **kwargs)
            except BaseException as error:
                _stopped_or_failed(job, error)
            else:
                complete(job, value, codec, returns)

        return bare

    async def full(job: Run, data: bytes, codec: str) -> None:
        try:
            value = await plan.call_async(Context(job, codec, returns, True), arguments.named(read(data, codec)))
        except BaseException as error:
            _stopped_or_failed(job, error)
        else:
            _complete(job, value, codec, returns)

    return full


def _complete(job: Run, value: Any, codec: str, returns: Value) -> None:
    if job.has_completed:
        # What follows a completion in a transaction is not counted, even if it cannot be written.
        job.complete(None, codec)
    else:
        complete(job, value, codec, returns)


def _stopped_or_failed(job: Run, error: BaseException) -> None:
    if not isinstance(error, asyncio.CancelledError):
        report(job, error)
    elif job.stop_reason is not None:
        # It was told to stop, and has: the worker knows why, and what that means for the task.
        job.fail("stopped", "it was told to stop", None, False)
    elif _is_cancelled_from_outside():
        # The loop goes down: the task is handed back, the attempt not counted.
        job.snooze(0)
        raise error
    else:
        report(job, error)


def _is_cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)
    # Python 3.10 does not tell: then it is taken for a failure of the task's own.
    return cancelling is not None and cancelling() > 0
