"""The names that other task queues have for what OmniQ has: an error about one of them says what it is called here.

They are those of Celery, Dramatiq and taskiq. The pages in docs/coming-from have the whole of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

__all__ = ["AppNames", "HandleNames", "TaskNames", "option_here"]

#: Options, with those that replace them, and how.
_OPTIONS: dict[str, tuple[str, str]] = {
    "actor_name": ("name", ""),
    "autoretry_for": ("retry_on", ""),
    "countdown": ("delay", ""),
    "default_retry_delay": ("backoff", ", such as Backoff.fixed(180)"),
    "dont_autoretry_for": ("dead_on", ""),
    "eta": ("run_at", ""),
    "expires": ("ttl", ", from the start time"),
    "max_age": ("ttl", ", in seconds"),
    "max_backoff": ("backoff", ", such as Backoff.exponential(1, max=60), in seconds"),
    "min_backoff": ("backoff", ", such as Backoff.exponential(1, max=60), in seconds"),
    "queue_name": ("queue", ""),
    "retry_backoff": ("backoff", ", such as Backoff.exponential(1)"),
    "retry_kwargs": ("max_retries", " and backoff"),
    "serializer": ("codec", ""),
    "soft_time_limit": ("soft_timeout", ""),
    "task_id": ("id", ""),
    "task_name": ("name", ""),
    "throws": ("dead_on", ""),
    "time_limit": ("timeout", ", in seconds"),
}


def option_here(name: str, known: Collection[str]) -> str | None:
    """What an option of another task queue is here, if one of the known options replaces it."""
    option, how = _OPTIONS.get(name, ("", ""))
    return f"{option}={how}" if option in known else None


class _Names:
    """An object whose missing attributes may have other names here."""

    __slots__ = ()

    #: What replaces an attribute that other task queues have.
    _here: ClassVar[Mapping[str, str]]

    if not TYPE_CHECKING:
        # Type checkers would take every attribute for granted.

        def __getattr__(self, name: str) -> Any:
            here = type(self)._here.get(name)
            hint = "" if here is None else f": here it is {here}"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)


class TaskNames(_Names):
    """The names of a function that is a task."""

    __slots__ = ()
    _here = MappingProxyType({
        "apply_async": "with_options(…).enqueue(…)",
        "chunks": "enqueue_many(…)",
        "delay": "enqueue(…)",
        "kicker": "with_options(…)",
        "kiq": "enqueue(…)",
        "map": "app.map(f, items)",
        "retry": "raise omniq.Retry(…)",
        "send": "enqueue(…)",
        "send_with_options": "with_options(…).enqueue(…)",
        "starmap": "app.map(f, items)",
    })  # fmt: skip


class HandleNames(_Names):
    """The names of the handle of a task."""

    __slots__ = ()
    _here = MappingProxyType({
        "get": "result(timeout=…)",
        "get_progress": "events()",
        "get_result": "result(timeout=…)",
        "is_ready": "status()",
        "message_id": "id",
        "ready": "status()",
        "revoke": "cancel()",
        "state": "status()",
        "successful": "status()",
        "task_id": "id",
        "wait_result": "result(timeout=…)",
    })  # fmt: skip


class AppNames(_Names):
    """The names of an application."""

    __slots__ = ()
    _here = MappingProxyType({
        "actor": "task",
        "add_middleware": "@app.middleware",
        "autodiscover_tasks": "autodiscover(…)",
        "conf": "the arguments of the application",
        "on_event": "@app.lifespan",
        "send_task": "app.backend.enqueue(name, args)",
        "startup": "connect()",
    })  # fmt: skip
