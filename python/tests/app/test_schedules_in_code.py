"""Schedules that stand in code: workers save what is declared, carry out its ticks, and remove what has left the code."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from refusals import refused

from omniq import (
    AsyncOmniQ,
    AsyncTaskGroup,
    ConfigError,
    ConflictError,
    Context,
    Cron,
    Ended,
    NewTask,
    OmniQ,
    OmniQError,
    Payload,
    TaskGroup,
    TaskResult,
)

pytestmark = pytest.mark.anyio

NOWHERE = "postgresql://localhost:1/x"
#: Everything in memory.
MEMORY: Any = {"tasks": "memory", "results": "memory"}


async def until(check: Callable[[], Any], seconds: float = 15) -> None:
    with anyio.fail_after(seconds):
        while not check():
            await anyio.sleep(0.01)


async def latest_result(app: AsyncOmniQ, name: str) -> TaskResult:
    """The latest result of a schedule, which a run leaves a moment after its function has returned."""
    with anyio.fail_after(15):
        while (result := await app.schedules.latest_result(name)) is None:
            await anyio.sleep(0.01)
    return result


async def names(app: AsyncOmniQ) -> str:
    return " ".join([one.name for one in await app.schedules.list()])


async def test_a_worker_saves_and_fires_what_is_declared(url: str) -> None:
    runs: list[tuple[str | None, int]] = []
    async with AsyncOmniQ(url, name="shop") as app:

        @app.task(every=0.2, queue="slow", max_retries=1)
        async def often(context: Context, n: int = 7) -> int:
            runs.append((context.schedule, n))
            return n

        @app.task(cron="30 2 * * *", time_zone="Europe/Berlin", missed="skip", grace=90, jitter=5, overlap=False)
        def nightly() -> None: ...

        app.schedule("often.8", often, 8, every=0.2)
        app.schedule("named", "often", 9, cron="0 3 * * *")
        app.schedule("elsewhere", NewTask("of.rust", [1]), cron="0 3 * * *")
        assert await names(app) == ""
        async with app.worker(maintenance_interval=0.05):
            await until(lambda: {("often", 7), ("often.8", 8)} <= set(runs))
            assert await names(app) == "elsewhere named nightly often often.8"
            found = {one.name: one for one in await app.schedules.list()}
            assert {one.app for one in found.values()} == {"shop"}
            night = found["nightly"]
            assert night.timing == Cron("30 2 * * *", "Europe/Berlin")
            assert (night.missed, night.grace.seconds, night.jitter.seconds) == ("skip", 90, 5)  # type: ignore[union-attr]
            assert night.overlap is False
            assert (found["often"].task.queue, found["often"].task.max_retries) == ("slow", 1)
            assert (found["named"].task.queue, found["named"].task.args) == ("slow", Payload.of(9))
            assert found["elsewhere"].task.func == "of.rust"
            result = await latest_result(app, "often.8")
            assert result.value == 8
            handle = await app.schedules.trigger("nightly")
            assert await handle.result(10) is None
        # Without a worker all stay, so that missed ticks are known.
        assert len((await names(app)).split()) == 5


async def test_what_leaves_the_code_is_removed(url: str) -> None:
    async def deployed(schedules: list[str], name: str = "shop") -> str:
        async with AsyncOmniQ(url, name=name) as app:

            @app.task
            async def work() -> None: ...

            for one in schedules:
                app.schedule(one, work, cron="0 3 * * *")
            async with app.worker():
                with anyio.fail_after(15):
                    while not await app.backend.queue.workers():
                        await anyio.sleep(0.01)
                    for _ in range(500):
                        if set(schedules) == {one.name for one in await app.schedules.list(app=name)}:
                            break
                        await anyio.sleep(0.01)
            return await names(app)

    async with AsyncOmniQ(url) as app:
        await app.schedules.save("run", "work", every=3600)
    assert await deployed(["a", "b"]) == "a b run"
    assert await deployed(["m"], "mail") == "a b m run"
    assert await deployed(["b", "c"]) == "b c m run"
    # An application without schedules has removed them all.
    assert await deployed([]) == "m run"
    assert await deployed([], "mail") == "run"


async def test_a_pause_outlasts_a_worker(url: str) -> None:
    async with AsyncOmniQ(url, name="shop") as app:
        runs: list[int] = []

        @app.task(every=0.1)
        async def work() -> None:
            runs.append(1)

        await app.drain()
        assert await names(app) == "work"
        await app.schedules.pause("work")
        async with app.worker(maintenance_interval=0.05):
            await anyio.sleep(0.5)
            assert runs == []
            await app.schedules.resume("work")
            await until(lambda: runs)


async def test_a_name_of_another_is_a_conflict(url: str) -> None:
    async with AsyncOmniQ(url, name="shop") as shop, AsyncOmniQ(url, name="mail") as mail:
        for app in (shop, mail):

            @app.task
            async def work() -> None: ...

            app.schedule("a", work, cron="0 3 * * *")
        await shop.drain()
        words = 'the schedule "a" stands in the code of the application "shop" already: take another name'
        with pytest.raises(ConflictError, match=words):
            await mail.drain()
        assert (await shop.schedules.get("a")).app == "shop"  # type: ignore[union-attr]
        with pytest.raises(ConflictError, match='stands in the code of the application "shop": change it there'):
            await shop.schedules.save("a", "work", every=60)
        await shop.schedules.delete("a")
        await shop.schedules.save("a", "work", every=60)
        with pytest.raises(ConflictError, match='"a" was saved at run time: delete that one, or take another name'):
            await shop.drain()


async def test_groups(url: str) -> None:
    group, taken = AsyncTaskGroup("mail"), AsyncTaskGroup("taken")

    @group.task(every=3600)
    async def send() -> None: ...

    @taken.task(every=3600)
    async def work() -> None: ...

    group.schedule("mail.weekly", send, cron="0 3 * * 1")
    async with AsyncOmniQ(url, name="shop") as app:
        app.include(group, taken)
        other = AsyncOmniQ(NOWHERE, **MEMORY)
        other.include(taken)
        await app.drain()
        assert await names(app) == "mail.send mail.weekly"
        assert [one.name for one in other._schedules_in_code()] == ["taken.work"]


async def test_callbacks_of_the_application_count(url: str) -> None:
    ended: list[str] = []
    async with AsyncOmniQ(url, name="shop") as app:

        @app.on_success
        @app.task
        async def note(one: Ended) -> None:
            ended.append(one.func)

        @app.task(every=0.2)
        async def work() -> None: ...

        async with app.worker(maintenance_interval=0.05):
            await until(lambda: ended)
    assert set(ended) == {"work"}


def test_a_blocking_application(url: str) -> None:
    ran = threading.Event()
    with OmniQ(url, name="shop") as app:

        @app.task(every=0.1)
        def work(context: Context) -> None:
            assert context.tick is not None
            ran.set()

        with app.worker(maintenance_interval=0.05):
            assert ran.wait(15)
        assert [one.app for one in app.schedules.list()] == ["shop"]


def test_what_is_late_is_warned_of() -> None:
    app = OmniQ(NOWHERE, name="shop", **MEMORY)
    group = TaskGroup("mail")

    @app.task
    def work() -> None: ...

    app.include(group)
    with app.worker():
        words = "schedule a is declared while a worker of its application runs, which goes on without it"
        with pytest.warns(RuntimeWarning, match=words) as caught:
            app.schedule("a", work, every=60)
        assert caught[0].filename == __file__
        with pytest.warns(RuntimeWarning, match=words.replace(" a ", " b ", 1)) as caught:
            group.schedule("b", work, every=60)
        assert caught[0].filename == __file__
        with pytest.warns(RuntimeWarning, match="task other is defined while a worker"):

            @app.task(every=60)
            def other() -> None: ...


def test_definitions_that_are_refused() -> None:
    app: Any = OmniQ(NOWHERE, **MEMORY)

    def work(n: int) -> None: ...

    def plain(n: int = 1, *rest: int, k: str = "", **more: str) -> None: ...

    def keyword(*, k: int) -> None: ...

    words = (
        "task work has a schedule, which calls it without arguments, and its parameter n has no default: give it one"
    )
    refused(words, lambda: app.task(cron="0 3 * * *")(work), "config")
    refused("its parameter k has no default", lambda: app.task(every=60)(keyword), "config")
    assert app.functions == {}
    plain_task = app.task(every=60)(plain)
    for options, words in (
        (
            {"cron": "0 3 * * *", "every": 60},
            "schedule 'work' has cron and every: give exactly one of cron, every and at",
        ),
        ({"missed": "all"}, "schedule 'work' has none of cron, every and at"),
        ({"every": 60, "time_zone": "UTC"}, "time_zone = 'UTC' with every"),
        ({"cron": "0 25 * * *"}, "cannot be read"),
        ({"every": 0.01}, "at least 0.1 seconds"),
        ({"every": 60, "missed": 0}, "missed = 0 is refused"),
        ({"every": 60, "max_runs": -1}, "max_runs = -1 is refused"),
    ):
        refused(words, lambda options=options: app.task(name="work", **options)(plain))  # type: ignore[misc]
        refused(words, lambda options=options: app.schedule("work", plain_task, **options))  # type: ignore[misc]
    assert list(app.functions) == ["plain"]
    refused("task is refused, being of type function: give a task function", lambda: app.schedule("a", work, every=60))
    refused("^name = 3 is refused", lambda: app.schedule(3, plain_task, every=60))
    app.schedule("a", plain_task, every=60)
    where = r"schedule 'a' is declared already \(\S*test_schedules_in_code, line \d+\): give this one another name"
    refused(where, lambda: app.schedule("a", plain_task, every=60), "config")
    # A line that runs again, as in a notebook, replaces what it has declared.
    for _ in range(2):
        app.schedule("b", plain_task, every=60)
    refused("an enqueue has no option cron", lambda: plain_task.with_options(cron="0 3 * * *"), "config")
    refused("defaults has no option every", lambda: OmniQ(NOWHERE, defaults={"every": 60}), "config")  # type: ignore[arg-type]
    refused("the application's name is empty", lambda: OmniQ(NOWHERE, name=""), "config")
    refused("^name = 3 is refused", lambda: OmniQ(NOWHERE, name=3))  # type: ignore[arg-type]


def test_what_a_worker_refuses_before_it_connects() -> None:
    app = OmniQ(NOWHERE, name="shop", **MEMORY)

    def work(n: int = 1) -> None: ...

    app.schedule("bad", app.task(work), "text", every=60)
    with pytest.raises(OmniQError, match=r"schedule 'bad': task work.*argument n"):
        app.drain()
    app = OmniQ(NOWHERE, name="shop", **MEMORY)
    app.schedule("work", app.task(every=60)(work), every=30)
    with pytest.raises(OmniQError, match='two schedules have the name "work"'):
        app.drain()
    app = OmniQ(NOWHERE, name="x" * 200, **MEMORY)
    app.task(work)
    with pytest.raises(OmniQError, match=r"application name .* has 200 bytes"):
        app.drain()


PROGRAM = """
import sys
from omniq import OmniQ
app = OmniQ("postgresql://localhost:1/x", tasks="memory", results="memory")
made = OmniQ.from_config({"url": "postgresql://localhost:1/x"})
class Own(OmniQ):
    def __init__(self):
        super().__init__("postgresql://localhost:1/x")
