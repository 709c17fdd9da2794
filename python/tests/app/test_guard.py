"""`process=True` in a script without a main guard: detected, and refused with the line to add. Issue 12, D2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = """
import os, sys, time
from omniq import OmniQ, TaskFailed

app = OmniQ(os.environ["OMNIQ_URL"])
PADDING = "x" * int(os.environ["PADDING"])


@app.task(process=True, max_retries=3)
def square(n: int, padding: str) -> int:
    return n * n


"""
BODY = """
def main():
    with app, app.worker(task_processes=1):
        try:
            print(square.enqueue(7, PADDING).result(20))
        except TaskFailed as failed:
            print(failed.result.attempt, failed)
        except BaseException as error:
            print("caught", error)


"""


@pytest.mark.parametrize("padding", ["0", "700000"])
@pytest.mark.parametrize("end", ["main()", "try:\n    main()\nexcept BaseException:\n    time.sleep(60)"])
def test_a_script_without_a_main_guard_gets_a_clear_error(
    url: str, tmp_path: Path, end: str, padding: str, ask: Callable[..., list[Any]]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{HEAD}{BODY}{end}\n")
    ran = _run(script, url, padding)
    assert ran.returncode == 0, ran.stderr
    assert 'if __name__ == "__main__":' in ran.stdout
    # One run and one task: it was neither retried nor enqueued again.
    assert ran.stdout.startswith("1 ")
    assert ask("select count(*) as n from omniq.tasks")[0]["n"] == 1


def test_a_script_with_a_main_guard_works(url: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f'{HEAD}{BODY}if __name__ == "__main__":\n    main()\n')
    assert _run(script, url).stdout == "49\n"


def test_a_process_that_ends_before_it_begins_gets_the_hint(url: str, tmp_path: Path) -> None:
    # The script ends while it is loaded, before it uses OmniQ.
    script = tmp_path / "script.py"
    again = 'if __name__ != "__main__":\n    sys.exit(3)\n'
    script.write_text(f"{HEAD.replace('max_retries=3', 'max_retries=0')}{again}{BODY}main()\n")
    ran = _run(script, url)
    assert "ended with exit code 3 before it could begin" in ran.stdout
    assert 'if __name__ == "__main__":' in ran.stdout


def _run(script: Path, url: str, padding: str = "0") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMNIQ_URL": url, "PADDING": padding}
    return subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=40, check=False)
