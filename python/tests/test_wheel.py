"""The wheel in a fresh environment: it installs with its dependencies, imports, and works."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys, omniq
async def main():
    async with omniq.AsyncPostgresBackend(sys.argv[1]) as backend:
        id = await backend.enqueue("f", {"a": 1})
        task = await backend.queue.dequeue()
        await backend.complete(task, "done")
        print((await backend.wait(id, 5)).value)
asyncio.run(main())
"""


@pytest.fixture
def wheel() -> Path:
    path = os.environ.get("OMNIQ_TEST_WHEEL")
    if not path:
        pytest.skip("no wheel was built: scripts/python.sh test does")
    return Path(path)


def test_it_holds_types_and_module_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"omniq/py.typed", "omniq/_omniq.pyi", "omniq/_omniq.abi3.so", "omniq/storage/postgres.py"} <= names
    assert all(name.startswith(("omniq/", "omniq_pg-")) for name in names)
    assert "cp310-abi3" in wheel.name


def test_it_works_in_a_fresh_environment(wheel: Path, url: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel], check=True)
    ended = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM, url], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("done\n", "")
