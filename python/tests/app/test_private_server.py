"""Without a URL a private server keeps the tasks: this is logged and can be forbidden, and an unknown variable is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from omniq import AsyncOmniQ, ConfigError, OmniQ, OmniQError, PostgresBackend, Settings
from omniq._loop import wait
from omniq._omniq import embedded_url
from omniq.storage.postgres import PostgresQueue

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
    kept = {"HOME", "LANG", "PATH", "TMPDIR"}
    env = {name: value for name, value in os.environ.items() if name in kept}
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
            assert "OMNIQ_EMBEDDED=off forbids it" in line
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


# Issue 14, 15: a variable that resembles no known one was ignored with a warning.
def test_an_unknown_variable_is_refused_with_the_nearest_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIQ_COLOUR", "red")
    words = "OMNIQ_COLOUR is no variable of OmniQ: rename it, or unset it; the nearest is OMNIQ_URL"
    for read in (Settings.from_env, Settings.load, AsyncOmniQ, PostgresBackend, PostgresQueue):
        with pytest.raises(ConfigError, match=words):
            read()
    command = [sys.executable, "-m", "omniq", "queues"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_private_server_can_be_forbidden(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OMNIQ_", "PG")) or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMNIQ_HOME", str(home))
    remedy = "give a postgresql:// URL, or set OMNIQ_URL, DATABASE_URL or PGHOST"

    # Making an application is no error: a step of a build may import the program.
    def refused(app: OmniQ, by: str) -> None:
        with pytest.raises(ConfigError, match=f"a private server is forbidden by {by}: .*{remedy}"):
            app.connect()

    refused(OmniQ(embedded=False), "embedded = off")
    refused(OmniQ(Settings(embedded=False, schema="x")), "embedded = off")
    refused(OmniQ.from_config({"embedded": "off"}), "embedded = off")
    monkeypatch.setenv("OMNIQ_EMBEDDED", "off")
    assert Settings.from_env().embedded is False
    refused(OmniQ(), "embedded = off")
    # The environment forbids it to programs that do not read their settings from it, too.
    refused(OmniQ(Settings(), embedded=True), "OMNIQ_EMBEDDED = off")
    with pytest.raises(ConfigError, match=remedy):
        PostgresBackend().connect()
    with pytest.raises(ConfigError, match="forbidden by OMNIQ_EMBEDDED = off"):
        wait(embedded_url(None))
    assert not home.exists()
    # Nothing on PostgreSQL needs none.
    with OmniQ(tasks="memory", results="memory") as app:
        app.connect()


# Issue 12, E6: the variable was ignored.
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIQ_ULR", "postgresql://db/app")
    for read in (Settings.from_env, Settings.load, AsyncOmniQ):
        with pytest.raises(OmniQError, match="OMNIQ_ULR is no variable of OmniQ: OMNIQ_URL was meant") as refused:
            read()
        assert refused.value.is_config
    # If settings are given, the environment is not read.
    assert AsyncOmniQ("postgresql://db/app").settings.url == "postgresql://db/app"
