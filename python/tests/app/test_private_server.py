"""Without a URL a private server keeps the tasks: this is logged, and a misspelt variable is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from omniq import AsyncOmniQ, OmniQError, Settings

PROGRAM = """
import logging, sys
from omniq import OmniQ
if sys.argv[1:] == ["configured"]:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
app = OmniQ(schema="elsewhere")
@app.task
def add(a: int) -> int:
    return a
add.enqueue(1)
app.close()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the operating system's user of the server can enter too."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


# Issue 12, E6: the server started without a message, and kept the tasks.
def test_a_private_server_says_where_the_tasks_go(home: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("OMNIQ_")}
    env["OMNIQ_HOME"] = str(home)
    if "OMNIQ_TEST_PG_BIN" in os.environ:
        env["OMNIQ_PG_BIN"] = os.environ["OMNIQ_TEST_PG_BIN"]
    try:
        for arguments in ([], ["configured"]):
            command = [sys.executable, "-c", PROGRAM, *arguments]
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            (line,) = done.stderr.splitlines()
            assert "no database is set" in line
            assert "OMNIQ_URL" in line
            assert "127.0.0.1" in line
            assert ("WARNING omniq.server: " in line) == bool(arguments)
            assert "***" in line
    finally:
        subprocess.run([sys.executable, "-m", "omniq", "dev", "stop"], env=env, check=True, capture_output=True)


# Issue 12, E6, found by a newcomer: without an activated environment the command started another server, of another
# version.
def test_the_command_finds_the_private_server_of_its_own_environment(home: Path) -> None:
    kept = {"HOME", "LANG", "PATH", "TMPDIR"}
    env = {name: value for name, value in os.environ.items() if name in kept} | {"OMNIQ_HOME": str(home)}

    def run(program: str, *arguments: str) -> str:
        command = [str(Path(sys.executable).parent / program), *arguments]
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        run("python", "-c", PROGRAM)
        assert json.loads(run("omniq", "dev", "status", "--json"))["running"]
        (task,) = json.loads(run("omniq", "--schema", "elsewhere", "tasks", "list", "--json"))["tasks"]
        assert task["func"].endswith("add")
    finally:
        run("omniq", "dev", "stop")


# Issue 12, E6, found by a newcomer: the command printed nothing about them, although the guide says that it does.
def test_the_command_says_which_variables_it_ignores(url: str) -> None:
    kept = {"HOME", "LANG", "PATH", "TMPDIR"}
    env = {name: value for name, value in os.environ.items() if name in kept}
    env |= {"OMNIQ_URL": url, "OMNIQ_COLOUR": "red"}

    def said(*arguments: str) -> str:
        command = [sys.executable, "-m", "omniq", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "OmniQ ignores OMNIQ_COLOUR; the settings are OMNIQ_" in said("db", "migrate")
    assert said("-q", "queues") == ""


# Issue 12, E6: the variable was ignored.
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIQ_ULR", "postgresql://db/app")
    for read in (Settings.from_env, Settings.load, AsyncOmniQ):
        with pytest.raises(OmniQError, match="OMNIQ_ULR is no variable of OmniQ: OMNIQ_URL was meant") as refused:
            read()
        assert refused.value.is_config
    # If settings are given, the environment is not read.
    assert AsyncOmniQ("postgresql://db/app").settings.url == "postgresql://db/app"
