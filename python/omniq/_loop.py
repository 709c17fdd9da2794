"""Runs a call of the Rust side: `run` on the caller's event loop, `wait` by blocking the thread.

Each event loop has one bridge, which lives as long as the loop. Rust puts answers in the bridge's queue and wakes the
loop by a file descriptor; one wake-up delivers all answers that are in the queue.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from omniq._omniq import Bridge
from omniq.errors import BlockingInAsyncError

if TYPE_CHECKING:
    from omniq._omniq import Pending

T = TypeVar("T")

# Returns None if no loop runs; the public function raises.
_running_loop = asyncio._get_running_loop


async def run(pending: Pending[T]) -> T:
    """Awaits the call. If the awaiting task is cancelled, the call is aborted and its connection stays usable."""
    loop = _running_loop()
    if loop is None:
        from omniq import _trio

        return await _trio.run(pending)
    bridge = bridge_of(loop)
    future = loop.create_future()
    bridge.start(pending, future)
    try:
        return await future  # type: ignore[no-any-return]
    except BaseException:
        pending.abort()
        raise


#: As `run`, for a call that waits until tasks have ended. Its blocking form is `wait_for_runs`.
await_runs = run


def wait(pending: Pending[T]) -> T:
    """Blocks this thread, without the GIL, until the call is done."""
    return pending.wait()


def wait_for_runs(pending: Pending[T]) -> T:
    """As `wait`, for a call that waits until tasks have ended.

    Raises:
        BlockingInAsyncError: On the event loop of a worker: its tasks would not run meanwhile.
    """
    loop: Any = _running_loop()
    if getattr(loop, "_omniq_workers", 0):
        raise BlockingInAsyncError(
            "a blocking call would wait for tasks on the event loop on which a worker runs them, perhaps for ever: await the"
            " async form, such as handle.result() or gather(), or call the blocking one in a thread, by asyncio.to_thread"
        )
    return pending.wait()


@contextmanager
def loop_of_worker(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Marks a loop as one on which a worker runs tasks."""
    marked: Any = loop
    marked._omniq_workers = getattr(loop, "_omniq_workers", 0) + 1
    try:
        yield
    finally:
        marked._omniq_workers -= 1


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Awaits it, also if this task is cancelled, or was cancelled before."""
    if _running_loop() is None:
        from omniq import _trio

        return await _trio.shielded(work)
    task = asyncio.ensure_future(work)
    _spawned.add(task)
    task.add_done_callback(_spawned.discard)
    anyio: Any = sys.modules.get("anyio")
    if anyio is None:
        return await asyncio.shield(task)
    # A scope of AnyIO cancels each wait anew, but for those in this one.
    with anyio.CancelScope(shield=True):
        return await asyncio.shield(task)


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Awaits it to its end. A cancel that comes meanwhile is raised by the next wait."""
    if _running_loop() is None:
        return await shielded(work)
    inner = asyncio.ensure_future(work)
    try:
        return await shielded(_awaited(inner))
    except asyncio.CancelledError as error:
        if inner.cancelled():
            raise
        await asyncio.wait({inner})
        task = asyncio.current_task()
        assert task is not None
        if sys.version_info >= (3, 11):
            task.uncancel()
        task.cancel(*error.args)
        return inner.result()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def bridge_of(loop: asyncio.AbstractEventLoop) -> Bridge:
    """The bridge of this loop. The loop holds the reference to it."""
    try:
        bridge: Bridge = loop._omniq_bridge  # type: ignore[attr-defined]
    except AttributeError:
        pass
    else:
        if bridge.is_current:
            return bridge
        loop.remove_reader(bridge.fileno())
    bridge = Bridge()
    loop.add_reader(bridge.fileno(), bridge.drain)
    loop._omniq_bridge = bridge  # type: ignore[attr-defined]
    return bridge


def current_bridge() -> Bridge | None:
    """The bridge of the event loop that runs on this thread; ``None`` if no loop runs."""
    loop = _running_loop()
    if loop is not None:
        return bridge_of(loop)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        from omniq import _trio

        return _trio.bridge_of_run()
    return None


# Strong references, because the loop holds its tasks weakly.
_spawned: set[asyncio.Task[Any]] = set()


def spawn(work: Awaitable[Any], done: Callable[[Any, BaseException | None], None]) -> None:
    """Runs a method of an async custom storage on the loop of this thread, and passes its value or error to `done`."""
    if _running_loop() is None:
        from omniq import _trio

        _trio.spawn(_drive, work, done)
        return
    task = asyncio.ensure_future(_drive(work, done))
    _spawned.add(task)
    task.add_done_callback(_spawned.discard)


async def _drive(work: Awaitable[Any], done: Callable[[Any, BaseException | None], None]) -> None:
    try:
        value = await work
    except Exception as error:
        done(None, error)
    except BaseException as error:
        done(None, error)
        raise
    else:
        done(value, None)
