"""The snippets of README and guide run unchanged, each on a fresh database; type checkers find no error in any page's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SNIPPETS = [
    snippet
    for page in (
        "README.md",
        "docs/python.md",
        "docs/python-workers.md",
        "docs/schedules.md",
        "docs/unique.md",
        "docs/dependencies.md",
    )
    for snippet in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
]


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 8


@pytest.mark.parametrize("place", range(len(SNIPPETS)))
def test_a_snippet_runs(place: int, url: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SNIPPETS[place])
    env = {**os.environ, "OMNIQ_URL": url}
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program)], env=env, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr


def test_all_snippets_are_clean_under_mypy(tmp_path: Path) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for place, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)):
            (tmp_path / f"{page.stem.replace('-', '_')}_of_{page.parent.name.replace('-', '_')}_{place}.py").write_text(
                snippet
            )
    programs = sorted(tmp_path.iterdir())
    assert len(programs) > len(SNIPPETS)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *programs], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_a_worker_can_import_the_first_program(tmp_path: Path) -> None:
    program = next(snippet for snippet in SNIPPETS if "Hello" in snippet)
    (tmp_path / "hello.py").write_text(program)
    look = "import hello; print(list(hello.app.functions))"
    run = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    # An import that ran the program would print a greeting.
    assert run.stdout == "['greet']\n", run.stderr
