"""The supervisor of `omniq worker --processes`: what it decides, on a clock of its own, with processes that are played."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from typing import Any

import pytest

from omniq import OmniQError
from omniq.cli import worker as command
from omniq.cli.supervise import _Signals
from omniq.cli.supervised import Link, size
from omniq.cli.supervisor import Supervisor
from omniq.worker import WorkerOptions
from omniq.worker.service import _together


class Played:
    """A process as the test says."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self.said: list[str] = []
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    def messages(self) -> list[str]:
        said, self.said = self.said, []
        return said


class Play:
    """A supervisor, the processes that it has started, and the time."""

    def __init__(self, count: int, ready: bool = True, **options: Any) -> None:
        self.now = 0.0
        self.started: list[tuple[int, Played]] = []
        self.supervisor = Supervisor(count, self._start, lambda: self.now, **options)
        self.step()
        while ready and self.ready() < count:
            self.step()

    def _start(self, place: int) -> Played:
        self.started.append((place, Played(100 + len(self.started))))
        return self.started[-1][1]

    def __getitem__(self, number: int) -> Played:
        return self.started[number][1]

    def step(self, seconds: float = 0.0) -> float | None:
        self.now += seconds
        return self.supervisor.step()

    def ready(self) -> int:
        """Has all that were started say that they are ready; returns how many these are."""
        count = len(self.started)
        for _, one in self.started:
            one.said = ["ready"]
        self.step()
        return count


def test_the_first_process_shows_whether_the_others_can_start() -> None:
    play = Play(3, ready=False)
    assert [place for place, _ in play.started] == [0]
    play[0].said = ["ready"]
    play.step()
    assert [place for place, _ in play.started] == [0, 1, 2]
    failing = Play(3, ready=False)
    failing[0].code = 2
    failing.step()
    assert failing.supervisor.is_over
    assert (failing.supervisor.code, len(failing.started)) == (2, 1)


def test_a_stop_beside_the_first_ready_process_starts_no_other() -> None:
    # Found by a hostile reader: the signal was read before what the process had said.
    play = Play(3, ready=False)
    play[0].said = ["ready"]
    play.supervisor.stop()
    play.step()
    assert len(play.started) == 1
    play[0].code = 0
    play.step()
    assert play.supervisor.is_over


def test_what_dies_is_restarted_after_a_pause_that_grows() -> None:
    play = Play(2)
    pauses = []
    for _ in range(9):
        dying = play.started[-1][1]
        dying.code = -signal.SIGKILL
        pause = play.step()
        pauses.append(pause or 0)
        if pause:
            count = len(play.started)
            play.step(pause - 0.25)
            assert len(play.started) == count
            play.step(0.25)
            assert len(play.started) == count + 1
        assert play.started[-1][0] == 1
        # It is ready, and dies soon.
        play[-1].said = ["ready"]
        play.step(1.0)
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    play.step(10.0)
    play[-1].code = 1
    count = len(play.started)
    play.step()
    assert len(play.started) == count + 1, "it was at work for long, so this is the first death in a row"
    assert play[0].signals == []


def test_a_process_that_retires_is_replaced_at_once_and_ends_its_runs() -> None:
    play = Play(1)
    play[0].said = ["retiring"]
    play.step()
    assert len(play.started) == 2, "before the old one has ended"
    assert play[0].signals == []
    play[1].said = ["ready"]
    play[0].code = 0
    assert play.step(5) is None
    play.supervisor.stop()
    assert (play[0].signals, play[1].signals) == ([], [signal.SIGTERM])
    play[1].code = 0
    play.step()
    assert play.supervisor.is_over
    assert play.supervisor.code == 0


