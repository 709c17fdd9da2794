"""The registered workers, and the counts of a cancel."""

from __future__ import annotations

from datetime import datetime, timedelta

from omniq.models.base import Model

__all__ = ["CancelCounts", "RegisteredWorker"]


class RegisteredWorker(Model, frozen=True):
    """A worker that is registered: it lives, or it was lost and its tasks were not taken back yet. All times are in UTC.

    Args:
        id (int): Its id.
        name (str): Its name: ``host:pid`` unless another was given. It appears in results and events.
        host (str): The machine that it runs on.
        version (str): The version of OmniQ that it runs.
        queues (tuple[str, ...]): The queues that it serves, in this order.
        funcs (tuple[str, ...]): The functions that it has; empty for a program that claims tasks itself, by `dequeue`.
        slots (int | None): How many runs may go on at once; ``None`` where there is no such limit.
        used (int | None): How many of its slots were used at its last heartbeat, which is sent three times in the span
            of its lease; ``None``: not known.
        lease (timedelta): How long its claims hold without a heartbeat.
        started_at (datetime): Since when it is registered.
        lease_ends_at (datetime): When its lease ends, unless a heartbeat extends it.
        lost (bool): Its lease is over. It cannot come back; its tasks are taken back by the workers that live, and then
            it is forgotten.
    """

    #: Its id.
    id: int
    #: Its name: ``host:pid`` unless another was given. It appears in results and events.
    name: str
    #: The machine that it runs on.
    host: str
    #: The version of OmniQ that it runs.
    version: str
    #: The queues that it serves, in this order.
    queues: tuple[str, ...]
    #: The functions that it has; empty for a program that claims tasks itself, by `dequeue`.
    funcs: tuple[str, ...]
    #: How many runs may go on at once; ``None`` where there is no such limit.
    slots: int | None
    #: How many of its slots were used at its last heartbeat, which is sent three times in the span of its lease; ``None``:
    #: not known.
    used: int | None
    #: How long its claims hold without a heartbeat.
    lease: timedelta
    #: Since when it is registered.
    started_at: datetime
    #: When its lease ends, unless a heartbeat extends it.
    lease_ends_at: datetime
    #: Its lease is over. It cannot come back; its tasks are taken back by the workers that live, and then it is forgotten.
    lost: bool


#: The fields of a worker from `id` to `used`, as the Rust side passes them.
_Said = tuple[int, str, str, str, list[str], list[str], int | None, int | None]


def make_registered_worker(
    said: _Said, lease: timedelta, started_at: datetime, lease_ends_at: datetime, lost: bool
) -> RegisteredWorker:
    """Makes a worker. For the Rust side."""
    id, name, host, version, queues, funcs, slots, used = said
    return RegisteredWorker(
        id, name, host, version, tuple(queues), tuple(funcs), slots, used, lease, started_at, lease_ends_at, lost
    )


class CancelCounts(Model, frozen=True):
    """The answer to a cancel of all tasks that a filter selects.

    Args:
        done (int): Tasks that were cancelled.
        requested (int): Running tasks whose workers have been asked to stop them.
    """

    #: Tasks that were cancelled.
    done: int
    #: Running tasks whose workers have been asked to stop them.
    requested: int
