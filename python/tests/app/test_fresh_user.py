"""What a new user does by mistake, and what is said about it."""

from __future__ import annotations

import asyncio
import builtins
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from omniq import AsyncHandle, AsyncOmniQ, AsyncTaskGroup, ConfigError, InvalidError, OmniQ, TaskFailed, gather
from omniq.cli.worker import load, main
from omniq.testing import advance, eager, in_memory, on_database

pytestmark = pytest.mark.anyio


async def test_tasks_that_come_while_a_worker_runs_are_warned_of() -> None:
    with in_memory(AsyncOmniQ()) as app:

        def define(name: str, value: int) -> Any:
            @app.task(name=name)
            async def number() -> int:
                return value

            return number

        number = define("number", 1)
        late = AsyncTaskGroup("late")
        async with app.worker():
            with pytest.warns(
                RuntimeWarning, match="task number is defined while .* with the function that it had"
            ) as seen:
                number = define("number", 2)
            assert seen[0].filename == __file__
            with pytest.warns(
                RuntimeWarning, match="task other is defined while .* without it: stop it, and start another"
            ):
                define("other", 3)
            with pytest.warns(RuntimeWarning, match="tasks are included while") as seen:
                app.include(late)
            assert seen[0].filename == __file__
            with pytest.warns(RuntimeWarning, match=r"task late.one is defined while"):
                late.task(name="late.one")(define)
            assert await (await number.enqueue()).result(10) == 1
        async with app.worker():
            assert await (await number.enqueue()).result(10) == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not tell who cancelled")
async def test_a_run_that_cancels_itself_fails_and_no_other_one() -> None:
    with in_memory(AsyncOmniQ(defaults={"max_retries": 0})) as app:

        @app.task
        async def cancels_itself(late: bool) -> str:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if not late:
                await asyncio.sleep(60)
            return "its end comes first"

        @app.task
        async def other() -> str:
            await asyncio.sleep(0)
            return "not cancelled"

        async with app.worker(concurrency=1):
            handles = [await cancels_itself.enqueue(False), await cancels_itself.enqueue(True), await other.enqueue()]
            ends = await gather(handles, timeout=10, return_exceptions=True)
        assert isinstance(ends[0], TaskFailed)
        assert ends[0].error
        assert ends[0].error.type == "asyncio.exceptions.CancelledError"
        assert ends[1:] == ["its end comes first", "not cancelled"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not tell who cancelled")
def test_a_loop_that_ends_under_its_worker_hands_its_tasks_back() -> None:
    with in_memory(AsyncOmniQ()) as app:

        @app.task
        async def endless() -> None:
            begun.set()
            await asyncio.sleep(600)

        async def main() -> AsyncHandle[None]:
            running = asyncio.create_task(app.worker().run())
            handle = await endless.enqueue()
            await begun.wait()
            assert not running.done()
            return handle

        # The order in which the loop cancels its tasks is not the same each time.
        for _ in range(30):
            begun = asyncio.Event()
            started = time.monotonic()
            handle = asyncio.run(main())
            # Otherwise the worker has claimed the task once more, and waits for its grace time.
            assert time.monotonic() - started < 20
            task = asyncio.run(app.backend.queue.get(handle.id))
            assert task
            assert (task.state, task.attempt) == ("ready", 0)
            asyncio.run(handle.cancel())


async def test_run_worker_on_a_loop_says_what_to_call() -> None:
    for made in (AsyncOmniQ, OmniQ):
        with in_memory(made()) as app:
            app.task(abs)
            with pytest.raises(ConfigError, match=r"use app\.worker"):
                app.run_worker()


def test_a_name_by_position() -> None:
    wrong: Any = "send"
    with pytest.raises(ConfigError, match=r"such as task\(name='send'\)"):
        OmniQ().task(wrong)


@pytest.mark.parametrize(
    "mode", [in_memory, eager, lambda app: on_database(app, "postgresql://nowhere.invalid/none"), advance]
)
def test_the_testing_helpers_take_applications(mode: Callable[[Any], Any]) -> None:
    words = "app is refused, being of type str: give the AsyncOmniQ or OmniQ itself"
    with pytest.raises(InvalidError, match=words), mode("shop.tasks:app"):
        raise AssertionError


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (datetime, date(2026, 12, 1), "Invalid RFC3339 encoded datetime; a value of type date was given"),
        (date, datetime(2026, 12, 1), "Invalid RFC3339 encoded date; a value of type datetime was given"),
        (float, Decimal("1.5"), "Expected `float`, got `str`; a value of type Decimal was given"),
        (int, UUID(int=1), "Expected `int`, got `str`; a value of type UUID was given"),
        (int, "1", "Expected `int`, got `str`$"),
        (dict[bool, int], {True: 1}, "dict keys of type bool have no form: give texts, numbers, or a list of pairs"),
        (dict[tuple[int, int], int], {(1, 2): 3}, "dict keys of type tuple have no form"),
        (Any, {None: 1}, "dict keys of type NoneType have no form"),
    ],
)
def test_the_type_that_was_given_is_named(kind: Any, value: Any, words: str) -> None:
    def take(value: Any, more: int = 0) -> None: ...

    take.__annotations__["value"] = kind
    with in_memory(OmniQ()) as app:
        task: Any = app.task(take)
        with pytest.raises(InvalidError, match=f"argument value: {words}"):
            task.enqueue(value)


def test_a_star_import_leaves_the_builtin_timeout_error() -> None:
    names: dict[str, Any] = {}
    exec("from omniq import *", names)
    assert names.get("TimeoutError", builtins.TimeoutError) is builtins.TimeoutError
    assert "OmniQ" in names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-A", "shop.tasks"], "the equivalent of -A is the application's name by itself"),
        (["shop.tasks:app", "-Qmail", "--pool=prefork"], "of -Q is --queues; the equivalent of --pool is --threads"),
        (["shop.tasks:app", "--sow"], "unrecognized arguments: --sow\n"),
    ],
)
def test_the_command_names_what_was_meant(arguments: list[str], words: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./shop.py:app", r"'\./shop\.py:app' is refused: give the name of a module"),
        (":app", "':app' is refused: give the name of a module"),
        ("json.py:app", r"there is no module json\.py: give json"),
    ],
)
def test_a_path_is_no_module(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(name)
