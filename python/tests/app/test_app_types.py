"""Type checkers accept a user's program, and report its mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores"],
    "pyright": [str(Path(sys.executable).with_name("pyright")), "--pythonpath", sys.executable],
}


def check(checker: str, path: Path) -> str:
    if checker == "pyright" and not Path(CHECKERS["pyright"][0]).exists():
        pytest.skip("pyright is not installed")
    run = subprocess.run([*CHECKERS[checker], str(path)], cwd=path.parent, capture_output=True, text=True)
    return run.stdout + run.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_program_is_understood(checker: str) -> None:
    shown = check(checker, PROGRAM)
    assert "Success" in shown or "0 errors" in shown, shown


@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_seen(checker: str, tmp_path: Path) -> None:
    text = PROGRAM.read_text()
    bare = tmp_path / "program.py"
    bare.write_text(text.replace("# type: ignore  # refused", "# refused"))
    shown = check(checker, bare)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# refused")]
    found = {int(number) for number in re.findall(r"program\.py:(\d+).*error", shown)}
    assert found == set(lines), shown
