"""What the interfaces share: the marks of required verbs, and the two names of each blocking verb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from omniq._given import all_of, an, refused, several
from omniq.errors import InvalidError
from omniq.models import NewTask, Settlement, Task, TaskError

F = TypeVar("F", bound=Callable[..., Any])


def required(verb: F) -> F:
    """Marks a verb that every storage implements itself. The other verbs are made from these."""
    verb.__omniq_required__ = True  # type: ignore[attr-defined]
    return verb


def required_verbs(interface: type) -> list[str]:
    """The names of the verbs that subclasses must still implement, sorted."""
    return sorted(name for name in dir(interface) if hasattr(getattr(interface, name), "__omniq_required__"))


class Storage:
    """A storage of any kind. The built-in ones are subclasses with ``native=True``, whose verbs are all in Rust."""

    _native = False
    _core: Any

    def __init_subclass__(cls, *, native: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if native:
            cls._native = True
        _tie_spellings(cls)

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if not cls._native:
            # An implementation is another function, without the mark.
            lacking = required_verbs(cls)
            if lacking:
                raise TypeError(f"{cls.__name__} cannot be made before it has the methods {', '.join(lacking)}")
        made = super().__new__(cls)
        if not cls._native:
            made._core = made._custom()
        return made

    def _custom(self) -> Any:
        """The Rust side's handle of a custom storage."""
        raise NotImplementedError


def _tie_spellings(cls: type) -> None:
    """Binds a blocking verb that a subclass defines under one of its two names to the other name too."""
    for name, value in list(vars(cls).items()):
        twin = name.removesuffix("_sync") if name.endswith("_sync") else f"{name}_sync"
        if callable(value) and not name.startswith("_") and hasattr(cls, twin) and twin not in vars(cls):
            setattr(cls, twin, value)


class QueueStorage(Storage):
    """The base of async and blocking queues."""

    def wake(self) -> None:
        """Makes idle workers of this process look for tasks in this queue at once. Callable from any thread; it does
        not block.

        For custom queues: without a call of it, an idle worker looks every 100 ms. Verbs that go through OmniQ wake
        workers themselves: those that the queue does not implement itself, such as ``enqueue``, and those of a backend
        or an application. Call it in the verbs that your queue implements, because they can be called directly, and
        when you detect that another process has added tasks.

        Raises:
            InvalidError: For the built-in queues, which wake their workers themselves.
        """
        self._core.wake()


def to_new_task(task: NewTask | str, args: Any, options: Mapping[str, Any]) -> NewTask:
    """The task of an ``enqueue``, made from a `NewTask` or a function's name. Arguments and options that are given
    replace those of the `NewTask`."""
    if isinstance(task, str):
        return NewTask(task, args, **options)
    if not isinstance(task, NewTask):
        raise InvalidError(f"enqueue takes a function's name or a NewTask, not {type(task).__name__}")
    changes = {name: value for name, value in options.items() if value is not None}
    if args is not None:
        changes["args"] = args
    return task.replace(**changes) if changes else task


def new_tasks(tasks: Iterable[NewTask]) -> list[NewTask]:
    """The tasks of an ``enqueue_many``; an error unless each is a `NewTask`."""
    return all_of(tasks, NewTask, "tasks", "give a NewTask; NewTask(func, args) makes one")


_HELD = "give a Task, as dequeue has given it"


def a_task(task: Task) -> Task:
    """A dequeued task; an error unless it is a `Task`."""
    return an(task, Task, "task", _HELD)


def held_tasks(tasks: Iterable[Task]) -> list[Task]:
    """Dequeued tasks; an error unless each is a `Task`."""
    return all_of(tasks, Task, "tasks", _HELD)


def failures(failed: Iterable[tuple[Task, TaskError | BaseException | str]]) -> list[tuple[Task, TaskError]]:
    """The tasks of a ``fail_many``, each with its error."""
    pairs = several(failed, "failed", "(task, error)")
    for place, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Task):
            raise refused(f"failed[{place}]", pair, "give (task, error)", is_shown=False)
    return [(task, TaskError.of(error)) for task, error in pairs]


def settlements(batch: Iterable[Settlement]) -> list[Settlement]:
    """The settlements of a ``settle``; an error unless each is a `Settlement`."""
    return all_of(batch, Settlement, "batch", "give a Settlement")
