"""A worker as a process: it runs until a signal stops it, and then ends in time, even if a task hangs.

Python's signal handlers in C write signals to a descriptor of the Rust side, which stops the worker and finally ends
the process: neither a task that blocks the loop nor one that holds the interpreter can delay it
(`docs/decisions/0031-signals.md`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from omniq import _omniq
from omniq.errors import ConfigError
from omniq.logging import flush
from omniq.worker.worker import AsyncWorker

if TYPE_CHECKING:
    from typing_extensions import Self

    from omniq.app.base import BaseApp
    from omniq.worker.options import WorkerOptions
    from omniq.worker.running import RunningWorker

_log = logging.getLogger("omniq")
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
#: How long threads that tasks have started may go on after the main thread has ended, in seconds.
_AFTER_MAIN = 3.0


def serve(
    apps: Sequence[BaseApp],
    options: WorkerOptions,
    loop: str = "asyncio",
    last: bool = False,
    supervised: bool = False,
    begun: Callable[[Sequence[RunningWorker]], object] = lambda _: None,
) -> None:
    """Runs a worker for each application until SIGTERM or SIGINT, which stop them gracefully; a second signal, or
    SIGQUIT, stops them at once. Once one of the workers has ended, the others are stopped as well.

    If runs ignore the stop and go on, the process ends with them; otherwise this returns.

    Args:
        apps: The applications. They are closed at the end.
        options: The options of each worker.
        loop: ``"asyncio"`` or ``"uvloop"``.
        last: Whether the program does nothing afterwards but end. The process then ends in time.
        supervised: Whether only SIGQUIT stops at once.
        begun: Called with the workers before they run.

    Raises:
        ConfigError: For a bad option, and on another thread than the main one.
        OmniQError: The first error that a worker has ended with.
    """
    if asyncio._get_running_loop() is not None:
        raise ConfigError(
            "run_worker blocks, and the event loop of this thread would stand still: use app.worker(), such as"
            " `async with app.worker():`, or `with app.worker():` of an OmniQ"
        )
    runner = _runner(loop)
    if threading.current_thread() is not threading.main_thread():
        message = "signals stop the worker, and they come to the main thread: call this there, or use app.worker()"
        raise ConfigError(message)
    with Signals(last) as signals:

        async def main() -> None:
            try:
                running = [AsyncWorker(app, options)._begin(ends_process=True) for app in apps]
                signals.stop(running, supervised)
                begun(running)
                await _together(running)
            finally:
                for app in apps:
                    await app._close_async()

        runner(main())


async def _together(workers: Sequence[RunningWorker]) -> None:
    """Runs all until they have stopped; once one has ended, the others are stopped. Raises the first error."""
    open_ = {asyncio.ensure_future(one.until_stopped()) for one in workers}
    errors: list[BaseException] = []
    try:
        while open_:
            ended, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
            for one in workers:
                one.stop()
            errors += [error for task in ended if (error := task.exception()) is not None]
    except asyncio.CancelledError:
        for task in open_:
            task.cancel()
        await asyncio.wait(open_)
        raise
    for error in errors[1:]:
        _log.error("another worker has failed as well: %s", error)
    if errors:
        raise errors[0]


class Signals:
    """Directs the signals of this process to its workers, and restores the former handlers afterwards."""

    #: The instance that handles the signals of this process now.
    current: Signals | None = None

    def __init__(self, last: bool) -> None:
        self._core = _omniq.Signals()
        self._last = last
        self._before: dict[int, Any] = {}
        self._threads = set(threading.enumerate())

    def __enter__(self) -> Self:
        Signals.current = self
        self._before = {number: signal.signal(number, self._late) for number in _STOPS}
        self._fd = self._take()
        return self

    def __exit__(self, *_: object) -> None:
        if self._last:
            return
        self.give_back()
        if self._core.done():
            threading.Thread(target=self._end_after_main, name="omniq-end", daemon=True).start()

    def stop(self, running: Sequence[RunningWorker], supervised: bool) -> None:
        """From now on the signals stop these workers."""
        # Set again, because the loop may have set its own wake-up descriptor.
        self._take()
        tear_down = max(one.tear_down for one in running)
        self._core.stop_by_signals([one.core for one in running], tear_down, supervised, _end_process)

    def give_back(self) -> None:
        """Restores the wake-up descriptor and the handlers that were set before."""
        Signals.current = None
        signal.set_wakeup_fd(self._fd if self._fd != self._core.fileno() else -1)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _take(self) -> int:
        return signal.set_wakeup_fd(self._core.fileno(), warn_on_full_buffer=False)

    def _late(self, number: int, _: object) -> None:
        # The Rust side has the signal already, unless another wake-up descriptor was set.
        if self._take() != self._core.fileno():
            self._core.note(number)

    def _end_after_main(self) -> None:
        """Ends the process after its main thread, once a signal has stopped the worker: threads that tasks have started
        must not delay the end."""
        threading.main_thread().join()
        left = {thread for thread in threading.enumerate() if not thread.daemon}
        if left & (self._threads - {threading.main_thread()}):
            return
        time.sleep(_AFTER_MAIN)
        _end_process(1 if hasattr(sys, "last_value") else 0)


def _end_process(code: int = 0) -> None:
    """Kills the child processes, flushes the log and the standard streams, and ends the process without waiting for its
    other threads."""
    for end in (_end_children, flush, sys.stdout.flush, sys.stderr.flush):
        with contextlib.suppress(Exception):
            end()
    os._exit(code)


def _end_children() -> None:
    for process in multiprocessing.active_children():
        process.kill()


def _in_forked_child() -> None:
    # A signal for a forked child must have its usual effect on the child, and none on the worker.
    if Signals.current is not None:
        Signals.current.give_back()


os.register_at_fork(after_in_child=_in_forked_child)


def _runner(loop: str) -> Callable[[Coroutine[Any, Any, None]], None]:
    if loop == "asyncio":
        return asyncio.run
    if loop != "uvloop":
        raise ConfigError(f"loop {loop!r} is refused: use asyncio or uvloop")
    try:
        import uvloop
    except ImportError as error:
        raise ConfigError("the loop uvloop needs the package uvloop: pip install uvloop") from error
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return run
