"""Runs tasks in processes of their own: a thread for each, which hands over, waits, and ends the process at a stop."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from omniq import _omniq
from omniq._texts import text_of
from omniq.errors import OmniQError
from omniq.worker import child
from omniq.worker.threads import Threads

if TYPE_CHECKING:
    from omniq._omniq import Bridge, Job
    from omniq.app.function import BaseFunction

#: A fresh interpreter: a fork of a process with threads can hang.
_START = multiprocessing.get_context("spawn")


class Processes(Threads):
    """The processes of one worker. They are started as they are needed and live on from run to run."""

    def __init__(self, bridge: Bridge, most: int) -> None:
        super().__init__(bridge, most, "omniq-process", "processes")

    def _work(self) -> None:
        bell = _omniq.Bell()
        process = _Process(bell)
        try:
            while (taken := self.lane.wait(bell)) is not None:
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
        if name == "log_event":
            return job.log_event(*given)
        return job.completion(*given).wait()
    except OmniQError as error:
        return error
    except Exception as error:
        # Such as one whose class cannot be taken to another process.
        return OmniQError(f"{type(error).__name__}: {text_of(error)}", "invalid")


class _Process:
    """One process, started anew after it was ended."""

    def __init__(self, bell: _omniq.Bell) -> None:
        self._bell = bell
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def run(self, function: BaseFunction[..., Any, ..., Any], job: Job, data: bytes, codec: str) -> None:
        """Runs one task and answers it."""
        self._bell.clear()
        try:
            if self._process is None or not self._process.is_alive():
                self._start()
            assert self._pipe is not None
            self._pipe.send((function, child.Facts.of(job), data, codec))
            self._follow(job)
        except Exception as error:
            self.end()
            if job.stop_reason is None:
                job.fail("process", f"the task could not be handed to a process: {error}", None, False)
            else:
                job.fail("stopped", "it was told to stop", None, False)

    def _start(self) -> None:
        self.end()
        self._pipe, theirs = _START.Pipe()
        # The module that holds the tasks may be the one that was started, or lie beside it.
        self._process = _START.Process(target=child.main, args=(theirs, list(sys.path)), daemon=True, name="omniq-task")
        self._process.start()
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
            ready = wait([self._pipe, self._process.sentinel, self._bell])  # type: ignore[list-item]
            if self._pipe in ready:
                try:
                    name, given = self._pipe.recv()
                except (EOFError, OSError):
                    self._gone(job)
                    return
                if name in ("completion", "log_event"):
                    self._pipe.send(_answer(job, name, given))
                    continue
                getattr(job, name)(*given)
                return
            elif self._process.sentinel in ready:
                self._gone(job)
                return

    def _gone(self, job: Job) -> None:
        assert self._process is not None
        self._process.join()
        code = self._process.exitcode
        self.end()
        what = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        job.fail("process_lost", f"the process of the task {what}", None, False)

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
