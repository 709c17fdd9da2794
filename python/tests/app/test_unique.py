"""Unique tasks of functions: which key a call has, what its handle says, and many callers at once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import anyio
import asyncpg
import psycopg
import pytest

from omniq import (
    AsyncHandle,
    AsyncOmniQ,
    AsyncTaskGroup,
    ConflictError,
    Context,
    DuplicateError,
    Enqueued,
    InvalidError,
    NewTask,
    OmniQ,
    Unique,
)
from omniq.models import Cancelled
from omniq.storage.base.queue import AsyncTaskQueue
from omniq.testing import advance, eager, in_memory

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


async def key_of(app: AsyncOmniQ, handle: AsyncHandle[Any]) -> str | None:
    task = await app.backend.queue.get(handle.id)
    assert task is not None
    assert task.unique is not None
    return task.unique.key


async def test_a_call_is_known_by_its_arguments(app: AsyncOmniQ) -> None:
    @app.task(unique=True)
    async def reindex(customer: int, reason: str = "all", *, deep: bool = False) -> str:
        return f"{customer} {reason} {deep}"

    first = await reindex.enqueue(7)
    assert (first.enqueued, first.existing) == ("new", False)
    # However they are given, and with defaults or without.
    for same in [
        await reindex.enqueue(customer=7),
        await reindex.enqueue(7, "all"),
        await reindex.enqueue(7, deep=False, reason="all"),
    ]:
        assert (same.id, same.enqueued, same.existing) == (first.id, "skipped", True)
    assert await key_of(app, first) == 'reindex({"customer":7,"deep":false,"reason":"all"})'
    others = [await reindex.enqueue(7, "name"), await reindex.enqueue(8), await reindex.enqueue(7, deep=True)]
    assert len({one.id for one in [first, *others]}) == 4
    await app.drain()
    assert await first.result(5) == "7 all False"
    again = await reindex.enqueue(7)
    assert again.id != first.id
    assert not again.existing
    made = app.handle(first.id)
    assert made.enqueued is None
    assert not made.existing


async def test_some_arguments_and_other_languages(app: AsyncOmniQ) -> None:
    @app.task(unique=Unique(args=("customer",)))
    async def index(customer: int, reason: str = "") -> None: ...

    handle = await index.enqueue(7, reason="name")
    assert await key_of(app, handle) == 'index({"customer":7})'
    # As a Rust program, or this one by name, makes it of a JSON object.
    task = NewTask("index", {"customer": 7, "reason": "x"}, unique=Unique(args=("customer",)))
    assert await app.backend.queue.enqueue_unique(task) == Enqueued(handle.id, "skipped")
    assert await app.backend.enqueue(task) == handle.id
    connection: Any = await asyncpg.connect(str(app.settings.url) if app.settings else "")
    try:
        by_sql = await connection.fetchval(
            "select omniq.enqueue('index', '[7]', key => 'index({\"customer\":7})', on_conflict => 'replace')"
        )
        assert by_sql == handle.id
        with pytest.raises(asyncpg.PostgresError, match="its key has 0 bytes"):
            await connection.fetchval("select omniq.enqueue('index', key => '')")
        with pytest.raises(asyncpg.PostgresError, match="its on_conflict is unknown"):
            await connection.fetchval("select omniq.enqueue('index', key => 'k', on_conflict => 'drop')")
        with pytest.raises(asyncpg.PostgresError, match="its key is no text"):
            await connection.fetchval("select omniq.enqueue('index', period => '1 hour')")
        rows = await connection.fetch("select key, task_id, state, held from omniq.key_list")
        assert [tuple(row) for row in rows] == [('index({"customer":7})', handle.id, "ready", True)]
    finally:
        await connection.close()


async def test_long_and_odd_arguments(app: AsyncOmniQ) -> None:
    @app.task(unique=True)
    async def odd(*parts: str, **more: Any) -> None: ...

    keys = []
    for args, kwargs in [(("ä", "\n"), {}), ((), {"b": [1, {"z": 1, "a": 2.5}], "a": None}), (("x" * 600,), {})]:
        handle = await odd.enqueue(*args, **kwargs)
        assert (await odd.enqueue(*args, **kwargs)).id == handle.id
        keys.append(await key_of(app, handle))
    assert keys[0] == 'odd({"parts":["ä","\\n"]})'
    assert keys[1] == 'odd({"a":null,"b":[1,{"a":2.5,"z":1}],"parts":[]})'
    assert keys[2] is not None
    assert keys[2].startswith("odd(sha256:")
    assert len(keys[2]) == 76


async def test_what_is_in_the_way_is_changed_or_refused(app: AsyncOmniQ) -> None:
    @app.task
    async def note(text: str) -> str:
        return text

    def by(key: str, **more: Any) -> Any:
        return note.with_options(unique=Unique(key=key, **more), delay=3600)

    first = await by("a", on_conflict="replace").enqueue("one")
    second = await by("a", on_conflict="replace").enqueue("two")
    third = await by("a", on_conflict="reschedule", max_wait=0.001).enqueue("three")
    assert (second.id, second.enqueued, third.enqueued) == (first.id, "replaced", "rescheduled")
    await app.drain()
    assert await first.result(5) == "three"
    held = await by("b").enqueue("four")
    with pytest.raises(DuplicateError, match=f'the key "b" is held by task {held.id}'):
        await by("b", on_conflict="error").enqueue("five")
    kept = by("c", period=3600)
    ended = await kept.enqueue("six")
    assert await ended.cancel() is Cancelled.DONE
    later = await kept.enqueue("seven")
    assert (later.id, later.enqueued) == (ended.id, "skipped")


async def test_many_in_one_call(app: AsyncOmniQ) -> None:
    @app.task(unique=Unique(args=("n",)))
    async def work(n: int, text: str = "") -> str:
        return text

    handles = await work.enqueue_many([(n % 3, str(n)) for n in range(9)])
    assert [handle.existing for handle in handles] == [False] * 3 + [True] * 6
    assert [handle.id for handle in handles] == [handle.id for handle in handles[:3]] * 3
    one = NewTask("f", 1, unique=Unique(key="k"))
    enqueued = await app.backend.enqueue_unique_many([one, NewTask("f", 2), one])
    assert [kind for _, kind in enqueued] == ["new", "new", "skipped"]
    assert enqueued[2].existing
    assert enqueued[2].id == enqueued[0].id
    ids = await app.backend.enqueue_many([one, NewTask("f", 3)])
    assert ids[0] == enqueued[0].id
    kinds = Counter(event.task_id for event in await app.backend.events.query() if event.kind == "enqueued")
    assert set(kinds.values()) == {1}
    assert len(kinds) == 6


async def test_in_the_users_transaction(app: AsyncOmniQ, url: str) -> None:
    @app.task(unique=True)
    async def pay(order: int) -> int:
        return order

    connection: Any = await asyncpg.connect(url)
    inside = pay.with_options(connection=connection)
    transaction = connection.transaction()
    await transaction.start()
    first, same = await inside.enqueue(1), await inside.enqueue(1)
    assert (first.enqueued, same.enqueued, same.id) == ("new", "skipped", first.id)
    # It waits for the end of the transaction that has taken the key.
    waits = asyncio.ensure_future(pay.enqueue(1))
    await asyncio.sleep(0.2)
    assert not waits.done()
    await transaction.rollback()
    other = await waits
    assert not other.existing
    transaction = connection.transaction()
    await transaction.start()
    handles = await inside.enqueue_many([1, 2])
    assert [handle.enqueued for handle in handles] == ["skipped", "new"]
    # As long as the transaction is open, the task that it folds into does not start.
    await app.drain()
    assert (await app.backend.queue.get(other.id)) is not None
    await transaction.commit()
    await app.drain()
    assert await other.result(5) == 1
    assert await handles[1].result(5) == 2
    await connection.close()
    with psycopg.connect(url) as blocking:
        ids = [pay.with_options(connection=blocking).enqueue_sync(3).id for _ in range(2)]
        enqueued = OmniQ(url)
        found = enqueued.backend.enqueue_unique(
            NewTask("pay", 3, unique=Unique(key='pay({"order":3})')), connection=blocking
        )
        enqueued.close()
    assert ids[0] == ids[1] == found.id
    assert found.existing


@pytest.mark.parametrize("mode", [in_memory, eager])
async def test_in_memory(mode: Any) -> None:
    app: AsyncOmniQ
    with mode(AsyncOmniQ()) as app:
        runs: list[int] = []

        @app.task(unique=Unique(args=("n",), on_conflict="replace"))
        async def work(n: int, text: str = "") -> str:
            runs.append(n)
            return text

        async with app:
            handles = await work.enqueue_many([(1, "a"), (1, "b"), (2, "c")])
            await app.drain()
            assert await handles[0].result(5) == "b"
            assert not (await work.enqueue(1)).existing


async def test_a_schedule_of_a_unique_task() -> None:
    with eager(AsyncOmniQ()) as app:

        @app.task(every=3600, unique=Unique(key="hourly", period=9000))
        async def hourly() -> None: ...

        async with app:
            await advance(app, hours=4)
            ticks = await app.schedules.history("hourly")
            # Newest first: the key is kept for two and a half hours.
            assert [tick.skipped for tick in ticks] == [None, "unique", "unique", None]


async def test_a_dead_letter_has_lost_its_key(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0, unique=True)
    async def fails() -> None:
        raise RuntimeError("no")

    first = await fails.enqueue()
    await app.drain()
    second = await fails.with_options(delay=3600).enqueue()
    assert not second.existing
    with pytest.raises(ConflictError, match=f"is held by task {second.id} by now"):
        await app.backend.queue.retry(first.id)


async def test_given_to_an_application_a_group_or_a_route() -> None:
    by_default = AsyncOmniQ(tasks="memory", results="memory", defaults={"unique": True})
    by_route = AsyncOmniQ(tasks="memory", results="memory", routes={"once*": {"unique": True}})
    group = AsyncTaskGroup("mail", unique=True)

    async def once(number: int) -> None: ...

    @group.task
    async def grouped(number: int) -> None: ...

    by_route.include(group)
    async with by_default, by_route:
        for task in (by_default.task(once), by_route.task(once), grouped):
            first = await task.enqueue(1)
            assert (await task.enqueue(1)).id == first.id
            assert (await task.enqueue(2)).id != first.id
        free = by_default.task(name="free", unique=False)(once)
        assert (await free.enqueue(1)).id != (await free.enqueue(1)).id


def test_what_cannot_be_is_refused() -> None:
    app = AsyncOmniQ(tasks="memory", results="memory", allow_pickle=True)

    @app.task
    async def work(n: Any) -> None: ...

    for wrong, words in [
        ({"key": ""}, "the key is empty"),
        ({"key": "k" * 501}, "501 bytes"),
        ({"key": "k", "args": ("n",)}, "give one of both"),
        ({"key": "k", "on_conflict": "drop"}, "on_conflict"),
        ({"key": "k", "until": "never"}, "until"),
        ({"key": "k", "period": 0}, "period"),
        ({"key": "k", "max_wait": 5}, "only on_conflict = reschedule"),
        ({"args": ()}, "by no argument"),
    ]:
        with pytest.raises(InvalidError, match=words):
            Unique(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="unique = 3 is refused"):
        work.with_options(unique=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="by the argument m, which it does not have: it has n"):
        work.with_options(unique=Unique(args=("m",))).enqueue_sync(1)
    with pytest.raises(InvalidError, match="of which no key can be made"):
        work.with_options(unique=True, codec="pickle").enqueue_sync(object())


async def test_a_queue_without_keys_refuses_them() -> None:
    async def nothing(*_args: Any, **_options: Any) -> None: ...

    # A custom queue, of which each verb that it must have does nothing.
    verbs: dict[str, Any] = dict.fromkeys(AsyncTaskQueue.__abstractmethods__, nothing)
    plain: Any = type("Plain", (AsyncTaskQueue,), verbs)
    async with plain() as queue:
        with pytest.raises(InvalidError, match="keeps no keys"):
            await queue.enqueue(NewTask("f", unique=Unique(key="k")))
        with pytest.raises(InvalidError, match="keeps no keys"):
            await queue.enqueue_unique(NewTask("f", unique=Unique(key="k")))


async def test_64_callers_on_few_keys(app: AsyncOmniQ, url: str) -> None:
    """Half of them on the loop, half in threads, with a worker beside them."""
    running: Counter[int] = Counter()
    runs: Counter[str] = Counter()

    @app.task(unique=Unique(args=("n",)))
    async def work(context: Context, n: int) -> None:
        running[n] += 1
        runs[str(context.task.id)] += 1
        assert running[n] == 1, "two at once"
        await asyncio.sleep(random.random() / 200)
        running[n] -= 1

    added: Counter[str] = Counter()

    def noted(handles: list[Any]) -> None:
        for handle in handles:
            if not handle.existing:
                added[str(handle.id)] += 1

    async def on_loop() -> None:
        for _ in range(12):
            noted(await work.enqueue_many(random.sample(range(10), random.randint(1, 4))))

    def in_thread() -> None:
        for _ in range(12):
            noted([work.enqueue_sync(random.randrange(10))])

    threads = [threading.Thread(target=in_thread) for _ in range(32)]
    async with app.worker(concurrency=20):
        for thread in threads:
            thread.start()
        await asyncio.gather(*(on_loop() for _ in range(32)))
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        with anyio.fail_after(30):
            while await app.backend.queue.count():
                await anyio.sleep(0.02)
    assert runs == added
    assert set(added.values()) == {1}
