"""The runners of functions: a runner decodes a job's arguments, calls the function, and answers the job. Each function
has one."""

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
    """The runner of a ``def`` function. `wait` awaits its middleware and dependencies that are async."""
    plan, arguments, returns = function.plan(), function.arguments, function.returns
    call, read = function.function, arguments.read

    if plan.is_bare:

        def bare(job: Run, data: bytes, codec: str) -> None:
            try:
                args, kwargs = read(data, codec)
                value = call(*args, **kwargs)
                if is_coroutine(value):
                    # An async function, wrapped by a decorator that is not async.
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
    """The runner of an ``async def`` function."""
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
        # After a completion in a transaction the value is ignored, even if it cannot be encoded.
        job.complete(None, codec)
    else:
        complete(job, value, codec, returns)


def _stopped_or_failed(job: Run, error: BaseException) -> None:
    if not isinstance(error, asyncio.CancelledError):
        report(job, error)
    elif job.stop_reason is not None:
        # The run was asked to stop, and has stopped. The worker knows the reason, and settles the task by it.
        job.fail("stopped", "it was told to stop", None, False)
    elif _is_cancelled_from_outside():
        # The loop is shutting down: the task returns to the queue, and the attempt is not counted.
        job.snooze(0)
        raise error
    else:
        report(job, error)


def _is_cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)
    # Python 3.10 cannot tell this; there the cancellation is taken for a failure of the task.
    return cancelling is not None and cancelling() > 0
