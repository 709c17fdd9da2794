"""The verbs of schedule storages, on PostgreSQL and in memory, async and blocking: every one behaves the same."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import anyio
import pytest
import written
from kinds import OffTheLoop
from refusals import answered

from omniq import (
    AsyncPostgresBackend,
    At,
    Backoff,
    Callback,
    Cron,
    Every,
    NewTask,
    OmniQError,
    Payload,
    PostgresBackend,
    SavedSchedule,
    Schedule,
    Tick,
)
from omniq.storage.postgres import AsyncPostgresScheduleStorage, PostgresScheduleStorage

pytestmark = pytest.mark.anyio

#: Everything in memory.
MEMORY: Any = {"tasks": "memory", "results": "memory"}
FAR = datetime(2101, 1, 1, 0, 0, 0, 123456, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


class Both:
    """A blocking backend with the async interface."""

    def __init__(self, backend: PostgresBackend) -> None:
        self.blocking = backend
        self.queue, self.schedules = OffTheLoop(backend.queue), OffTheLoop(backend.schedules)

    def __getattr__(self, name: str) -> Any:
        return getattr(OffTheLoop(self.blocking), name)


KINDS: dict[str, Any] = {
    "postgres": AsyncPostgresBackend,
    "postgres-blocking": lambda url: Both(PostgresBackend(url)),
    "memory": lambda url: AsyncPostgresBackend(url, **MEMORY),
    "memory-blocking": lambda url: Both(PostgresBackend(url, **MEMORY)),
}


@pytest.fixture(params=KINDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    is_there = request.param.startswith("postgres")
    backend = KINDS[request.param](request.getfixturevalue("url") if is_there else "postgresql://localhost:1/x")
    await backend.connect()
    yield backend
    await backend.close()


def hourly(name: str, **options: Any) -> Schedule:
    return Schedule(name, Every(3600), NewTask("work", [1]), **options)


def full(name: str, timing: Any) -> Schedule:
    task = NewTask(
        "report",
        Payload.of([17, "ä"]),
        queue="reports",
        priority=-3,
        delay=timedelta(seconds=1.5),
        ttl=HOUR,
        max_retries=9,
        backoff=Backoff.fixed(7),
        timeout=timedelta(milliseconds=333),
        metadata={"tenant": 7},
        codec="json",
        callbacks=(Callback(on=("dead",), func="alert", queue="ops"),),
    )
    return Schedule(
        name,
        timing,
        task,
        missed=250,
        grace=timedelta(seconds=90),
        jitter=timedelta(seconds=0.25),
        overlap=False,
        max_runs=12,
        starts_at=FAR - timedelta(days=90_000),
        ends_at=FAR + timedelta(days=9_000),
    )


def definition(saved: SavedSchedule) -> Schedule:
    return Schedule(**{name: getattr(saved, name) for name in Schedule.__struct_fields__})


async def test_all_fields_come_back(backend: Any) -> None:
    given = [
        full("cron", Cron("30 2 * * *", "Europe/Berlin")),
        full("every", Every(timedelta(seconds=1.25))),
        full("once", At(FAR)),
    ]
    began = datetime.now(timezone.utc)
    saved = await backend.schedules.save_many(given)
    assert [definition(one) for one in saved] == given
    for one in saved:
        assert isinstance(one, SavedSchedule)
        assert (one.app, one.runs, one.last_at, one.last_task, one.paused_at) == (None, 0, None, None, None)
        assert abs(one.created_at - began) < timedelta(minutes=1)
        assert one.next_at is not None
        read = await backend.schedules.get(one.name)
        assert read.replace(created_at=one.created_at) == one
        assert SavedSchedule.from_dict(one.to_dict()).replace(task=one.task) == one
        assert read.task.args.decode() == [17, "ä"]
    assert saved[2].next_at == FAR
    assert await backend.schedules.get("none") is None
    assert await backend.schedules.save_many([]) == []


@pytest.mark.parametrize("missed", ["skip", "once", "all", 1, 10_000])
async def test_the_rules_for_missed_ticks(backend: Any, missed: Any) -> None:
    assert (await backend.schedules.save(hourly("a", missed=missed))).missed == missed
    assert (await backend.schedules.get("a")).missed == missed


async def test_saving_again_moves_the_ticks_only_with_the_times(backend: Any) -> None:
    first = await backend.schedules.save(hourly("a"))
    assert first.missed == "once"
    assert first.grace == timedelta(seconds=60)
    assert (first.overlap, first.jitter, first.max_runs, first.starts_at, first.ends_at) == (True, *[None] * 4)
    again = await backend.schedules.save(hourly("a"))
    assert again.replace(created_at=first.created_at) == first
    changed = await backend.schedules.save(hourly("a", overlap=False))
    assert (changed.version, changed.next_at) == (first.version + 1, first.next_at)
    # One that was read can be saved again.
    later = await backend.schedules.save(changed.replace(timing=Every(7200)))
    assert later.next_at > first.next_at + timedelta(minutes=59)
    assert later.version == first.version + 2


async def test_lists_follow_the_filter_and_come_in_pages(backend: Any) -> None:
    names = ["a", "b", "c", "d", "e"]
    await backend.schedules.save_many([hourly(name) for name in reversed(names)])
    await backend.schedules.save(Schedule("f", Every(5), NewTask("other")))
    for name in ("b", "f"):
        await backend.schedules.pause(name)

    async def found(**filter: Any) -> str:
        return "".join([one.name for one in await backend.schedules.list(**filter)])

    assert await found() == "abcdef"
    assert await found(func="other") == "f"
    assert await found(paused=True) == "bf"
    assert await found(paused=False, func="work") == "acde"
    assert await found(app="shop") == ""
    assert await found(after="b", limit=2) == "cd"
    if isinstance(backend, Both):
        iterated = list(backend.blocking.schedules.iterate(page=2))
        assert [one.name for one in backend.blocking.schedules.iterate_sync(after="d")] == ["e", "f"]
    else:
        iterated = [one async for one in backend.schedules.iterate(page=2)]
    assert [one.name for one in iterated] == [*names, "f"]


async def test_pause_and_resume(backend: Any) -> None:
    first = await backend.schedules.save(hourly("a"))
    await backend.schedules.pause("a")
    await backend.schedules.pause("a")
    paused = await backend.schedules.get("a")
    assert paused.paused_at is not None
    assert paused.next_at == first.next_at
    await backend.schedules.resume("a")
    await backend.schedules.resume("a")
    assert (await backend.schedules.get("a")).paused_at is None


async def test_trigger_enqueues_by_hand_and_history_shows_it(backend: Any) -> None:
    first = await backend.schedules.save(hourly("a"))
    await backend.schedules.pause("a")
    ids = [await backend.schedules.trigger("a") for _ in range(3)]
    task = await backend.queue.get(ids[0])
    assert (task.func, task.args, task.metadata["schedule"]) == ("work", [1], "a")
    ticks = await backend.schedules.history("a")
    assert [tick.task_id for tick in ticks] == ids[::-1]
    assert ticks[0] == Tick("a", ticks[0].at, True, ids[2], None)
    assert abs(ticks[0].at - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert len(await backend.schedules.history("a", 2)) == 2
    known = await backend.schedules.get("a")
    assert (known.runs, known.last_task, known.next_at, known.last_at) == (0, ids[2], first.next_at, None)
    assert await backend.schedules.history("none") == []


async def test_the_latest_result(backend: Any) -> None:
    await backend.schedules.save(hourly("a"))
    assert await backend.latest_result("a") is None
    for value in ("first", "second"):
        await backend.schedules.trigger("a")
        task = await backend.queue.dequeue(timeout=5)
        await backend.complete(task, value)
    await backend.schedules.trigger("a")
    assert (await backend.latest_result("a")).value == "second"
    assert await backend.latest_result("none") is None


async def test_delete(backend: Any) -> None:
    await backend.schedules.save(hourly("a"))
    id = await backend.schedules.trigger("a")
    assert await backend.schedules.delete("a") is True
    assert await backend.schedules.delete("a") is False
    assert await backend.schedules.get("a") is None
    assert await backend.schedules.history("a") == []
    assert await backend.queue.get(id) is not None
    for verb in ("pause", "resume", "trigger"):
        call = getattr(backend.schedules, verb)
        await answered('there is no schedule "a": save it, or start a worker', call, "a", kind="not_found")


async def test_what_cannot_be_saved_is_refused_and_nothing_is_written(backend: Any) -> None:
    save, many = backend.schedules.save, backend.schedules.save_many
    await answered("schedule is refused, being of type str: give a Schedule", save, "a")
    await answered(r"schedules\[1\] is refused.*give a Schedule", many, [hourly("a"), "b"])
    await answered('two schedules have the name "a": give each its own', many, [hourly("a"), hourly("a")])
    bad = Schedule("b", Every(60), NewTask("work", object()))
    await answered("cannot be", many, [hourly("a"), bad], kind="codec")
    large = Schedule("b", Every(60), NewTask("work", "x" * (17 << 20)))
    await answered("at most", many, [hourly("a"), large])
    for verb in ("get", "delete", "pause", "resume", "trigger", "history"):
        await answered("^name = 3 is refused, being of type int: give a text", getattr(backend.schedules, verb), 3)
    await answered("^schedule = 3 is refused", backend.latest_result, 3)
    await answered("^limit = -1 is refused", backend.schedules.history, "a", -1)
    await answered("^limit = 'x' is refused", backend.schedules.list, limit="x")
    await answered("^paused = 'x' is refused", backend.schedules.list, paused="x")
    assert await backend.schedules.list() == []


async def test_a_storage_alone_shares_the_queue(url: str) -> None:
    async with AsyncPostgresScheduleStorage(url) as schedules, AsyncPostgresBackend(url) as backend:
        await schedules.save(hourly("a"))
        assert [one.name for one in await backend.schedules.list()] == ["a"]
        id = await schedules.trigger("a")
        assert (await backend.queue.get(id)).func == "work"  # type: ignore[union-attr]
    await schedules.close()
    await answered("closed", schedules.get, "a", kind="closed")

    def blocking() -> None:
        with PostgresScheduleStorage(url, codec="msgpack") as storage:
            assert storage.get_sync("a") == storage.get("a")
            saved = storage.save_sync(hourly("b"))
            assert saved.task.args == Payload.of([1], "msgpack")
            assert storage.delete_sync("b")

    await anyio.to_thread.run_sync(blocking)


async def test_a_custom_queue_has_no_schedules() -> None:
    queue = written.ProxyQueue()
    async with AsyncPostgresBackend("postgresql://localhost:1/x", tasks=queue, results="memory") as backend:
        words = "this queue has no schedules: take a queue on PostgreSQL or in memory"
        await answered(words, backend.schedules.get, "a", kind="config")
        await answered(words, backend.latest_result, "a", kind="config")


async def test_latest_result_needs_results() -> None:
    async with AsyncPostgresBackend("postgresql://localhost:1/x", tasks="memory", results="off") as backend:
        with pytest.raises(OmniQError, match="results are off"):
            await backend.latest_result("a")


async def test_a_name_that_stands_in_code_is_a_conflict(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend:
        await backend.connect()
        core: Any = backend._core
        from omniq._loop import run

        await run(core.declare_schedules("shop", [hourly("a")]))
        words = 'the schedule "a" stands in the code of the application "shop": change it there'
        await answered(words, backend.schedules.save, hourly("a", overlap=False), kind="conflict")
        assert [one.name for one in await backend.schedules.list(app="shop")] == ["a"]
        assert await backend.schedules.get(str(uuid.uuid4())) is None
