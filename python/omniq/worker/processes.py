"""Runs tasks in processes of their own: a thread for each, which hands over, waits, and ends the process at a stop."""

from __future__ import annotations

import atexit
import contextlib
import logging
import multiprocessing
import multiprocessing.util
import signal
import sys
import weakref
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from omniq import _omniq, _spawned
from omniq._texts import text_of
from omniq.errors import InvalidError, OmniQError
from omniq.worker import child
from omniq.worker.threads import Threads

if TYPE_CHECKING:
    from omniq._omniq import Bridge, Job
    from omniq.app.function import BaseFunction

_log = logging.getLogger("omniq")

#: How long a process may take to begin, in seconds, before that is told.
_SLOW = 20.0
#: What a process asks for on its way; all else that it says answers its run.
_ASKED = ("completion", "completion_refused", "log_event")
#: A fresh interpreter: a fork of a process with threads can hang.
_START = multiprocessing.get_context("spawn")


class Processes(Threads):
    """The processes of one worker. They are started as they are needed and live on from run to run."""

    def __init__(self, bridge: Bridge, most: int) -> None:
        super().__init__(bridge, most, "omniq-process", "processes")

    def _work(self) -> None:
        stop_signal = _omniq.StopSignal()
        process = _Process(stop_signal)
        try:
            while (taken := self.run_queue.wait(stop_signal)) is not None:
                function, job, data, codec = taken
                process.run(function, job, data, codec)
                del taken, job
                if self._is_surplus():
                    return
        finally:
            process.end()


def _answer(job: Job, name: str, given: Any) -> tuple[str, str, bytes | None] | Exception | None:
    """What the process is told of what it asked for."""
    try:
        if name == "completion":
            return job.completion(*given).wait()
        getattr(job, name)(*given)
        return None
    except OmniQError as error:
        return error
    except Exception as error:
        # Such as one whose class cannot be taken to another process.
        return InvalidError(f"{type(error).__name__}: {text_of(error)}")


class _Process:
    """One process, started anew after it was ended."""

    def __init__(self, stop_signal: _omniq.StopSignal) -> None:
        self._stop_signal = stop_signal
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        # It has loaded what it needs and takes tasks.
        self._is_ready = False
        _all.add(self)

    def run(self, function: BaseFunction[..., Any, ..., Any], job: Job, data: bytes, codec: str) -> None:
        """Runs one task and answers it."""
        self._stop_signal.clear()
        try:
            if self._process is None or not self._process.is_alive():
                self._start()
            assert self._pipe is not None
            self._pipe.send((function, child.Facts.of(job), data, codec))
            self._follow(job)
        except (BrokenPipeError, ConnectionResetError):
            # It ended before it had read all of the task.
            self._gone(job)
        except Exception as error:
            self.end()
            if job.stop_reason is None:
                job.fail("process", f"the task could not be handed to a process: {error}", None, False)
            else:
                job.fail("stopped", "it was told to stop", None, False)

    def _start(self) -> None:
        self.end()
        self._is_ready = False
        self._pipe, theirs = _START.Pipe()
        # The module that holds the tasks may be the one that was started, or lie beside it.
        self._process = _START.Process(
            target=child.main, args=(theirs, list(sys.path)), daemon=True, name=_spawned.NAME
        )
        # It unblocks them itself when it starts: before, they would unblock them here.
        resource_tracker.ensure_running()
        # A signal to the whole group, or from systemd to all, must not end it on its way; how it is on its way it inherits.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, child.STOPS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()

    def _follow(self, job: Job) -> None:
        """Until the run is answered, stopped, or its process is gone."""
        assert self._pipe is not None
        assert self._process is not None
        while True:
            if job.stop_reason is not None:
                self.end()
                job.fail("stopped", "it was told to stop", None, False)
                return
            told = [self._pipe, self._process.sentinel, self._stop_signal]
            ready = wait(told, None if self._is_ready else _SLOW)  # type: ignore[arg-type]
            if not ready:
                message = "the process of task %s (%s) takes long to begin; if the script runs again there, %s"
                _log.warning(message, job.id, job.func, _spawned.REMEDY)
                self._is_ready = True
            if self._pipe in ready:
                try:
                    name, given = self._pipe.recv()
                except (EOFError, OSError):
                    self._gone(job)
                    return
                if name == "ready":
                    self._is_ready = True
                    continue
                if name in _ASKED:
                    self._pipe.send(_answer(job, name, given))
                    continue
                getattr(job, name)(*given)
                return
            elif self._process.sentinel in ready:
                self._gone(job)
                return

    def _gone(self, job: Job) -> None:
        assert self._process is not None
        self._process.join(5.0)
        code = self._process.exitcode
        self.end()
        if code == _spawned.CODE:
            job.fail("process", f"the script runs again in the process of the task: {_spawned.REMEDY}", None, True)
            return
        what = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        when = "" if self._is_ready else f" before it could begin; if the script runs again there, {_spawned.REMEDY}"
        job.fail("process_lost", f"the process of the task {what}{when}", None, False)

    def kill(self) -> None:
        """Ends the process, and leaves the rest to its thread."""
        process = self._process
        if process is not None:
            with contextlib.suppress(Exception):
                process.kill()

    def end(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


_all: weakref.WeakSet[_Process] = weakref.WeakSet()


@atexit.register
def _kill_all() -> None:
    # Before multiprocessing, whose module is loaded above: it would send SIGTERM, which these do not heed, and wait.
    for process in list(_all):
        process.kill()
