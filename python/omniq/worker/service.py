"""A worker as a process: it runs until a signal stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from omniq.errors import OmniQError
from omniq.worker import AsyncWorker, WorkerOptions

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

_log = logging.getLogger("omniq")


def serve(app: BaseApp, options: WorkerOptions, loop: str = "asyncio") -> None:
    """Runs a worker until SIGTERM or SIGINT, which stop it gracefully; a second one stops it at once."""
    runner = _runner(loop)

    async def main() -> None:
        worker = AsyncWorker(app, options)
        with_signals(worker)
        try:
            await worker.run()
        finally:
            await app._close_async()

    runner(main())


def with_signals(worker: AsyncWorker) -> None:
    """Lets SIGTERM and SIGINT stop this worker."""
    count = 0

    def stop() -> None:
        nonlocal count
        count += 1
        if count == 1:
            _log.info("signal received: stopping; another one stops at once")
            worker.stop()
        else:
            _log.warning("second signal received: stopping at once")
            worker.stop_now()

    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop)


def _runner(loop: str) -> Callable[[Coroutine[Any, Any, None]], None]:
    if loop == "asyncio":
        return asyncio.run
    if loop != "uvloop":
        raise OmniQError(f"loop {loop!r} is refused: use asyncio or uvloop", "config")
    try:
        import uvloop
    except ImportError as error:
        raise OmniQError("the loop uvloop needs the package uvloop: pip install uvloop", "config") from error
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return run
