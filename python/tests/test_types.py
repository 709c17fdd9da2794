"""Types and documentation: mypy, pyright and stubtest find no error, and `help()` shows docstrings."""

from __future__ import annotations

import inspect
import json
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import notebook
import pytest

import omniq
from omniq import AsyncOmniQ, OmniQ, Settings
from omniq.app import AsyncTaskFunction, CallOptions, TaskFunction, TaskOptions, WorkerOptions
from omniq.backend import postgres as backends
from omniq.settings import ConnectionOptions, Options
from omniq.storage import memory, postgres
from omniq.storage.base import AsyncTaskQueue, TaskQueue

HERE = Path(__file__).parent
NOTEBOOK = HERE.parents[1] / "examples/python/notebook/lengths.ipynb"
CLASSES = [
    getattr(module, name) for module in (postgres, memory, backends) for name in module.__all__
]  # fmt: skip


def tool(*command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *command], cwd=HERE.parents[1], capture_output=True, text=True, check=False,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_user_code_is_clean_under_mypy() -> None:
    tool("mypy", "--strict", str(HERE / "typed" / "user.py"))


def test_the_notebook_is_clean_under_mypy(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(notebook.program(NOTEBOOK))
    tool("mypy", "--strict", str(program))


def test_user_code_package_and_examples_are_clean_under_pyright(tmp_path: Path) -> None:
    # Paths of a configuration lead from its own folder.
    up = os.path.relpath(HERE / "typed", tmp_path)
    config = json.loads((HERE / "typed/pyrightconfig.json").read_text())
    config["include"] = ["notebook.py", *(f"{up}/{path}" for path in config["include"])]
    for place in config["executionEnvironments"]:
        place.update(root=f"{up}/{place['root']}", extraPaths=[f"{up}/{path}" for path in place["extraPaths"]])
    (tmp_path / "notebook.py").write_text(notebook.program(NOTEBOOK))
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    tool("pyright", "--pythonpath", sys.executable, "--project", str(tmp_path))


def test_the_stub_is_what_was_built() -> None:
    tool("mypy.stubtest", "omniq._omniq", "--allowlist", str(HERE / "typed" / "allowlist.txt"))


def test_the_blocking_twins_are_current() -> None:
    ended = subprocess.run(
        [sys.executable, str(HERE.parent / "twins.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_the_options_in_docstrings_are_current() -> None:
    ended = subprocess.run(
        [sys.executable, str(HERE.parent / "options.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("takes", "options"),
    [
        (AsyncOmniQ.task, TaskOptions),
        (OmniQ.task, TaskOptions),
        (AsyncTaskFunction.with_options, CallOptions),
        (TaskFunction.with_options, CallOptions),
        (AsyncOmniQ.worker, WorkerOptions),
        (OmniQ.worker, WorkerOptions),
        (OmniQ.run_worker, WorkerOptions),
        (AsyncOmniQ.__init__, ConnectionOptions),
        (backends.PostgresBackend.__init__, ConnectionOptions),
        (postgres.AsyncPostgresQueue.__init__, Options),
        (Settings.__init__, Options),
    ],
    ids=lambda one: getattr(one, "__qualname__", None),
)
def test_help_shows_each_option_with_type_unit_and_default(takes: Any, options: Any) -> None:
    shown = inspect.getdoc(takes)
    assert shown is not None
    entries = dict(re.findall(r"^    (\w+) (\(.+?\): .+(?:\n        .+)*)", shown, re.M))
    assert list(entries) == list(get_type_hints(options))
    for name, entry in entries.items():
        text = " ".join(entry.split())
        assert " Default: " in text, name
        assert ("timedelta" in text.split(":")[0]) == ("in seconds or as `timedelta`" in text), name
    assert len(re.findall(r"Default:\s", pydoc.plain(pydoc.render_doc(takes)))) >= len(entries)


@pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)
def test_every_class_and_verb_is_documented(made: Any) -> None:
    assert inspect.getdoc(made)
    assert inspect.signature(made)
    for name, verb in inspect.getmembers(made, callable):
        if not name.startswith("_"):
            assert inspect.getdoc(verb), f"{made.__name__}.{name}"
            assert inspect.signature(verb)


def test_twins_have_the_same_verbs_under_both_names() -> None:
    verbs = {name for name in dir(AsyncTaskQueue) if not name.startswith("_")}
    plain = {name for name in dir(TaskQueue) if not name.startswith("_") and not name.endswith("_sync")}
    assert verbs == plain
    for name in verbs - {"wake"}:
        blocking = getattr(postgres.PostgresQueue, name)
        assert blocking is getattr(postgres.PostgresQueue, f"{name}_sync")
        assert inspect.iscoroutinefunction(getattr(postgres.AsyncPostgresQueue, name))
        asked = inspect.signature(getattr(postgres.AsyncPostgresQueue, name)).parameters
        assert list(inspect.signature(blocking).parameters) == list(asked)


def test_all_names_are_there() -> None:
    for module in (omniq, omniq.models, postgres, memory, backends):
        for name in module.__all__:
            assert hasattr(module, name)
