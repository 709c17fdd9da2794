"""`scripts/contain.py`, under which `make test` and `make bench` run: no process that they started outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

CONTAIN = Path(__file__).parents[2] / "scripts/contain.py"
#: Starts a child in its own process group, a daemon in another session, and one that ignores INT, TERM and HUP.
STARTS = """
set -m; sleep 300 & set +m
(setsid sleep 300 >/dev/null 2>&1 &)
setsid bash -c 'trap "" INT TERM HUP; sleep 300; sleep 300' >/dev/null 2>&1 &
echo started
"""


def marked(mark: str) -> list[str]:
    """The commands of the processes that have this mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"CONTAIN_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def start(script: str, mark: str, grace: str = "1") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, CONTAIN, "bash", "-c", script],
        env={**os.environ, "CONTAIN_MARK": mark, "CONTAIN_GRACE": grace},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


# Issue 12, D3: after Ctrl-C, servers, workers and process groups went on.
@pytest.mark.skipif(sys.platform != "linux", reason="it is for Linux")
@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_ends_everything(stubborn: bool) -> None:
    mark = uuid.uuid4().hex
    waits = "trap '' INT; sleep 300 & wait; sleep 300" if stubborn else "sleep 300"
    with start(STARTS + waits, mark) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.2)
        assert len(marked(mark)) >= 5
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert marked(mark) == []


@pytest.mark.skipif(sys.platform != "linux", reason="it is for Linux")
def test_the_end_of_the_command_ends_the_rest() -> None:
    mark = uuid.uuid4().hex
    process = start(STARTS + "exit 3", mark)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "still running, and ended now: bash, sleep" in errors
    assert marked(mark) == []
    # A command that ends by itself: nothing is printed, and its exit code is passed on.
    done = start("exit 0", mark)
    assert done.communicate(timeout=20) == ("", "")
    assert done.returncode == 0
