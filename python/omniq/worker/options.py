"""The options of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, TypedDict

__all__ = ["WorkerOptions"]


class WorkerOptions(TypedDict, total=False):
    """The options of a worker, given to `AsyncOmniQ.worker`."""

    #: The queues, served in this order: a queue is served only if nothing is ready in those before it. Default: those
    #: that the application's tasks name, in the order of their definition.
    queues: Sequence[str]
    #: How many tasks may run at once, of all kinds together, 1 to 10,000. Default: 100.
    concurrency: int
    #: How many ``def`` tasks may run at once, each in a thread. Default: as `concurrency`.
    threads: int
    #: How many ``process=True`` tasks may run at once, each in a process of its own. Default: the number of processors.
    task_processes: int
    #: The most tasks that are claimed beyond the free slots, 0 to 10,000; 0 turns it off. Only what is expected to
    #: begin within 20 ms is claimed ahead, and nothing if runs take longer than that. Default: 1000.
    prefetch: int
    #: The worker's name in results and events. Default: ``host:pid``.
    name: str
    #: How long claims hold without a heartbeat, in seconds or as `timedelta`, at least 0.1 seconds. Default: the
    #: queue's, which is 10 seconds unless set.
    lease: float | timedelta
    #: How long runs may go on after a stop before they are asked to stop, in seconds or as `timedelta`. Default: 30
    #: seconds.
    grace: float | timedelta
    #: How often an idle worker claims without a notification, in seconds or as `timedelta`. Default: 0.5 seconds.
    poll: float | timedelta
    #: How often each maintenance step runs, in seconds or as `timedelta`: the rescue of tasks of lost workers, the
    #: expiry and removal of tasks, and the upkeep of queue, results and events. Default: 2 seconds; each wait differs
    #: at random by up to a quarter.
    maintenance_interval: float | timedelta
    #: After how many runs the worker stops gracefully, at least 1; those that have begun by then end as usual. Default:
    #: it does not stop by itself.
    max_tasks: int
    #: What the log shows of the exception of a failed run: ``"type"``, ``"message"`` (with the type), or ``"trace"``
    #: (the traceback as well). Default: the environment's ``OMNIQ_LOG_ERRORS``, else the message, and the traceback too
    #: if the log's level is info or lower.
    log_errors: Literal["type", "message", "trace"]
