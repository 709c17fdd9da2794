"""The pages for those who come from another task queue: their snippets run, and what their tables name is there."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import omniq
from omniq import AsyncHandle, AsyncOmniQ, Backend, Backoff, Context, Depends, Retry, Snooze, _omniq
from omniq.app import AsyncTaskFunction, CallOptions, TaskOptions, WorkerOptions
from omniq.cli.worker import _parser
from omniq.settings import ConnectionOptions

FOLDER = Path(__file__).parents[3] / "docs/coming-from"
PAGES = {page.stem: page.read_text() for page in sorted(FOLDER.glob("*.md"))}
TABLES = [name for name in PAGES if name != "README"]

#: What the names of the tables stand for.
ROOTS: dict[str, Any] = {
    "omniq": omniq,
    "app": AsyncOmniQ(tasks="memory", results="memory"),
    "app.backend": Backend,
    "f": AsyncTaskFunction,
    "handle": AsyncHandle,
    "context": Context,
    "AsyncOmniQ": AsyncOmniQ,
    "OmniQ": omniq.OmniQ,
    "Backoff": Backoff,
}
TAKERS = (AsyncOmniQ, AsyncHandle.result, Backend.cancel_all, Backoff.exponential, Depends, Retry, Snooze)
OPTIONS = {name for taker in TAKERS for name in inspect.signature(taker).parameters}.union(
    *(options.__annotations__ for options in (TaskOptions, CallOptions, WorkerOptions, ConnectionOptions))
)

#: One interpreter for all of them: each is as short as its worker.
RUN_ALL = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path, run_name='__main__')"


def lines(page: str) -> dict[str, list[str]]:
    """The table's lines by their titles, each with its columns."""
    found = re.findall(r"^\| (\d+\. [^|]+?) \| (.+?) \| (.+) \|$", PAGES[page], re.M)
    return {title: list(columns) for title, *columns in found}


def named(page: str) -> list[str]:
    """The code in the last column."""
    return [code for _, here in lines(page).values() for code in re.findall(r"`([^`]+)`", here)]


def test_all_snippets_run(url: str, tmp_path: Path) -> None:
    programs = []
    for page, text in PAGES.items():
        for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)):
            programs.append(tmp_path / f"{page}_{number}.py")
            programs[-1].write_text(snippet)
    assert len(programs) >= 7
    command = [sys.executable, "-W", "error", "-c", RUN_ALL, *map(str, programs)]
    run = subprocess.run(command, env={**os.environ, "OMNIQ_URL": url}, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_the_pages_have_the_same_32_lines() -> None:
    titles = list(lines("celery"))
    assert [int(title.split(".")[0]) for title in titles] == list(range(1, 33))
    for page in TABLES:
        assert list(lines(page)) == titles, page


@pytest.mark.parametrize("page", TABLES)
def test_the_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGES[page])
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        assert (FOLDER / path).exists(), link
        assert anchor == "" or anchor in _anchors(FOLDER / path), link


def _anchors(page: Path) -> set[str]:
    headings = [line.lstrip("# ").lower() for line in page.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in TABLES if page != "apalis"])
def test_what_a_table_names_is_there(page: str) -> None:
    flags = {flag for action in _parser()._actions for flag in action.option_strings}
    for code in named(page):
        if code.startswith("omniq "):
            continue
        code = re.sub(r'"[^"]*"', '""', code)
        assert set(re.findall(r"--[a-z-]+", code)) <= flags, code
        assert set(re.findall(r"\b(\w+)=", code)) <= OPTIONS, code
        for root, name in re.findall(r"\b(app\.backend|\w+)\.(\w+)", code):
            assert root not in ROOTS or hasattr(ROOTS[root], name), code
        for name in re.findall(r"\b[A-Z][a-z]\w+", code):
            assert name in ("None", "Annotated", "True", "Session") or hasattr(omniq, name), code


@pytest.mark.parametrize("page", [page for page in TABLES if page != "apalis"])
def test_options_of_a_call_are_options_of_a_call(page: str) -> None:
    callbacks = lines(page)["18. Signals, callbacks"][-1]
    of_task, of_call = re.findall(r"((?:`\w+=`,? ?)+)of a task( or a call)?", callbacks)
    assert not of_task[1]
    assert of_call[1]
    assert set(re.findall(r"\w+(?==)", of_task[0])) <= set(TaskOptions.__annotations__) - set(
        CallOptions.__annotations__
    )
    named_here = set(re.findall(r"\w+(?==)", of_call[0]))
    assert len(named_here) == 6
    assert named_here <= set(CallOptions.__annotations__) & set(TaskOptions.__annotations__)


def test_the_commands_that_the_tables_name_are_there(capfd: pytest.CaptureFixture[str]) -> None:
    commands = {code for page in TABLES for code in named(page) if code.startswith("omniq ")}
    assert {"omniq queues", "omniq workers", "omniq tasks list"} <= commands
    for command in commands:
        words = [word for word in command.split() if not word.startswith("-")]
        if words[1] == "worker":
            assert _parser().parse_args(command.split()[2:]).queues == "mail,default"
        else:
            assert _omniq.command([*words, "--help"], sys.executable) == 0, command
    capfd.readouterr()
