"""Callbacks: `on_start` within runs, and tasks that are enqueued when another one ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from omniq import (
    AsyncOmniQ,
    AsyncTaskGroup,
    Backoff,
    Callback,
    ConfigError,
    Context,
    Discard,
    Ended,
    InvalidError,
    NewTask,
    OmniQ,
    OmniQError,
)
from omniq.models import TaskState
from omniq.testing import advance, eager

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


async def until(holds: Callable[[], bool]) -> None:
    async def look() -> None:
        while not holds():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), 30)


async def test_each_end_has_its_callback(app: AsyncOmniQ) -> None:
    seen: list[Ended] = []
    everything: list[tuple[str, str]] = []

    @app.task
    async def told(ended: Ended) -> None:
        seen.append(ended)

    async def no_task(ended: Ended) -> None: ...

    @app.on_success
    @app.on_retry
    @app.on_dead
    @app.on_cancelled
    @app.on_discarded
    @app.on_expired
    @app.task(max_retries=9)
    def also(context: Context, ended: Ended) -> None:
        everything.append((ended.kind, ended.func))

    with pytest.raises(OmniQError, match="task function"):
        app.on_dead(no_task)

    @app.task(
        max_retries=1,
        backoff=Backoff.fixed(0),
        metadata={"tenant": 5},
        on_success=told,
        on_retry="told",
        on_dead=[told],
        on_cancelled=told,
        on_discarded=told,
        on_expired=told,
    )
    async def act(how: str) -> str:
        if how == "fail":
            raise ValueError("it fails")
        if how == "discard":
            raise Discard("not wanted")
        return how

    kinds = {"ok": ["success"], "fail": ["retry", "dead"], "discard": ["discarded"]}
    waiting = await act.with_options(delay=3600).enqueue("ok")
    late = await act.with_options(ttl=0.001).enqueue("ok")
    ids = {how: (await act.enqueue(how)).id for how in kinds}
    await waiting.cancel()
    await asyncio.sleep(0.002)
    async with app.worker(maintenance_interval=0.05):
        await until(lambda: len(seen) == 6 and len(everything) == 6)
    found = {how: [(one.kind, one.attempt) for one in seen if one.task_id == id] for how, id in ids.items()}
    assert found == {
        "ok": [("success", 1)],
        "fail": [("retry", 1), ("dead", 2)],
        "discard": [("discarded", 1)],
    }
    by_id = {one.task_id: one for one in seen}
    assert (by_id[waiting.id].kind, by_id[late.id].kind) == ("cancelled", "expired")
    dead = by_id[ids["fail"]]
    assert dead.error is not None
    assert (dead.error.type, dead.error.message, dead.metadata) == ("ValueError", "it fails", {"tenant": 5})
    assert dead.worker is not None
    assert (dead.queue, dead.func) == ("default", "act")
    # Tasks of callbacks have none: neither `told` nor `also` is told of itself.
    assert {func for _, func in everything} == {"act"}
    assert await app.backend.queue.count(state=TaskState.DEAD) == 1


async def test_the_nearest_option_wins_and_the_function_of_the_callback_says_how_it_runs(app: AsyncOmniQ) -> None:
    group = AsyncTaskGroup("mail", on_dead="app.dead", on_success="group")

    @group.task(on_dead="own", on_retry=None)
    async def send() -> None: ...

    @app.task(name="own", queue="ops", priority=7, max_retries=0, timeout=5, backoff=Backoff.fixed(3), ttl=9)
    async def alert(ended: Ended) -> None: ...

    app.include(group)

    async def callbacks(handle: Any) -> tuple[Callback, ...]:
        task = await app.backend.queue.get(handle.id)
        assert task is not None
        return task.callbacks

    alerted = Callback(
        on=("dead",), func="own", queue="ops", priority=7, max_retries=0, timeout=5, backoff=Backoff.fixed(3)
    )
    of_group = Callback(on=("success",), func="group")
    sent = await callbacks(await send.enqueue())
    assert [one.replace(timeout=5.0) if one.timeout else one for one in sent] == [of_group, alerted]
    called = send.with_options(on_dead=None, on_success=[alert.with_options(queue="other"), "group"])
    other, named = await callbacks(await called.enqueue())
    assert (other.func, other.queue, other.on, named) == ("own", "other", ("success",), of_group)
    # What is added later holds for what is enqueued later.
    app.on_expired(alert)
    assert [one.on for one in await callbacks(await send.enqueue())] == [("success",), ("dead", "expired")]
    new = NewTask("f", callbacks=(alerted,))
    id = await app.backend.queue.enqueue(new)
    stored = await app.backend.queue.get(id)
    assert stored is not None
    assert stored.callbacks[0].func == "own"


async def test_the_start_of_each_run_is_seen(app: AsyncOmniQ) -> None:
    begun: list[tuple[str, str, int]] = []

    @app.on_start
    def first(context: Context) -> None:
        begun.append(("app", context.func, context.attempt))

    async def own(context: Context) -> None:
        await asyncio.sleep(0)
        begun.append(("own", context.func, context.attempt))
        if context.attempt == 1:
            raise RuntimeError("it could not be told")

    @app.task(on_start=own, backoff=Backoff.fixed(0))
    def add(a: int, b: int) -> int:
        begun.append(("run", "add", a + b))
        return a + b

    @app.task(on_start=[own], backoff=Backoff.fixed(0))
    async def sub(a: int, b: int) -> int:
        return a - b

    async with app.worker():
        assert await (await add.enqueue(1, 2)).result(timeout=30) == 3
        assert begun == [("app", "add", 1), ("own", "add", 1), ("app", "add", 2), ("own", "add", 2), ("run", "add", 3)]
        assert await (await sub.enqueue(3, 2)).result(timeout=30) == 1
        assert begun[5:] == [("app", "sub", 1), ("own", "sub", 1), ("app", "sub", 2), ("own", "sub", 2)]


def test_bad_callbacks_are_refused_where_they_are_written() -> None:
    app = OmniQ()

    @app.task
    def two(a: Ended, b: int) -> None: ...

    @app.task
    def none() -> None: ...

    cases: list[tuple[Any, str]] = [(two, "takes 2 arguments"), (none, "takes 0 arguments")]
    for function, words in cases:
        with pytest.raises(ConfigError, match=words):
            app.on_dead(function)
        with pytest.raises(ConfigError, match=words):
            app.task(on_success=function)(lambda: None)
    wrong: list[Any] = [5, print, [None]]
    for bad in wrong:
        with pytest.raises(OmniQError, match="on_dead"):
            app.task(on_dead=bad, name="bad")(lambda: None)
        with pytest.raises(OmniQError, match="on_dead"):
            OmniQ(defaults={"on_dead": bad})
    with pytest.raises(OmniQError, match="on_start"):
        app.task(on_start=wrong[0], name="bad")(lambda: None)
    with pytest.raises(ConfigError, match="on_end"):
        app.task(on_end=none)(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(InvalidError, match='on = "end"'):
        Callback(on=("end",), func="f")  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="at least one"):
        Callback(on=(), func="f")
    with pytest.raises(InvalidError, match="queue name"):
        Callback(on=("dead",), func="f", queue="")
    with pytest.raises(OmniQError, match="callbacks"):
        app.backend.queue.enqueue(NewTask("f", callbacks=({"on": "dead"},)))  # type: ignore[arg-type]


blocking = OmniQ()
told: list[tuple[str, int]] = []


@blocking.on_retry
@blocking.on_dead
@blocking.task
def tell(ended: Ended) -> None:
    told.append((ended.kind, ended.attempt))


@blocking.task(max_retries=1, backoff=Backoff.fixed(60))
def fails() -> None:
    raise ValueError("no")


def test_callbacks_run_in_eager_mode() -> None:
    told.clear()
    with eager(blocking, raise_errors=False):
        fails.enqueue()
        assert told == [("retry", 1)]
        advance(blocking, minutes=2)
        assert told == [("retry", 1), ("dead", 2)]
        assert blocking.backend.queue.list(func="tell") == []
