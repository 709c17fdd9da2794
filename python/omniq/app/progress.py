"""Shows how many of many tasks have ended: by a bar of tqdm or rich, or by a function of the caller."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from omniq._checks import beyond, refused
from omniq.errors import ConfigError

__all__ = ["Bar", "Progress", "bar_of"]

#: ``True``: a bar of tqdm, or of rich if tqdm is not installed. A function gets how many tasks have ended, and of how
#: many, which is ``None`` if it is not known; an async function is awaited.
Progress = bool | Literal["tqdm", "rich"] | Callable[[int, int | None], object] | None

#: Begins to show the progress of so many tasks, and gives the function that is told how many have ended, at first that none
#: has. It may return an awaitable.
Bar = Callable[[int | None], AbstractContextManager[Callable[[int], object]]]


def bar_of(progress: Progress) -> Bar:
    """How the progress is shown.

    Raises:
        ConfigError: For a bar whose package is not installed.
    """
    if progress is None or progress is False:
        return _none
    if progress is True:
        found = [name for name in _BARS if importlib.util.find_spec(name)]
        if found:
            return _BARS[found[0]]
        raise ConfigError(
            "progress=True needs the package tqdm or rich, and neither is installed: install one, or give a function of"
            " (done, total)"
        )
    if isinstance(progress, str):
        if progress not in _BARS:
            raise beyond("progress", progress, 'give True, "tqdm", "rich", or a function of (done, total)')
        if importlib.util.find_spec(progress) is None:
            raise ConfigError(f'progress="{progress}" needs the package {progress}, which is not installed: install it')
        return _BARS[progress]
    if callable(progress):
        return functools.partial(_called, progress)
    raise refused("progress", progress, 'give True, "tqdm", "rich", or a function of (done, total)')


@contextmanager
def _none(_: int | None) -> Iterator[Callable[[int], object]]:
    yield lambda done: None


@contextmanager
def _called(function: Callable[[int, int | None], object], total: int | None) -> Iterator[Callable[[int], object]]:
    yield lambda done: function(done, total)


@contextmanager
def _tqdm(total: int | None) -> Iterator[Callable[[int], object]]:
    # The form for notebooks in a notebook.
    from tqdm.auto import tqdm

    with tqdm(total=total, unit=" tasks") as bar:
        yield lambda done: bar.update(done - bar.n)


@contextmanager
def _rich(total: int | None) -> Iterator[Callable[[int], object]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        shown = bar.add_task("tasks", total=total)
        yield lambda done: bar.update(shown, completed=done)


#: In the order in which they are looked for.
_BARS: dict[str, Bar] = {"tqdm": _tqdm, "rich": _rich}
