"""The examples, each run by its documented command, on a fresh database."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import notebook
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples/python"

Ask = Callable[..., list[Any]]


def command(url: str, *args: object) -> dict[str, Any]:
    """The arguments of `subprocess` that start an example with the installed package."""
    env = {**os.environ, "OMNIQ_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}
    return {"args": [sys.executable, *map(str, args)], "env": env, "text": True}


def run(folder: str, url: str, *args: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(**command(url, *args), cwd=EXAMPLES / folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def running(folder: str, url: str, *args: object) -> Iterator[None]:
    """Runs an example during the block, and checks that it ends without an error when it is asked to stop."""
    started = subprocess.Popen(
        **command(url, *args), cwd=EXAMPLES / folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield
    finally:
        started.terminate()
        try:
            output, _ = started.communicate(timeout=30)
        finally:
            started.kill()
        print(output)
    assert "Traceback" not in output, output


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(look: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"it did not come within {seconds} s")


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/tasks/00000000-0000-0000-0000-000000000000").status_code == 404
    except httpx.TransportError:
        return False


def ended(client: httpx.Client, task: str) -> Any:
    answer = client.get(f"/tasks/{task}").raise_for_status().json()
    return answer if answer["state"] not in ("scheduled", "ready", "running") else None


def test_fastapi(url: str, ask: Ask) -> None:
    port = free_port()
    with (
        running("fastapi_shop", url, "-m", "uvicorn", "main:web", "--port", port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        until(lambda: is_up(client))
        answer = client.post("/orders", json={"email": "ann@example.org", "amount": 3})
        assert answer.status_code == 202
        done = until(lambda: ended(client, answer.json()["task"]))
        assert done == {"state": "completed", "value": "order 1 confirmed to ann@example.org", "error": None}

        assert client.post("/orders", json={"email": "bob@example.org", "amount": 0}).status_code == 422
        assert client.post("/orders", json={"email": "bob@example.org"}).status_code == 422
        assert [row["email"] for row in ask("select email from orders")] == ["ann@example.org"]
        # A second order is summed up by the task of the first.
        second = client.post("/orders", json={"email": "ann@example.org", "amount": 4}).json()
        assert (second["task"] != answer.json()["task"], second["total"]) == (True, answer.json()["total"])
        until(lambda: ended(client, second["task"]))
        assert until(lambda: ended(client, second["total"]))["state"] == "completed"
        assert [tuple(row.values()) for row in ask("select * from totals")] == [("ann@example.org", 7)]
        # The report of the night, by hand.
        asked = until(lambda: report if (report := client.post("/report")).status_code == 202 else None)
        assert until(lambda: ended(client, asked.json()["task"])) == {"state": "completed", "value": 2, "error": None}
        assert ask("select count(*) from omniq.tasks")[0][0] == 0
        assert ask("select count(*) from omniq.results")[0][0] == 4


def test_django(url: str, ask: Ask) -> None:
    run("django_site", url, "manage.py", "migrate", "--run-syncdb")
    port = free_port()
    server = ("manage.py", "runserver", "--noreload", "--skip-checks", port)
    with running("django_site", url, *server), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        until(lambda: is_up(client))
        # The worker is started later, so that an unexpected task would be seen.
        answer = client.post("/invoices", json={"email": "ann@example.org", "amount": 3})
        assert answer.status_code == 202
        assert client.post("/invoices", json={"email": "bob@example.org", "amount": -1}).status_code == 422
        assert client.post("/invoices", content="{}").status_code == 400
        assert [row["email"] for row in ask("select email from shop_invoice")] == ["ann@example.org"]
        assert ask("select count(*) from omniq.tasks")[0][0] == 1

        task = answer.json()["task"]
        assert client.get(f"/tasks/{task}").json()["state"] == "ready"
        with running("django_site", url, "manage.py", "worker"):
            done = until(lambda: ended(client, task))
        assert done == {"state": "completed", "value": "invoice 1 sent to ann@example.org", "error": None}
        assert ask("select sent from shop_invoice")[0]["sent"] is True


def test_pipeline(url: str, ask: Ask) -> None:
    done = run("pipeline", url, "pipeline.py", "--items", 6000)
    assert done.stdout.splitlines() == [
        "station-0: 10.0 °C, the mean of 1998",
        "station-1: 20.0 °C, the mean of 1998",
        "station-2: 30.0 °C, the mean of 1998",
        "skipped: 6",
    ]
    assert "converted: 100%" in done.stderr
    assert "6000/6000" in done.stderr
    assert ask("select count(*) from omniq.tasks")[0][0] == 0


def test_script(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two  three\n")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\xff")
    lines = run("script", url, "words.py", tmp_path).stdout.splitlines()
    assert lines[:2] == ["       3 a.txt", "       0 b.txt"]
    assert lines[2].startswith("       ? c.txt: 'utf-8' codec can't decode")


@pytest.mark.empty_database
def test_custom_storage(url: str, tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "results.db"
    for times in range(1, 3):
        lines = run("custom_storage", url, "main.py", path).stdout.splitlines()
        assert lines == ["0 1 4 9 16 25 36 49 64 81", f"{times * 10} results in {path}"]
    assert ask("select to_regclass('omniq.results')")[0][0] is None


def test_notebook(url: str) -> None:
    path = EXAMPLES / "notebook/lengths.ipynb"
    done = run("notebook", url, "-W", "error", notebook.__file__, path)
    shown = json.loads(done.stdout)
    assert shown == [notebook.outputs(cell) for cell in notebook.code_cells(path)]
    assert sum(bool(one["value"]) for one in shown) == 5
    assert "300/300" in done.stderr
