"""The command `omniq worker` as a process: signals, reload, what it prints."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shop

from omniq import OmniQ
from omniq.testing import on_database

HERE = Path(__file__).parent


def start(url: str, *more: str, cwd: Path = HERE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "omniq", "worker", *more]
    env = {**os.environ, "OMNIQ_URL": url}
    return subprocess.Popen(command, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_command_runs_until_a_signal(url: str, loop: str) -> None:
    with on_database(shop.app, url, schema="omniq"):
        worker = start(url, "shop:app", "--loop", loop, "--queues", "default", "--concurrency", "4")
        try:
            assert shop.add.enqueue_sync(1, b=5).result_sync(20) == 6
            assert shop.hello.enqueue_sync("Ann").result_sync(20) == "Hello Ann"
            pid, _, _ = shop.process_id.enqueue_sync(10).result_sync(20)
            assert pid not in (os.getpid(), worker.pid)
            slow = shop.nap.enqueue_sync(3)
            rest = shop.rest.enqueue_sync(3)
            # Not by their state: a task that is handed off to an idle worker is claimed before its run begins, and
            # released at a stop.
            while not all("started" in [event.kind for event in one.events_sync()] for one in (slow, rest)):
                time.sleep(0.02)
            worker.send_signal(signal.SIGTERM)
            _, errors = worker.communicate(timeout=20)
        finally:
            worker.kill()
        assert worker.returncode == 0, errors
        assert "Traceback" not in errors
        assert slow.result_sync(1) == rest.result_sync(1) == "rested"


def test_reload_starts_again(url: str, tmp_path: Path) -> None:
    def write(answer: int) -> None:
        (tmp_path / "small.py").write_text(
            f"import os\nfrom omniq import OmniQ\napp = OmniQ()\n@app.task\ndef ask() -> int:\n    return {answer}\n"
        )

    write(1)
    app = OmniQ(url)
    ask = app.task(name="ask")(lambda: 0)
    worker = start(url, "small", "--reload", cwd=tmp_path)
    try:
        with app:
            assert ask.enqueue().result(30) == 1
            write(2)
            end = time.monotonic() + 30
            while ask.enqueue().result(30) != 2:
                assert time.monotonic() < end
        worker.send_signal(signal.SIGINT)
        _, errors = worker.communicate(timeout=20)
    finally:
        worker.kill()
    assert worker.returncode == 0, errors
    assert "starting anew" in errors


def test_the_command_says_what_is_wrong(url: str) -> None:
    for arguments, words in [
        (["nowhere:app"], "no module nowhere"),
        (["shop:nothing"], "named nothing"),
        (["shop:app", "--concurrency", "0"], "concurrency = 0"),
    ]:
        worker = start(url, *arguments)
        _, errors = worker.communicate(timeout=20)
        assert worker.returncode == 2, errors
        assert words in errors
        assert "Traceback" not in errors


def test_the_rust_command_is_in_the_package(url: str) -> None:
    with on_database(shop.app, url, schema="omniq"):
        handle = shop.hello.enqueue_sync("Ann")
        command = [sys.executable, "-m", "omniq"]
        env = {**os.environ, "OMNIQ_URL": url}
        shown = subprocess.run([*command, "tasks", "show", str(handle.id)], env=env, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        assert "hello" in shown.stdout
        help_text = subprocess.run([*command, "--help"], capture_output=True, text=True).stdout
        assert "worker" in help_text
        wrong = subprocess.run([*command, "taks"], capture_output=True, text=True)
        assert wrong.returncode == 2


def test_a_traceback_is_readable_in_the_command(url: str) -> None:
    with on_database(shop.app, url, schema="omniq"):
        handle = shop.nap.with_options(max_retries=0).enqueue_sync(-1.0)
        asyncio.run(shop.app.drain())
        command = [sys.executable, "-m", "omniq", "tasks", "show", str(handle.id)]
        shown = subprocess.run(command, env={**os.environ, "OMNIQ_URL": url}, capture_output=True, text=True)
        assert "ValueError" in shown.stdout
        assert "\n" in shown.stdout[shown.stdout.index("Traceback") :]
        assert "time.sleep(seconds)" in shown.stdout
