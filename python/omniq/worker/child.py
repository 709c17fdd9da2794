"""The main function of a process that runs tasks: it gets them by a pipe, and answers by the same pipe."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from omniq import _log_context
from omniq._texts import kind_of, text_of, trace_of
from omniq.errors import InvalidError
from omniq.logging import configure
from omniq.worker.hold import hold
from omniq.worker.run import answer_anyway

if TYPE_CHECKING:
    from uuid import UUID

    from omniq._omniq import Run, _RawStatement
    from omniq.app.function import BaseFunction
    from omniq.app.lifespan import Lifespan
    from omniq.app.runners import Runner
    from omniq.models import Task


#: The signals that stop a worker; they must not stop its processes.
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Facts(NamedTuple):
    """The facts about a run that are sent to its process."""

    task: Task
    may_retry: bool
    worker: str
    time_left: float | None

    @classmethod
    def of(cls, run: Run) -> Facts:
        """The facts of this run."""
        return cls(run.task(), run.may_retry, run.worker, run.time_left)


class RemoteRun:
    """A run, in its process: it answers questions from the facts that were sent, and sends answers and requests to the
    worker's process."""

    def __init__(self, pipe: Connection, facts: Facts) -> None:
        self._pipe = pipe
        self._facts = facts
        self._completions = 0
        self._lock = threading.Lock()
        self._end = None if facts.time_left is None else time.monotonic() + facts.time_left

    @property
    def stop_reason(self) -> None:
        # The process of a run that should stop is ended from outside.
        return None

    def cancelled(self) -> Any:
        raise InvalidError("a task in a process is not notified of a stop: it is ended")

    def task(self) -> Task:
        return self._facts.task

    @property
    def id(self) -> UUID:
        return self._facts.task.id

    @property
    def func(self) -> str:
        return self._facts.task.func

    @property
    def queue(self) -> str:
        return self._facts.task.queue

    @property
    def attempt(self) -> int:
        return self._facts.task.attempt

    @property
    def may_retry(self) -> bool:
        return self._facts.may_retry

    @property
    def worker(self) -> str:
        return self._facts.worker

    @property
    def time_left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def completion(self, value: bytes | None, codec: str) -> Any:
        return RemoteCompletion(self, value, codec)

    def predecessors(self) -> Any:
        return RemoteAnswer(self, "predecessors")

    def ask_for_completion(self, value: bytes | None, codec: str) -> _RawStatement:
        with hold:
            answer: _RawStatement = self._ask("completion", value, codec)
            self._completions += 1
        return answer

    def completion_refused(self) -> None:
        with hold:
            self._ask("completion_refused")
            self._completions -= 1

    @property
    def has_completed(self) -> bool:
        return self._completions > 0

    def log_event(self, kind: str, data: dict[str, Any]) -> None:
        self._ask("log_event", kind, data)

    def ask(self, name: str) -> Any:
        """The answer to a request without arguments."""
        return self._ask(name)

    def _ask(self, name: str, *given: Any) -> Any:
        """The answer of the worker's process to a request. Callable from any thread."""
        # A soft timeout must not part a question from its answer, nor a message in two.
        with hold, self._lock:
            self._pipe.send((name, given))
            answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def complete(self, value: bytes | None, codec: str) -> None:
        self._pipe.send(("complete", (value, codec)))

    def fail(self, kind: str, message: str, trace: str | None, fatal: bool) -> None:
        self._pipe.send(("fail", (kind, message, trace, fatal)))

    def retry(self, delay: Any, kind: str, message: str | None, trace: str | None, unlimited: bool) -> None:
        self._pipe.send(("retry", (delay, kind, message, trace, unlimited)))

    def snooze(self, delay: Any) -> None:
        self._pipe.send(("snooze", (delay,)))

    def discard(self, reason: str) -> None:
        self._pipe.send(("discard", (reason,)))


class RemoteAnswer(NamedTuple):
    """A question, which the worker's process answers."""

    run: RemoteRun
    name: str

    def wait(self) -> Any:
        """Waits for the answer."""
        return self.run.ask(self.name)


class RemoteCompletion(NamedTuple):
    """A `completion` call, which the worker's process executes."""

    run: RemoteRun
    value: bytes | None
    codec: str

    def wait(self) -> _RawStatement:
        """Waits for the answer."""
        return self.run.ask_for_completion(self.value, self.codec)


def main(pipe: Connection, path: list[str], log: tuple[str, str] | None) -> None:
    """Runs tasks until the pipe is closed. `log`: how the log is configured in the worker's process."""
    sys.path[:] = path
    _log_context.install()
    if log is not None:
        configure(*log)
    # A signal to all processes of a terminal, a group or a service is meant for the worker, which decides when this
    # process ends. Handlers ignore them, not SIG_IGN, which programs that a task starts would inherit. The signals were
    # blocked until here.
    for number in STOPS:
        signal.signal(number, _left_to_the_worker)
        signal.siginterrupt(number, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    pipe.send(("ready", ()))
    runners = _Runners()
    try:
        _serve(pipe, runners)
    finally:
        runners.close()


def _serve(pipe: Connection, runners: _Runners) -> None:
    while True:
        try:
            given: tuple[BaseFunction[..., Any, ..., Any], Facts, bytes, str] = pipe.recv()
        except EOFError:
            return
        except Exception as error:
            # For example a missing module, or a task that is defined inside a function.
            text = f"the task cannot be found in a new process: {type(error).__name__}: {error}"
            pipe.send(("fail", ("process", text, None, True)))
            continue
        function, facts, data, codec = given
        run = RemoteRun(pipe, facts)
        try:
            runner = runners.of(function)
        except Exception as error:
            run.fail(kind_of(error), text_of(error), trace_of(error), False)
            continue
        token = _log_context.CURRENT.set(run)
        try:
            runner(run, data, codec)
        except BaseException as error:
            answer_anyway(run, error)
        _log_context.CURRENT.reset(token)


class _Runners:
    """The runners of this process, and the values of the worker's scope."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._made: dict[str, Runner] = {}
        self._lifespan: Lifespan | None = None

    def of(self, function: BaseFunction[..., Any, ..., Any]) -> Runner:
        """The runner of this function. What it raises comes from the values that the function needs."""
        runner = self._made.get(function.name)
        if runner is None:
            wait = self._loop.run_until_complete
            if self._lifespan is None:
                self._lifespan = function.app._new_lifespan()
            plan = function.plan(self._lifespan.values)
            wait(self._lifespan.open())
            wait(self._lifespan.open_for(plan.needs))
            runner = self._made[function.name] = function.make_runner(plan, wait)
        return runner

    def close(self) -> None:
        """Tears the values down. An error is printed to stderr with the traceback, as an error of any process is."""
        try:
            if self._lifespan is not None:
                self._loop.run_until_complete(self._lifespan.close())
        finally:
            self._loop.close()


def _left_to_the_worker(*_: object) -> None:
    pass


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
