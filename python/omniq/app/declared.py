"""The schedules that stand in the code of an application: those of its tasks, and those that it and its groups declare."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from omniq._checks import a_text, refused
from omniq.app.function import BaseFunction
from omniq.app.timings import schedule_of
from omniq.errors import ConfigError, InvalidError
from omniq.models import NewTask, Schedule
from omniq.storage._checks import to_new_task

if TYPE_CHECKING:
    from omniq.app.base import BaseApp

__all__ = ["Declaration", "caller", "declare", "name_of_program", "of_code", "task_of"]


class Declaration(NamedTuple):
    """A schedule that is declared by ``schedule`` of an application or a group."""

    name: str
    task: Any
    args: Any
    options: Mapping[str, Any]
    #: Module and line of the call.
    place: tuple[str, int]


def caller(depth: int) -> tuple[str, int]:
    """Module and line of a call, `depth` frames above this one's caller."""
    frame = sys._getframe(depth + 1)
    return str(frame.f_globals.get("__name__")), frame.f_lineno


def declare(declarations: dict[str, Declaration], made: Declaration) -> None:
    """Adds a schedule to those of an application or a group, in place of itself if its line runs again, as in a notebook.

    Raises:
        InvalidError, ConfigError: For what can be seen at once to be wrong.
    """
    before = declarations.get(a_text(made.name, "name"))
    if before is not None and before.place != made.place:
        where = f"{before.place[0]}, line {before.place[1]}"
        raise ConfigError(f"schedule {made.name!r} is declared already ({where}): give this one another name")
    _kind_of(made.task)
    after = made.task.after if isinstance(made.task, NewTask) else getattr(made.task, "_own", {}).get("after")
    schedule_of(made.name, NewTask("checked", after=after), made.options)
    declarations[made.name] = made


def _kind_of(task: Any) -> None:
    if not isinstance(task, BaseFunction | NewTask | str):
        remedy = "give a task function, such as one below @app.task, the name of one, or a NewTask"
        raise refused("task", task, remedy, is_shown=False)


def task_of(app: BaseApp, task: Any, args: Any) -> NewTask:
    """The task that a schedule enqueues.

    Args:
        app: The application. A name that it has a task of stands for that task, with its options.
        task: A task function, its name, or a `NewTask`.
        args: The arguments, in place of those of a `NewTask`.
    """
    _kind_of(task)
    if isinstance(task, str):
        task = app.functions.get(task, task)
    if not isinstance(task, BaseFunction):
        return to_new_task(task, args, {})
    if task.app is not app:
        raise ConfigError(f"{task} belongs to another application: give a task of this one, or call that one")
    return task._task_of_schedule(args)


def of_code(app: BaseApp) -> list[Schedule]:
    """All schedules that stand in the code of the application.

    Raises:
        OmniQError: For a schedule that cannot be saved.
    """
    found = [
        schedule_of(function.name, function._task_of_schedule(None), function._schedule)
        for function in app.functions.values()
        if function._schedule
    ]
    of_groups = [group._declarations.values() for group in app._groups if group._app is app]
    for declared in itertools.chain(app._declarations.values(), *of_groups):
        try:
            task = task_of(app, declared.task, declared.args)
        except InvalidError as error:
            raise InvalidError(f"schedule {declared.name!r}: {error.message}") from error.__cause__
        found.append(schedule_of(declared.name, task, declared.options))
    return found


def name_of_program() -> str | None:
    """The name of an application that is made now: the module that makes it; for a script the name of its file, as an import
    has it. ``None`` in a program without a file, such as a notebook."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith("omniq."):
        frame = frame.f_back
    module = "__main__" if frame is None else str(frame.f_globals.get("__name__"))
    if module not in ("__main__", "__mp_main__"):
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        # By `python -m`: the same name as by an import.
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return None if path is None else Path(path).stem
