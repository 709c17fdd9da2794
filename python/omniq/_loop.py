"""Runs a call of the Rust side: `run` on the event loop of the caller, `wait` by blocking the thread.

Each event loop has one bridge, which lives as long as the loop does. Rust puts answers in the bridge's queue and wakes
the loop by a file descriptor; one wake-up hands out all that has come.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from omniq._omniq import Bridge

if TYPE_CHECKING:
    from omniq._omniq import Pending

T = TypeVar("T")

# Returns None where no loop runs, unlike the public function, which raises.
_running_loop = asyncio._get_running_loop


async def run(pending: Pending[T]) -> T:
    """Awaits the call. Cancelling the awaiting task gives the call up, and leaves its connection clean."""
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


def wait(pending: Pending[T]) -> T:
    """Blocks this thread, without the GIL, until the call is done."""
    return pending.wait()


def bridge_of(loop: asyncio.AbstractEventLoop) -> Bridge:
    """The bridge of this loop, which keeps it."""
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
