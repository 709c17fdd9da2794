"""Runs tasks in processes: each has a thread that sends it tasks, waits for answers, and ends it if a run must stop."""

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

from omniq import _main_guard, _omniq
from omniq._texts import text_of
from omniq.errors import InvalidError, OmniQError
from omniq.logging import configured
from omniq.worker import child
from omniq.worker.threads import Threads

if TYPE_CHECKING:
    from omniq._omniq import Bridge, Run
    from omniq.app.function import BaseFunction

_log = logging.getLogger("omniq")

#: How long a process may take to begin, in seconds, before that is logged.
_SLOW = 20.0
#: How long an idle process may take to tear down what it has made, in seconds.
_LAST = 5.0
#: The requests of a process during a run; any other message is the answer of its run.
_ASKED = ("completion", "completion_refused", "log_event", "predecessors")
#: Starts a new interpreter, because a fork of a process with threads can hang.
_START = multiprocessing.get_context("spawn")


class Processes(Threads):
    """The processes of one worker. They are started on demand, and each runs many tasks."""

    def __init__(self, bridge: Bridge, most: int) -> None:
        super().__init__(bridge, most, "omniq-process", "processes")

    def _work(self) -> None:
        stop_signal = _omniq.StopSignal()
        process = _Process(stop_signal)
        try:
            while (taken := self.run_queue.wait(stop_signal)) is not None:
                function, run, data, codec = taken
                process.run(function, run, data, codec)
                del taken, run
                if self._is_surplus():
                    return
        finally:
            process.close()


def _answer(run: Run, name: str, given: Any) -> Any:
    """The answer to a request of the process."""
    try:
        if name in ("completion", "predecessors"):
            return getattr(run, name)(*given).wait()
        getattr(run, name)(*given)
        return None
    except OmniQError as error:
        return error
    except Exception as error:
        # For example an error whose class cannot be pickled for the other process.
        return InvalidError(f"{type(error).__name__}: {text_of(error)}")


class _Process:
    """One process. It is started again after it was ended."""

    def __init__(self, stop_signal: _omniq.StopSignal) -> None:
        self._stop_signal = stop_signal
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        # Whether it has loaded its modules and takes tasks.
        self._is_ready = False
        _all.add(self)

    def run(self, function: BaseFunction[..., Any, ..., Any], run: Run, data: bytes, codec: str) -> None:
        """Runs one task and answers it."""
        self._stop_signal.clear()
        try:
            if self._process is None or not self._process.is_alive():
                self._start()
            assert self._pipe is not None
            self._pipe.send((function, child.Facts.of(run), data, codec))
            self._follow(run)
        except (BrokenPipeError, ConnectionResetError):
            # The process ended before it had read the whole task.
            self._lost(run)
        except Exception as error:
            self.end()
            if run.stop_reason is None:
                run.fail("process", f"the task could not be handed to a process: {error}", None, False)
            else:
                run.fail("stopped", "it was asked to stop", None, False)

    def _start(self) -> None:
        self.end()
        self._is_ready = False
        self._pipe, theirs = _START.Pipe()
        # The process gets `sys.path`, because the module with the tasks may be the script, or a file in its folder.
        self._process = _START.Process(
            target=child.main, args=(theirs, list(sys.path), configured()), daemon=True, name=_main_guard.NAME
        )
        # Started first, because the start of the resource tracker unblocks these signals in this thread.
        resource_tracker.ensure_running()
        # A signal to the whole group, or from systemd to all processes, must not end the process while it starts. It
        # inherits the blocked signals.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, child.STOPS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()

    def _follow(self, run: Run) -> None:
        """Serves the process until the run is answered, must stop, or the process has ended."""
        assert self._pipe is not None
        assert self._process is not None
        while True:
            if run.stop_reason is not None:
                self.end()
                run.fail("stopped", "it was asked to stop", None, False)
                return
            sources = [self._pipe, self._process.sentinel, self._stop_signal]
            ready = wait(sources, None if self._is_ready else _SLOW)  # type: ignore[arg-type]
            if not ready:
                message = "the process of task %s (%s) takes long to begin; if the script runs again there, %s"
                _log.warning(message, run.id, run.func, _main_guard.REMEDY)
                self._is_ready = True
            if self._pipe in ready:
                try:
                    name, given = self._pipe.recv()
                except (EOFError, OSError):
                    self._lost(run)
                    return
                if name == "ready":
                    self._is_ready = True
                    continue
                if name in _ASKED:
                    self._pipe.send(_answer(run, name, given))
                    continue
                getattr(run, name)(*given)
                return
            elif self._process.sentinel in ready:
                self._lost(run)
                return

    def _lost(self, run: Run) -> None:
        assert self._process is not None
        self._process.join(5.0)
        code = self._process.exitcode
        self.end()
        if code == _main_guard.CODE:
            run.fail("process", f"the script runs again in the process of the task: {_main_guard.REMEDY}", None, True)
            return
        what = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        when = "" if self._is_ready else f" before it could begin; if the script runs again there, {_main_guard.REMEDY}"
        run.fail("process_lost", f"the process of the task {what}{when}", None, False)

    def kill(self) -> None:
        """Kills the process. Its thread does the rest."""
        process = self._process
        if process is not None:
            with contextlib.suppress(Exception):
                process.kill()

    def close(self) -> None:
        """Lets an idle process end by itself, so that it tears down what it has made; kills it if that takes long."""
        if self._process is not None and self._pipe is not None and self._is_ready:
            self._pipe.close()
            self._pipe = None
            self._process.join(_LAST)
        self.end()

    def end(self) -> None:
        """Kills the process, and frees its resources."""
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
    # Runs before the exit handler of multiprocessing, whose module is imported above: that one would send SIGTERM,
    # which these processes ignore, and wait.
    for process in list(_all):
        process.kill()