if __name__ == "__main__":
    print(app.name, made.name, Own().name)
"""


def test_the_name_of_an_application(tmp_path: Path) -> None:
    assert OmniQ(NOWHERE).name == AsyncOmniQ(NOWHERE).name == OmniQ.from_config({"url": NOWHERE}).name == __name__
    assert OmniQ(NOWHERE, name="shop").name == OmniQ.from_config({"url": NOWHERE}, name="shop").name == "shop"
    (tmp_path / "pack").mkdir()
    for path in ("shop_tasks.py", "pack/__main__.py", "pack/tasks.py", "pack/__init__.py"):
        (tmp_path / path).write_text(PROGRAM if not path.endswith("__init__.py") else "")

    def printed(*arguments: str) -> set[str]:
        command = [sys.executable, *arguments]
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return set(
            subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=tmp_path).stdout.split()
        )

    assert printed("shop_tasks.py") == {"shop_tasks"}
    # By `python -m` it is that of an import.
    assert printed("-m", "pack.tasks") == {"pack.tasks"}
    assert printed("-m", "pack") == {"pack"}
    assert printed("-c", "import shop_tasks; print(shop_tasks.app.name)") == {"shop_tasks"}


def test_a_program_without_a_file_needs_a_name_for_schedules() -> None:
    program = (
        "from omniq import OmniQ\n"
        f"app = OmniQ({NOWHERE!r}, tasks='memory', results='memory')\n"
        "print(app.name)\n"
        "app.task(name='plain')(lambda: None)\n"
        "app.drain()\n"
        "app.task(name='work', every=60)(lambda: None)\n"
        "app.drain()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "None\n"
    assert "the application has schedules and no name, as the program has no file: give it one, such as" in ended.stderr


async def test_two_applications_of_one_process(url: str) -> None:
    async with AsyncOmniQ(url, name="shop") as shop, AsyncOmniQ(url, name="mail") as mail:
        ran: set[str] = set()
        for app in (shop, mail):

            @app.task(name=f"{app.name}.work", every=0.2, queue=app.name or "")
            async def work(context: Context) -> None:
                ran.add(context.schedule or "")

        async with shop.worker(maintenance_interval=0.05):
            async with mail.worker(maintenance_interval=0.05):
                await until(lambda: ran == {"shop.work", "mail.work"})
                assert await names(shop) == "mail.work shop.work"
            # What the other application declares stays, and its tasks wait.
            assert await names(shop) == "mail.work shop.work"
        async with AsyncOmniQ(url, name="mail") as emptied:
            emptied.task(work.function)
            await emptied.drain()
            assert await names(shop) == "shop.work"
            with pytest.raises(ConfigError, match="belongs to another application"):
                await emptied.schedules.save("x", work, every=60)
