"""Signals: a worker's process ends in time with code 0, even if tasks hang. Its tasks run again, and no attempt is
counted.

Issue 12, D1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stuck

from omniq import OmniQ
from omniq.models import TaskState
from omniq.testing import on_database

HERE = Path(__file__).parent


class Program:
    """A worker in its own process group."""

    def __init__(self, url: str, grace: float, loop: str = "asyncio", program: bool = False) -> None:
        command = [sys.executable, "stuck.py", str(grace), loop]
        if not program:
            options = ["--loop", loop, "--grace", str(grace)]
            command = [sys.executable, "-m", "omniq", "worker", "stuck:app", *options]
        self.process = subprocess.Popen(
            command, cwd=HERE, env={**os.environ, "OMNIQ_URL": url, "OMNIQ_LOG_LEVEL": "info"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def ended_within(self, seconds: float) -> str:
        """Waits for its end, with exit code 0, within this time; returns its stderr."""
        began = time.monotonic()
        self.out, errors = self.process.communicate(timeout=seconds)
        self.took = time.monotonic() - began
        assert self.process.returncode == 0, errors
        assert "Traceback" not in errors
        return errors


@pytest.fixture
def start(url: str) -> Iterator[Any]:
    programs: list[Program] = []

    def make(grace: float, **options: Any) -> Program:
        programs.append(Program(url, grace, **options))
        return programs[-1]

    with on_database(stuck.app, url, schema="omniq"):
        yield make
        for one in programs:
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.communicate()


def running(*handles: Any) -> None:
    end = time.monotonic() + 20
    while {handle.status_sync() for handle in handles} != {TaskState.RUNNING}:
        assert time.monotonic() < end
        time.sleep(0.02)


def handed_back(*handles: Any) -> None:
    with OmniQ(stuck.app.settings) as app:
        for handle in handles:
            task = app.backend.queue.get(handle.id)
            assert task is not None
            assert (task.state, task.attempt) == (TaskState.READY, 0), task.func


@pytest.mark.parametrize("program", [False, True], ids=["command", "program"])
@pytest.mark.parametrize("which", ["blocks", "holds_the_interpreter", "swallows", "threads"])
def test_what_hangs_is_handed_back_and_the_process_ends(start: Any, which: str, program: bool) -> None:
    loop = "uvloop" if which == "swallows" else "asyncio"
    worker = start(0.5, program=program, loop=loop)
    if which == "threads":
        hang = [stuck.naps.enqueue_sync(60), stuck.naps_in_process.enqueue_sync(60), stuck.naps.enqueue_sync(60)]
    else:
        hang = [getattr(stuck, which).enqueue_sync(60)]
    running(*hang)
    # By then the runs have begun, not only been claimed.
    time.sleep(0.5)
    worker.process.send_signal(signal.SIGTERM)
    errors = worker.ended_within(8)
    # The log goes through Python, whose interpreter is not available while a task holds it.
    assert "signal received" in errors or which == "holds_the_interpreter"
    handed_back(*hang)


def test_a_second_signal_ends_it_at_once_and_two_together_are_one(start: Any) -> None:
    worker = start(60)
    hang = [stuck.blocks.enqueue_sync(60), stuck.naps.enqueue_sync(60)]
    running(*hang[1:])
    time.sleep(0.5)
    # As `timeout` of coreutils: one signal to the process, and one to its group.
    worker.process.send_signal(signal.SIGTERM)
    os.killpg(worker.process.pid, signal.SIGTERM)
    time.sleep(1)
    assert worker.process.poll() is None
    worker.process.send_signal(signal.SIGINT)
    assert "second signal" in worker.ended_within(6)
    handed_back(*hang)


def test_a_signal_to_the_group_leaves_runs_their_grace_time(start: Any) -> None:
    worker = start(20, program=True)
    runs = [stuck.naps_in_process.enqueue_sync(1.5), stuck.blocks.enqueue_sync(1.5), stuck.naps.enqueue_sync(1.5)]
    running(*runs)
    # One of the processes is still starting: the signal must not end it.
    for number in (signal.SIGTERM, signal.SIGINT):
        os.killpg(worker.process.pid, number)
    worker.ended_within(15)
    assert [run.result_sync(1) for run in runs] == ["rested"] * 3
    assert worker.out == "after the worker\n"


@pytest.mark.parametrize("program", [False, True], ids=["command", "program"])
def test_threads_that_a_task_has_left_running_delay_nothing(start: Any, program: bool) -> None:
    worker = start(20, program=program)
    assert stuck.leaves_a_thread.enqueue_sync(60).result_sync(20) == "left"
    worker.process.send_signal(signal.SIGTERM)
    worker.ended_within(8)
    assert worker.out == ("after the worker\n" if program else "")


def test_signals_of_other_processes_are_their_own(start: Any) -> None:
    worker = start(1)
    assert stuck.ends_a_forked_child.enqueue_sync().result_sync(20) == -signal.SIGTERM
    assert stuck.ends_a_program_of_its_own.enqueue_sync().result_sync(20) == -signal.SIGTERM
    assert worker.process.poll() is None
    worker.process.send_signal(signal.SIGINT)
    worker.ended_within(8)


def test_a_worker_that_waits_for_its_server_ends_as_well(tmp_path: Path) -> None:
    import socket

    # This server accepts connections, and sends nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        worker = Program(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=30", 1)
        silent.settimeout(20)
        connection, _ = silent.accept()
        time.sleep(0.2)
        worker.process.send_signal(signal.SIGTERM)
        worker.ended_within(6)
        connection.close()
