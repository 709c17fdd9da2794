"""Groups of tasks that an application includes, modules that are discovered, defaults, and routes by pattern."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omniq import (
    AsyncOmniQ,
    AsyncTaskGroup,
    Backoff,
    ConfigError,
    InvalidError,
    OmniQ,
    TaskGroup,
)

pytestmark = pytest.mark.anyio


def mail() -> tuple[AsyncTaskGroup, Any]:
    tasks = AsyncTaskGroup("mail", queue="mail", max_retries=5)

    @tasks.task
    async def send(to: str) -> str:
        return f"sent to {to}"

    return tasks, send


async def test_tasks_of_a_group_run_in_the_application_that_includes_it(url: str) -> None:
    tasks, send = mail()
    assert await send("Ann") == "sent to Ann", "a plain call needs no application"
    early = send.with_options(priority=7)
    async with AsyncOmniQ(url) as app:
        app.include(tasks)

        @tasks.task(name="mail_later", max_retries=1)
        def later(to: str) -> str:
            return f"later to {to}"

        handles = [await send.enqueue("Ann"), await early.enqueue("Bob"), await later.enqueue("Cid")]
        found = [await app.backend.queue.get(handle.id) for handle in handles]
        facts = [(task.func, task.queue, task.max_retries, task.priority) for task in found if task]
        assert facts == [("mail.send", "mail", 5, 0), ("mail.send", "mail", 5, 7), ("mail_later", "mail", 1, 0)]
        await app.drain()
        assert [await handle.result(5) for handle in handles] == ["sent to Ann", "sent to Bob", "later to Cid"]
        assert list(app.functions) == ["mail.send", "mail_later"]


async def test_a_group_in_no_application_says_so() -> None:
    _, send = mail()
    for call in (send.enqueue, send.enqueue_sync):
        with pytest.raises(ConfigError, match=r"the group 'mail' is in no application: call app\.include"):
            await call("Ann")


async def test_an_application_takes_a_group_over(url: str) -> None:
    tasks, send = mail()
    first, second = AsyncOmniQ(url, schema="one"), AsyncOmniQ(url, schema="two", codec="msgpack")
    first.include(tasks)
    async with first, second:
        await send.enqueue("Ann")
        second.include(tasks)
        second.include(tasks)
        await send.enqueue("Bob")
        assert list(first.functions) == []
        assert [await app.backend.queue.count() for app in (first, second)] == [1, 1]
        assert [task.payload.codec for task in await second.backend.queue.list()] == ["msgpack"]


def test_groups_of_blocking_applications(url: str) -> None:
    tasks = TaskGroup("sums")

    @tasks.task
    def add(a: int, b: int) -> int:
        return a + b

    with OmniQ(url) as app:
        app.include(tasks)
        with app.worker():
            assert add.enqueue(1, 2).result(10) == 3


def test_what_is_refused_includes_nothing(url: str) -> None:
    tasks, _ = mail()
    other = AsyncTaskGroup("other")

    @other.task(name="mail.send")
    async def another(to: str) -> None: ...

    app, blocking = AsyncOmniQ(url), OmniQ(url)
    with pytest.raises(ConfigError, match=r"task 'mail\.send' is there already"):
        app.include(tasks, other)
    assert app.functions == {}
    with pytest.raises(ConfigError, match="give it a TaskGroup"):
        blocking.include(tasks)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="give it an AsyncTaskGroup"):
        app.include(TaskGroup("sums"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="include takes groups of tasks, not str"):
        app.include("mail")  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="the group's name is empty"):
        AsyncTaskGroup("")
    bad_options: list[tuple[dict[str, Any], str]] = [({"max_retry": 5}, "max_retries"), ({"process": True}, "process")]
    for options, words in bad_options:
        with pytest.raises(ConfigError, match=words):
            AsyncTaskGroup("bad", **options)
    with pytest.raises(InvalidError, match="priority"):
        AsyncTaskGroup("bad", priority=100_000)
    with pytest.raises(InvalidError, match="max_retries"):

        @tasks.task(max_retries=-1)
        async def bad() -> None: ...


async def test_the_nearest_option_wins(url: str) -> None:
    app = AsyncOmniQ(
        url,
        defaults={"max_retries": 1, "timeout": 10, "queue": "all", "priority": 1, "backoff": Backoff(initial=5)},
        routes={
            "mail.*": {"queue": "routed", "max_retries": 2, "priority": 2},
            "*report": "slow",
            "*": {"timeout": 20},
        },
    )
    group = AsyncTaskGroup("mail", max_retries=3, priority=3)
    app.include(group)

    @group.task(priority=4)
    async def send() -> None: ...

    @app.task
    async def make_report() -> None: ...

    @app.task(queue="own", timeout=None)
    async def other() -> None: ...

    async with app:
        calls = (
            send,
            send.with_options(priority=5),
            make_report,
            other,
            make_report.with_options(queue="now", timeout=1),
        )
        found = [await app.backend.queue.get((await call.enqueue()).id) for call in calls]
        seen = [(task.queue, task.max_retries, task.priority, task.timeout) for task in found if task]
        spans = [None if span is None else span.total_seconds() for *_, span in seen]
        assert [facts[:3] for facts in seen] == [
            ("routed", 3, 4),
            ("routed", 3, 5),
            ("slow", 1, 1),
            ("own", 1, 1),
            ("now", 1, 1),
        ]
        assert spans == [10, 10, 10, None, 1]
        assert all(task.backoff.initial == 5 for task in found if task)
        # A worker serves the queues that come out of it.
        assert [function.queue_name() for function in app.functions.values()] == ["routed", "slow", "own"]


def test_bad_defaults_and_routes_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="max_retries"):
        AsyncOmniQ(url, defaults={"max_retry": 1})  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="max_retries"):
        AsyncOmniQ(url, defaults={"max_retries": -1})
    with pytest.raises(InvalidError, match="routes"):
        AsyncOmniQ(url, routes=[("mail.*", "mail")])  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="queue"):
        AsyncOmniQ(url, routes={"mail.*": ""})
    with pytest.raises(InvalidError, match=r"routes\['mail\.\*'\] is refused, being of type function"):
        AsyncOmniQ(url, routes={"mail.*": lambda name: "mail"})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=r"routes\['mail\.\*'\]"):
        AsyncOmniQ(url, routes={"mail.*": {"retries": 1}})  # type: ignore[dict-item]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Packages with modules of tasks, in a folder of their own."""
    files = {
        "found_shop/__init__.py": "",
        "found_shop/tasks.py": (
            "from omniq import AsyncTaskGroup\n"
            "tasks = AsyncTaskGroup('shop')\n"
            "@tasks.task\n"
            "async def sell(n: int) -> int:\n"
            "    return n + 1\n"
            "@tasks.task(process=True)\n"
            "def count(n: int) -> int:\n"
            "    import os\n"
            "    return os.getpid()\n"
        ),
        "found_news/__init__.py": "",
        "found_plain.py": "",
        "found_broken/__init__.py": "",
        "found_broken/tasks.py": "import no_such_module_at_all\n",
        "found_broken_too/__init__.py": "import no_such_module_at_all\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield types.ModuleType("shop")
    for name in [name for name in sys.modules if name.startswith("found_")]:
        del sys.modules[name]


@pytest.mark.usefixtures("shop")
async def test_modules_are_discovered(url: str) -> None:
    async with AsyncOmniQ(url) as app:
        assert app.autodiscover("found_shop", "found_news", "found_plain") == ["found_shop.tasks"]
        assert list(app.functions) == ["shop.sell", "shop.count"]
        assert app.autodiscover("found_shop") == ["found_shop.tasks"], "twice is harmless"
        sell: Any = app.functions["shop.sell"]
        handle = await sell.enqueue(1)
        await app.drain()
        assert await handle.result(5) == 2
        for missing in ("found_nothing", "found_nothing.below", "found_shop.nothing.below"):
            with pytest.raises(ConfigError, match=f"package '{missing}' cannot be found"):
                app.autodiscover(missing)
        for broken in ("found_broken", "found_broken_too"):
            with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
                app.autodiscover(broken)


PROGRAM = """
import os, sys
from omniq import AsyncOmniQ
app = AsyncOmniQ(os.environ["OMNIQ_URL"])
app.autodiscover("found_shop")
"""


@pytest.mark.usefixtures("shop")
async def test_a_process_finds_the_application_of_a_group(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_program.py").write_text(PROGRAM)
    monkeypatch.setenv("OMNIQ_URL", url)
    import found_program  # type: ignore[import-not-found]

    app = found_program.app
    async with app, app.worker():
        count = app.functions["shop.count"]
        import os

        assert await (await count.enqueue(1)).result(30) != os.getpid()