def test_one_that_has_retired_and_ended_before_the_supervisor_looks_has_not_died(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Found by a hostile reader: it counted as a death, and the third one waited.
    play = Play(1)
    for count in range(2, 6):
        play[-1].said, play[-1].code = ["retiring"], 0
        assert play.step() is None
        assert len(play.started) == count
        play[-1].said = ["ready"]
        play.step()
    assert not caplog.records
    play[-1].said, play[-1].code = ["retiring"], 1
    play.step()
    assert "exit code 1" in caplog.text


def test_one_that_is_too_large_at_once_is_not_replaced_without_end() -> None:
    play = Play(1)
    for pause in (None, 0.5, 1.0):
        play[-1].said = ["too large"]
        assert play.step() == pause
        play.step(pause or 0)
        play[-1].said = ["ready"]
        play.step()
    assert len(play.started) == 4


def test_a_reload_replaces_one_after_the_other_once_the_new_one_is_ready() -> None:
    play = Play(2)
    play.supervisor.reload()
    play.step()
    assert [place for place, _ in play.started] == [0, 1, 0]
    assert play[0].signals == [], "it goes on until the new one is ready"
    play[2].said = ["ready"]
    play.step()
    assert play[0].signals == [signal.SIGTERM]
    assert [place for place, _ in play.started] == [0, 1, 0, 1]
    assert play[1].signals == []
    play[3].said = ["ready"]
    play.step()
    assert play[1].signals == [signal.SIGTERM]
    play[0].code = play[1].code = 0
    assert play.step(100) is None
    assert len(play.started) == 4


def test_a_reload_that_fails_leaves_the_old_ones_at_work() -> None:
    play = Play(2)
    play.supervisor.reload()
    play.step()
    play[2].code = 1
    play.step()
    play.step(100)
    assert len(play.started) == 3
    assert play[0].signals == play[1].signals == []
    # The next one is another try.
    play.supervisor.reload()
    play.step()
    play[3].said = ["ready"]
    play.step()
    assert play[0].signals == [signal.SIGTERM]


@pytest.mark.parametrize("dies", [True, False])
def test_one_that_ends_during_its_reload_is_replaced_by_the_new_one(dies: bool) -> None:
    play = Play(1)
    play.supervisor.reload()
    play.step()
    if dies:
        play[0].code = -signal.SIGKILL
    else:
        play[0].said = ["retiring"]
    assert play.step() is None
    play[1].said = ["ready"]
    play.step()
    assert len(play.started) == 2
    play[1].code = 1
    play.step()
    assert len(play.started) == 3


def test_in_development_a_start_that_fails_waits_for_the_next_change() -> None:
    play = Play(1, ready=False, lasting=True)
    play[0].code = 1
    assert play.step(100) is None
    assert not play.supervisor.is_over
    play.supervisor.reload()
    play.step()
    assert len(play.started) == 2


def test_signals_are_passed_on_and_hurry_step_by_step() -> None:
    play = Play(2)
    play.supervisor.reload()
    play.step()
    # Two at work, and one that is starting.
    for sent in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
        play.supervisor.stop(signal.SIGTERM)
        assert [one.signals[-1] for _, one in play.started] == [sent] * 3
    for _, one in play.started:
        one.code = -signal.SIGKILL
    play.step()
    assert play.supervisor.is_over
    assert play.supervisor.code == 1
    hasty = Play(1)
    hasty.supervisor.stop(signal.SIGQUIT)
    assert hasty[0].signals == [signal.SIGQUIT]


def test_a_process_that_dies_is_not_restarted_during_a_stop() -> None:
    play = Play(2)
    play[0].code = 1
    play.step()
    play[2].code = 1
    assert play.step() == 0.5
    play.supervisor.stop()
    play[1].code = 0
    play.step(100)
    assert play.supervisor.is_over
    assert len(play.started) == 3


@pytest.mark.parametrize(
    ("text", "count"), [("512M", 2**29), ("1.5 GiB", 3 * 2**29), ("2gb", 2**31), ("100K", 102_400)]
)
def test_sizes_of_memory(text: str, count: int) -> None:
    assert size(text) == count
    for bad in ("512", "0M", "-1G", "much", "5 bytes"):
        with pytest.raises(OmniQError, match="give a size such as 512M"):
            size(bad)


@pytest.mark.parametrize(("limit", "shown"), [(2**20, "1 MiB"), (5 * 2**10, "5 KiB")])
def test_a_limit_of_memory_that_is_reached_at_the_start_is_refused(limit: int, shown: str) -> None:
    ours, theirs = socket.socketpair()
    link = Link(theirs.detach(), limit)
    with (
        ours,
        link._socket,
        pytest.raises(OmniQError, match=rf"--max-memory {shown} is refused: the process takes \d+ MiB before"),
    ):
        link.follow([])


def test_the_options_of_the_command_reach_the_worker() -> None:
    given = {
        "queues": ["mail", "default"],
        "concurrency": 7,
        "threads": 3,
        "task_processes": 2,
        "grace": 1.5,
        "name": "shop",
        "max_tasks": 9,
        "log_errors": "type",
    }
    assert given.keys() <= WorkerOptions.__annotations__.keys()
    texts = {name: ", ".join(value) if isinstance(value, list) else str(value) for name, value in given.items()}
    words = [word for name, text in texts.items() for word in (f"--{name.replace('_', '-')}", text)]
    assert command._worker_options(command._parser().parse_args(["small:app", *words])) == given
    assert command._worker_options(command._parser().parse_args(["small:app"])) == {}
    # As the documentation has it.
    whole = ["shop:app", "news:app", "--processes", "4", "--threads", "8", "--concurrency", "100"]
    options = command._parser().parse_args(whole)
    assert (options.applications, options.processes) == (["shop:app", "news:app"], 4)
    assert command._worker_options(options) == {"threads": 8, "concurrency": 100}


@pytest.mark.parametrize("name", ["processes", "max-tasks"])
def test_numbers_below_one_are_refused(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "configure", lambda *_: None)
    assert command.main(["small:app", f"--{name}", "0"]) == 2
    assert f"--{name} 0 is refused: give at least 1" in capsys.readouterr().err


def test_signals_that_come_together_are_one() -> None:
    signals = _Signals()

    def come(*numbers: int) -> list[int]:
        signals._writer.send(bytes(numbers))
        return signals.wait([], 0)

    assert come(signal.SIGTERM, signal.SIGTERM, signal.SIGCHLD) == [signal.SIGTERM]
    assert come(signal.SIGINT) == []
    assert come(signal.SIGHUP, signal.SIGQUIT) == [signal.SIGHUP, signal.SIGQUIT]
    time.sleep(0.12)
    assert come(signal.SIGTERM) == [signal.SIGTERM]
    assert signals.wait([], 0) == []
    signals.__exit__()


class Running:
    """A worker that ends as the test says, or once it is stopped."""

    def __init__(self, error: Exception | None = None, ends: bool = False) -> None:
        self.error, self.was_stopped = error, asyncio.Event()
        if ends:
            self.was_stopped.set()

    def stop(self) -> None:
        self.was_stopped.set()

    async def until_stopped(self) -> None:
        await self.was_stopped.wait()
        if self.error is not None:
            raise self.error


def test_the_workers_of_a_process_end_together_with_the_first_error() -> None:
    def together(*workers: Any) -> None:
        asyncio.run(asyncio.wait_for(_together(workers), 10))

    workers = [Running(), Running(ValueError("first"), ends=True), Running(ValueError("second"))]
    with pytest.raises(ValueError, match="first"):
        together(*workers)
    assert all(one.was_stopped.is_set() for one in workers)
    together(Running(), Running(ends=True))
