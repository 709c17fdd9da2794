"""What the interfaces share: which verbs a storage must write itself, and the two spellings of blocking verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from omniq._given import all_of, an, refused, several
from omniq.errors import InvalidError
from omniq.models import NewTask, Settlement, Task, TaskError

F = TypeVar("F", bound=Callable[..., Any])


def required(verb: F) -> F:
    """Marks a verb that every storage writes itself; the others are made from these."""
    verb.__omniq_required__ = True  # type: ignore[attr-defined]
    return verb


def required_verbs(interface: type) -> list[str]:
    """The names of the verbs that a storage must write."""
    return sorted(name for name, verb in vars(interface).items() if hasattr(verb, "__omniq_required__"))


class Storage:
    """A storage of any kind. Ready-made ones are subclasses with ``native=True``, whose verbs are all in Rust."""

    _native = False
    _core: Any

    def __init_subclass__(cls, *, native: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if native:
            cls._native = True
        _tie_spellings(cls)

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if not cls._native:
            lacking = [
                name
                for interface in cls.__mro__
                for name in required_verbs(interface)
                if getattr(cls, name) is vars(interface)[name]
            ]
            if lacking:
                raise TypeError(f"{cls.__name__} cannot be made before it has the methods {', '.join(lacking)}")
        made = super().__new__(cls)
        if not cls._native:
            made._core = made._custom()
        return made

    def _custom(self) -> Any:
        """The Rust side's handle on a storage that is written in Python."""
        raise NotImplementedError


def _tie_spellings(cls: type) -> None:
    """A blocking verb that a subclass writes under one of its two names goes by the other as well."""
    for name, value in list(vars(cls).items()):
        twin = name.removesuffix("_sync") if name.endswith("_sync") else f"{name}_sync"
        if callable(value) and not name.startswith("_") and hasattr(cls, twin) and twin not in vars(cls):
            setattr(cls, twin, value)


class QueueStorage(Storage):
    """A queue: what holds for async and blocking ones alike."""

    def wake(self) -> None:
        """Makes workers of this process that sleep on this queue look for tasks at once. From any thread; it does not block.

        For queues written in Python: without it, a sleeping worker looks every 100 ms. Verbs that come through OmniQ
        (``enqueue`` and all others that are not written by the queue itself, and those of a backend or an application) wake by
        themselves. Call it in your own verbs for those who call them directly, and where you learn that another process has
        added tasks.

        Raises:
            InvalidError: For the ready-made queues, which wake their workers by themselves.
        """
        self._core.wake()


def to_new_task(task: NewTask | str, args: Any, options: Mapping[str, Any]) -> NewTask:
    """The task of an ``enqueue``: given whole, or by function, arguments and options; options that are given count."""
    if isinstance(task, str):
        return NewTask(task, args, **options)
    if not isinstance(task, NewTask):
        raise InvalidError(f"enqueue takes a function's name or a NewTask, not {type(task).__name__}")
    changes = {name: value for name, value in options.items() if value is not None}
    if args is not None:
        changes["args"] = args
    return task.replace(**changes) if changes else task


def new_tasks(tasks: Iterable[NewTask]) -> list[NewTask]:
    """The tasks of an ``enqueue_many``."""
    return all_of(tasks, NewTask, "tasks", "give a NewTask; NewTask(func, args) makes one")


_HELD = "give a Task, as dequeue has given it"


def a_task(task: Task) -> Task:
    """A task that is held."""
    return an(task, Task, "task", _HELD)


def held_tasks(tasks: Iterable[Task]) -> list[Task]:
    """The same for several."""
    return all_of(tasks, Task, "tasks", _HELD)


def failures(failed: Iterable[tuple[Task, TaskError | BaseException | str]]) -> list[tuple[Task, TaskError]]:
    """The tasks of a ``fail_many``, each with its error."""
    pairs = several(failed, "failed", "(task, error)")
    for place, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Task):
            raise refused(f"failed[{place}]", pair, "give (task, error)", is_shown=False)
    return [(task, TaskError.of(error)) for task, error in pairs]


def settlements(batch: Iterable[Settlement]) -> list[Settlement]:
    """What is to be settled."""
    return all_of(batch, Settlement, "batch", "give a Settlement")
