"""The runners of functions: a runner decodes a run's arguments, calls the function, and answers the run from its value or
its exception. Each function has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from omniq._texts import kind_of, text_of, trace_of
from omniq.app.arguments import Arguments, BadArguments
from omniq.app.call_plan import CallPlan
from omniq.app.callables import Wait, awaited, is_coroutine
from omniq.app.context import Context
from omniq.app.exceptions import Discard, Fail, Retry, Snooze, SoftTimeout
from omniq.app.rules import Rules
from omniq.app.values import Value
from omniq.worker.run import WORKER, Answer, Host, Run, is_cancelled

__all__ = ["AsyncRunner", "Runner", "async_runner", "complete", "report", "runner"]

#: Runs a ``def`` function: takes the run, the arguments' bytes and their codec.
Runner = Callable[[Run, bytes, str], None]
#: The same for an ``async def`` function.
AsyncRunner = Callable[[Run, bytes, str], Awaitable[None]]

#: The folder of this package: its frames at the beginning of each traceback are left out, as they do not help users.
_OURS = __file__.removesuffix("app/runners.py")


def runner(plan: CallPlan, arguments: Arguments, returns: Value, wait: Wait) -> Runner:
    """The runner of a ``def`` function. `wait` awaits its middleware and dependencies that are async."""
    call, read = plan.function, arguments.read

    def failed(run: Run, codec: str, error: BaseException) -> None:
        report(run, error, plan.rules, lambda: Context(run, codec, returns, False, None, plan.returns_of))

    if plan.is_bare:

        def bare(run: Run, data: bytes, codec: str) -> None:
            try:
                args, kwargs = read(data, codec)
                value = call(*args, **kwargs)
                if is_coroutine(value):
                    # An async function, wrapped by a decorator that is not async.
                    value = awaited(run, value, wait, None)
            except BaseException as error:
                failed(run, codec, error)
            else:
                complete(run, value, codec, returns)

        return bare

    def full(run: Run, data: bytes, codec: str) -> None:
        context = Context(run, codec, returns, False, plan.test, plan.returns_of)
        try:
            value = plan.call(context, arguments.named(read(data, codec)), wait)
        except BaseException as error:
            if not _is_completed(run, context):
                failed(run, codec, error)
        else:
            _complete(run, value, codec, returns, context)

    return full


def async_runner(plan: CallPlan, arguments: Arguments, returns: Value) -> AsyncRunner:
    """The runner of an ``async def`` function."""
    call, read = plan.function, arguments.read

    def failed(run: Run, codec: str, error: BaseException) -> None:
        if not _is_stopped(run, error):
            report(run, error, plan.rules, lambda: Context(run, codec, returns, True, None, plan.returns_of))

    if plan.is_bare:

        async def bare(run: Run, data: bytes, codec: str) -> None:
            try:
                args, kwargs = read(data, codec)
                value = await call(*args, **kwargs)
            except BaseException as error:
                failed(run, codec, error)
            else:
                complete(run, value, codec, returns)

        return bare

    async def full(run: Run, data: bytes, codec: str) -> None:
        context = Context(run, codec, returns, True, plan.test, plan.returns_of)
        try:
            value = await plan.call_async(context, arguments.named(read(data, codec)))
        except BaseException as error:
            if not _is_completed(run, context):
                failed(run, codec, error)
        else:
            _complete(run, value, codec, returns, context)

    return full


def _is_completed(run: Run, context: Context) -> bool:
    """Answers the run of a test that has completed its task in a transaction that was committed."""
    completion = context._completion
    if completion is None or not completion.is_committed:
        return False
    run.complete(completion.data, completion.codec)
    return True


def _complete(run: Run, value: Any, codec: str, returns: Value, context: Context) -> None:
    if context._completion is not None:
        if not _is_completed(run, context):
            # As the worker does where the completion is in the database.
            text = "the transaction in which the run had completed its task was not committed"
            run.fail("rolled_back", text, None, False)
    elif run.has_completed:
        # After a completion in a transaction the value is ignored, even if it cannot be encoded.
        run.complete(None, codec)
    else:
        complete(run, value, codec, returns)


def _is_stopped(run: Run, error: BaseException) -> bool:
    """Whether the run has ended because it was cancelled from outside. It is answered then."""
    if not isinstance(error, asyncio.CancelledError) or isinstance(error, SoftTimeout):
        return False
    if run.stop_reason is not None:
        # The run was asked to stop, and has stopped. The worker knows the reason, and settles the task by it.
        run.fail("stopped", "it was asked to stop", None, False)
        return True
    host = WORKER.get()
    if _is_cancelled_from_outside(host):
        # The loop is shutting down: the task returns to the queue, and the attempt is not counted. Before that the worker is
        # stopped, which may hear of its own cancel later, and would claim the task again.
        if host is not None:
            host.stop()
        run.snooze(0)
        raise error
    return False


def _is_cancelled_from_outside(host: Host | None) -> bool:
    # The end of a loop cancels all its tasks, that of the worker as well. A run that cancels itself has failed.
    # Python 3.10 cannot tell this; there the cancellation is taken for a failure of the task.
    tasks = (asyncio.current_task(), host and host.task)
    return all(task is None or task.done() or is_cancelled(task) for task in tasks)


def complete(answer: Answer, value: Any, codec: str, returns: Value) -> None:
    """Answers a run whose function has returned a value."""
    # The codec of a payload of raw bytes does not suit other values.
    codec = "json" if codec == "raw" else codec
    try:
        data = returns.write(value, codec)
    except BaseException as error:
        answer.fail("bad_result", text_of(error), None, True)
    else:
        answer.complete(data, codec)


def report(answer: Answer, error: BaseException, rules: Rules, context: Callable[[], Context]) -> None:
    """Answers a run whose function has raised this, as the exception itself or the function's retry rules say."""
    try:
        if isinstance(error, Retry):
            if error.delay is None and not error.unlimited:
                answer.fail("omniq.Retry", text_of(error.reason), _trace(error), False)
            else:
                answer.retry(error.delay, "omniq.Retry", text_of(error.reason) or None, None, error.unlimited)
        elif isinstance(error, Snooze):
            answer.snooze(error.delay)
        elif isinstance(error, Discard):
            answer.discard(text_of(error.reason))
        elif isinstance(error, Fail):
            answer.fail("omniq.Fail", text_of(error.reason), _trace(error), True)
        elif isinstance(error, BadArguments):
            answer.fail("bad_arguments", text_of(error), None, True)
        else:
            verdict = rules.decide(error, context()) if rules.decides else True
            kind, text, trace = kind_of(error), text_of(error), _trace(error)
            if isinstance(verdict, bool):
                answer.fail(kind, text, trace, not verdict)
            else:
                answer.retry(verdict, kind, text, trace, False)
    except Exception as unfit:
        # For example a delay that is not a span, or what a function `retry_when` has raised.
        answer.fail(kind_of(unfit), text_of(unfit), _trace(unfit), False)


def _trace(error: BaseException) -> str:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return trace_of(error, frames)
