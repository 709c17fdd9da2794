"""Types and documentation: what mypy, pyright and stubtest say, and what `help()` shows."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import omniq
from omniq.backend import postgres as backends
from omniq.storage import memory, postgres
from omniq.storage.base import AsyncTaskQueue, TaskQueue

HERE = Path(__file__).parent
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


def test_user_code_and_package_are_clean_under_pyright() -> None:
    tool("pyright", "--pythonpath", sys.executable, "--project", str(HERE / "typed" / "pyrightconfig.json"))


def test_the_stub_is_what_was_built() -> None:
    tool("mypy.stubtest", "omniq._omniq", "--allowlist", str(HERE / "typed" / "allowlist.txt"))


def test_the_blocking_twins_are_current() -> None:
    ended = subprocess.run(
        [sys.executable, str(HERE.parent / "twins.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)
def test_every_class_and_verb_is_documented(made: Any) -> None:
    assert inspect.getdoc(made)
    assert inspect.signature(made)
    for name, verb in inspect.getmembers(made, callable):
        if not name.startswith("_"):
            assert inspect.getdoc(verb), f"{made.__name__}.{name}"
            assert inspect.signature(verb)


def test_twins_have_the_same_verbs_under_both_names() -> None:
    verbs = {name for name in vars(AsyncTaskQueue) if not name.startswith("_")}
    plain = {name for name in vars(TaskQueue) if not name.startswith("_") and not name.endswith("_sync")}
    assert verbs == plain
    for name in verbs:
        blocking = getattr(postgres.PostgresQueue, name)
        assert blocking is getattr(postgres.PostgresQueue, f"{name}_sync")
        assert inspect.iscoroutinefunction(getattr(postgres.AsyncPostgresQueue, name))
        asked = inspect.signature(getattr(postgres.AsyncPostgresQueue, name)).parameters
        assert list(inspect.signature(blocking).parameters) == list(asked)


def test_all_names_are_there() -> None:
    for module in (omniq, omniq.models, postgres, memory, backends):
        for name in module.__all__:
            assert hasattr(module, name)
