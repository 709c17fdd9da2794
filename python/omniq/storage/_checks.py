"""Checks and conversions of the tasks and settlements that callers give to queues and backends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omniq._checks import all_of, an, check_options, refused, several
from omniq.errors import InvalidError
from omniq.models import NewTask, Settlement, Task, TaskError
from omniq.models.after import ids_of
from omniq.storage.options import NewTaskLike, SharedOptions


def to_new_task(task: NewTask | str, args: Any, options: Mapping[str, Any]) -> NewTask:
    """The task of an ``enqueue``, made from a `NewTask` or a function's name. Arguments and options that are given
    replace those of the `NewTask`."""
    if isinstance(task, str):
        return NewTask(task, args, **options)
    if not isinstance(task, NewTask):
        remedy = "; give the name of one, or call its own enqueue, as in f.enqueue(1)" if callable(task) else ""
        raise InvalidError(f"enqueue takes a function's name or a NewTask, not {type(task).__name__}{remedy}")
    changes = {name: value for name, value in options.items() if value is not None}
    # Both say when the task starts.
    for one, other in (("run_at", "delay"), ("delay", "run_at")):
        if one in changes and other not in changes and getattr(task, other) is not None:
            changes[other] = None
    if args is not None:
        changes["args"] = args
    return task.replace(**changes) if changes else task


def new_tasks(tasks: Iterable[NewTaskLike], options: SharedOptions | None = None) -> list[NewTask]:
    """The tasks of an ``enqueue_many``, each made from a `NewTask`, the name of a function, or a name with arguments.
    Options replace those of each `NewTask`."""
    shared: dict[str, Any] = {} if options is None else dict(options)
    check_options(shared, SharedOptions.__annotations__, "enqueue_many")
    if shared.get("after") is not None:
        # Read once: it may be an iterator.
        shared["after"] = ids_of(shared["after"])
    if isinstance(tasks, tuple) and tasks and isinstance(tasks[0], str):
        raise refused("tasks", tasks, "one (name, args) is no list: give a list of tasks", is_shown=False)
    made = []
    for place, task in enumerate(several(tasks, "tasks", "tasks")):
        match task:
            case NewTask() if not shared:
                made.append(task)
            case NewTask() | str():
                made.append(to_new_task(task, None, shared))
            case (str() as name, args) if isinstance(task, tuple):
                made.append(to_new_task(name, args, shared))
            case _:
                remedy = "give a NewTask, the name of a function, or (name, args)"
                raise refused(f"tasks[{place}]", task, remedy, is_shown=False)
    return made


_HELD = "give a Task, as dequeue has given it"


def a_task(task: Task) -> Task:
    """A dequeued task; an error unless it is a `Task`."""
    return an(task, Task, "task", _HELD)


def held_tasks(tasks: Iterable[Task]) -> list[Task]:
    """Dequeued tasks; an error unless each is a `Task`."""
    return all_of(tasks, Task, "tasks", _HELD)


def completions(done: Iterable[Task | tuple[Task, Any]]) -> list[tuple[Task, Any]]:
    """The tasks of a backend's ``complete_many``, each with its value."""
    pairs: list[tuple[Task, Any]] = []
    for place, one in enumerate(several(done, "done", "(task, value)")):
        match one:
            case Task():
                pairs.append((one, None))
            case (Task() as task, value):
                pairs.append((task, value))
            case _:
                raise refused(f"done[{place}]", one, "give (task, value), or a task alone", is_shown=False)
    return pairs


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
