"""Runs a call of the Rust side under trio, and thus under AnyIO with its trio backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import outcome
import trio

from omniq._omniq import Bridge

if TYPE_CHECKING:
    from omniq._omniq import Pending

T = TypeVar("T")

# One bridge for each run of trio, with a system task that drains it.
_bridge: trio.lowlevel.RunVar[Bridge] = trio.lowlevel.RunVar("omniq")


class _Waiter:
    """A waiting task, with the methods of a future that the bridge calls."""

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def done(self) -> bool:
        return self.task is None

    def set_result(self, value: Any) -> None:
        self._wake(outcome.Value(value))

    def set_exception(self, error: BaseException) -> None:
        self._wake(outcome.Error(error))

    def _wake(self, answer: outcome.Outcome[Any]) -> None:
        task, self.task = self.task, None
        if task is not None:
            trio.lowlevel.reschedule(task, answer)


async def run(pending: Pending[T]) -> T:
    """Awaits the call. If the scope is cancelled, the call is aborted and its connection stays usable."""
    waiter = _Waiter()

    def give_up(_: Any) -> trio.lowlevel.Abort:
        waiter.task = None
        pending.abort()
        return trio.lowlevel.Abort.SUCCEEDED

    bridge_of_run().start(pending, waiter)
    return await trio.lowlevel.wait_task_rescheduled(give_up)  # type: ignore[no-any-return]


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Awaits it, also if the scope is cancelled."""
    with trio.CancelScope(shield=True):
        return await work
    raise RuntimeError("a shield does not end what it shields")


def bridge_of_run() -> Bridge:
    """The bridge of this run of trio."""
    try:
        return _bridge.get()
    except LookupError:
        bridge = Bridge()
        _bridge.set(bridge)
        trio.lowlevel.spawn_system_task(_watch, bridge, name="omniq")
        return bridge


def spawn(run: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Runs an async function in a system task, independent of the user's tasks."""
    trio.lowlevel.spawn_system_task(run, *args, name="omniq")


async def _watch(bridge: Bridge) -> None:
    while True:
        await trio.lowlevel.wait_readable(bridge.fileno())
        bridge.drain()
