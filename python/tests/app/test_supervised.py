"""`omniq worker` with a supervisor, as processes: deaths, limits, reload, several applications, the log as JSON lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from omniq import OmniQ, TaskFailed, __version__

PROGRAM = """
import logging, os, time
from omniq import OmniQ

app = OmniQ(lease=1.0)
kept = []


@app.task(max_retries=0)
def pid(seconds: float) -> tuple[int, int]:
    time.sleep(seconds)
    return VERSION, os.getpid()


@app.task(max_retries=0)
def waits(path: str) -> tuple[int, int]:
    while not os.path.exists(path):
        time.sleep(0.01)
    return VERSION, os.getpid()


@app.task
def grow(size: int) -> int:
    kept.append(b"x" * size)
    return os.getpid()


@app.task(max_retries=0)
def fails(word: str) -> None:
    logging.getLogger("shop").warning("about to fail", extra={"word": word})
    raise ValueError(word)


other = OmniQ(lease=1.0)


@other.task(queue="other")
def elsewhere() -> str:
    return "elsewhere"
"""
#: How long anything here may take, in seconds.
PATIENCE = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.py").write_text(PROGRAM.replace("VERSION", "1"))
    return tmp_path


class Command:
    """A command in a process group of its own, whose stderr goes to a file."""

    def __init__(self, url: str, folder: Path, arguments: tuple[str, ...]) -> None:
        self.file = folder / "stderr"
        env = {**os.environ, "OMNIQ_URL": url}
        with self.file.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "omniq", "worker", *arguments],
                cwd=folder, env=env, stderr=errors, start_new_session=True,
            )  # fmt: skip

    def ended(self) -> str:
        """Stops it by signals to it and to its group, as systemd does; returns its stderr."""
        self.process.send_signal(signal.SIGTERM)
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(PATIENCE)
        errors = self.file.read_text()
        assert self.process.returncode == 0, errors
        return errors


@pytest.fixture
def start(url: str, folder: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def make(*arguments: str) -> Command:
        started.append(Command(url, folder, arguments))
        return started[-1]

    yield make
    for one in started:
        # Its processes end by themselves, because it is gone.
        one.process.kill()
        one.process.wait()


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


class Sender:
    """An application that only enqueues."""

    def __init__(self, url: str) -> None:
        self.app = app = OmniQ(url)
        self.pid: Any = app.task(name="pid", max_retries=0)(lambda seconds: None)
        self.waits: Any = app.task(name="waits", max_retries=0)(lambda path: None)
        self.grow: Any = app.task(name="grow")(lambda size: None)
        self.fails: Any = app.task(name="fails", max_retries=0)(lambda word: None)
        self.elsewhere: Any = app.task(name="elsewhere", queue="other")(lambda: None)

    def workers(self) -> list[str]:
        """The names of those that live."""
        return sorted(one.name for one in self.app.backend.queue.workers() if not one.lost)

    def ids(self) -> set[int]:
        """The ids of those that live."""
        return {one.id for one in self.app.backend.queue.workers() if not one.lost}


def test_what_dies_is_restarted_and_a_reload_loses_no_run(
    url: str, folder: Path, start: Callable[..., Command]
) -> None:
    command = start("small:app", "small:other", "--processes", "2", "--name", "shop", "--log-format", "json")
    sender = Sender(url)
    # Each process has a worker for each application.
    all_there = ["shop:1", "shop:1", "shop:2", "shop:2"]
    with sender.app as app:
        assert sender.elsewhere.enqueue().result(PATIENCE) == "elsewhere"
        version, pid = sender.pid.enqueue(0).result(PATIENCE)
        assert version == 1
        assert pid != command.process.pid
        until(lambda: sender.workers() == all_there)
        before = sender.ids()
        os.kill(pid, signal.SIGKILL)
        # Until its leases end, the workers of the dead process may still be given tasks.
        until(lambda: sender.workers() == all_there and len(sender.ids() & before) == 2)
        assert "was ended by SIGKILL; another one starts now" in command.file.read_text()
        with pytest.raises(TaskFailed, match="boom"):
            sender.fails.enqueue("boom").result(PATIENCE)
        (folder / "small.py").write_text(PROGRAM.replace("VERSION", "2"))
        waiting = sender.waits.enqueue(str(folder / "gate"))
        until(lambda: waiting.status() == "running")
        command.process.send_signal(signal.SIGHUP)
        until(lambda: sender.pid.enqueue(0).result(PATIENCE)[0] == 2)
        (folder / "gate").touch()
        assert waiting.result(PATIENCE)[0] == 1
        result = app.backend.results.get(waiting.id)
        assert result is not None
        assert result.attempt == 1
        # A program that does not start any more: those that are there go on.
        (folder / "small.py").write_text("no python")
        command.process.send_signal(signal.SIGHUP)
        until(lambda: "reload: the new process has ended" in command.file.read_text())
        assert sender.pid.enqueue(0).result(PATIENCE)[0] in (1, 2)
    lines = [json.loads(line) for line in command.ended().splitlines() if line.startswith("{")]
    (failed,) = [line for line in lines if line.get("error") == "ValueError"]
    assert (failed["level"], failed["func"], failed["queue"], failed["attempt"]) == ("WARNING", "fails", "default", 1)
    assert failed["message"] == "task failed for good: ValueError: boom"
    assert "raise ValueError(word)" in failed["trace"]
    (said,) = [line for line in lines if line["message"] == "about to fail"]
    assert (said["task"], said["func"], said["word"]) == (failed["task"], "fails", "boom")
    begun = [line for line in lines if line["message"] == "worker started"]
    assert {(line["queues"], line["functions"]) for line in begun} == {
        ("default", "fails, grow, pid, waits"),
        ("other", "elsewhere"),
    }
    # The name of the database stands there, the password nowhere.
    facts = {(line["version"], line["concurrency"], line["database"].partition("/t_")[1]) for line in begun}
    assert facts == {(__version__, 100, "/t_")}
    password = url.split(":")[2].split("@")[0]
    assert len(password) > 5
    assert password not in command.file.read_text()


def test_a_process_is_replaced_after_as_many_tasks_as_it_may_run(url: str, start: Callable[..., Command]) -> None:
    command = start("small:app", "--max-tasks", "4", "--concurrency", "2", "--log-errors", "type")
    sender = Sender(url)
    with sender.app as app:
        handles = sender.pid.enqueue_many([0.01] * 12)
        pids = [handle.result(PATIENCE)[1] for handle in handles]
        assert max(pids.count(pid) for pid in pids) <= 5, "no more than the limit and what ran at that moment"
        results = [app.backend.results.get(handle.id) for handle in handles]
        assert [result and result.attempt for result in results] == [1] * 12
        with pytest.raises(TaskFailed):
            sender.fails.enqueue("secret").result(PATIENCE)
    errors = command.ended()
    assert "task failed for good: ValueError task=" in errors
    assert "secret" not in errors


def test_a_process_that_takes_too_much_memory_is_replaced_while_its_runs_end(
    url: str, folder: Path, start: Callable[..., Command]
) -> None:
    command = start("small:app", "--max-memory", "256M")
    sender = Sender(url)
    with sender.app:
        waiting = sender.waits.enqueue(str(folder / "gate"))
        old = sender.grow.enqueue(300 * 2**20).result(PATIENCE)
        until(lambda: sender.pid.enqueue(0).result(PATIENCE)[1] != old)
        (folder / "gate").touch()
        assert waiting.result(PATIENCE)[1] == old, "it went on while the successor was at work"
    assert "more than the 256 MiB of --max-memory: it is replaced" in command.ended()


def test_a_program_that_cannot_start_ends_with_the_reason_once(start: Callable[..., Command]) -> None:
    command = start("nowhere", "--processes", "2", "--log-format", "json")
    assert command.process.wait(PATIENCE) == 2
    (line,) = command.file.read_text().splitlines()
    assert json.loads(line)["message"].startswith("there is no module nowhere")


def test_a_worker_ends_if_its_supervisor_is_killed(url: str, folder: Path, start: Callable[..., Command]) -> None:
    command = start("small:app", "--processes", "1", "--grace", "0.2")
    sender = Sender(url)
    with sender.app as app:
        hanging = sender.waits.enqueue(str(folder / "never"))
        _, pid = sender.pid.enqueue(0).result(PATIENCE)
        until(lambda: hanging.status() == "running")
        command.process.kill()
        until(lambda: sender.workers() == [])
        until(lambda: not Path(f"/proc/{pid}").exists())
        # The run outlived the grace time, and ended with its process.
        task = app.backend.queue.get(hanging.id)
        assert task is not None
        assert (task.state, task.attempt) == ("ready", 0)


def test_sigquit_stops_all_applications_of_a_process_at_once(
    url: str, folder: Path, start: Callable[..., Command]
) -> None:
    command = start("small:app", "small:other", "--grace", "60")
    sender = Sender(url)
    with sender.app as app:
        assert sender.elsewhere.enqueue().result(PATIENCE) == "elsewhere"
        hanging = sender.waits.enqueue(str(folder / "never"))
        until(lambda: hanging.status() == "running")
        command.process.send_signal(signal.SIGQUIT)
        assert command.process.wait(10) == 0
        task = app.backend.queue.get(hanging.id)
        assert task is not None
        assert (task.state, task.attempt) == ("ready", 0)
        assert sender.workers() == []
