"""Tasks that run after others: chains, fan-outs and fan-ins, what becomes of them after a failure, and many callers at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import anyio
import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from omniq import (
    AsyncOmniQ,
    AsyncTaskGroup,
    CodecError,
    ConfigError,
    ConflictError,
    Context,
    InvalidError,
    NewTask,
    NotFoundError,
    OmniQ,
    OmniQError,
    Predecessor,
    Predecessors,
    Schedule,
    TaskFailed,
)
from omniq.errors import TimeoutError
from omniq.models import Cancelled, Every, ResultStatus, TaskState, Unique
from omniq.storage.base.queue import AsyncTaskQueue
from omniq.storage.memory import AsyncMemoryQueue
from omniq.testing import advance, eager, in_memory

pytestmark = pytest.mark.anyio


@dataclass
class Part:
    """A value that only its annotation reads."""

    number: int


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


@pytest.fixture
def blocking(url: str) -> Iterator[OmniQ]:
    with OmniQ(url) as app:
        yield app


async def state(app: AsyncOmniQ, id: UUID) -> TaskState | None:
    task = await app.backend.queue.get(id)
    return None if task is None else task.state


# Processes find it by its module.
beside = OmniQ("postgresql://nowhere.invalid/none")


@beside.task
def part(number: int) -> Part:
    return Part(number)


@beside.task(process=True)
def total(context: Context) -> int:
    found = context.predecessors_sync()
    assert all(isinstance(one.value, Part) for one in found)
    return sum(one.number for one in found.values())


async def test_a_chain(app: AsyncOmniQ) -> None:
    done: list[str] = []

    @app.task
    async def step(name: str) -> str:
        done.append(name)
        return name

    a = await step.with_options(delay=0.3).enqueue("a")
    b = await step.with_options(after=a).enqueue("b")
    c = await step.with_options(after=[b.id]).enqueue("c")
    assert (await b.status(), await c.status()) == (TaskState.BLOCKED, TaskState.BLOCKED)
    assert await app.backend.queue.predecessors(c.id) == [b.id]
    assert await app.backend.queue.predecessors(a.id) == []
    assert (await app.backend.queue.queues())[0].blocked == 2
    with pytest.raises(TimeoutError, match="it is blocked: tasks that it is to run after have not ended"):
        await c.result(0)
    async with app.worker():
        assert await c.result(10) == "c"
    assert done == ["a", "b", "c"]
    # After what has ended; by the text of its id; and one that waits for nothing.
    d = await step.with_options(after=str(c), if_failed="run").enqueue("d")
    e = await step.with_options(after=None, if_failed="run").enqueue("e")
    assert (await d.status(), await e.status()) == (TaskState.READY, TaskState.READY)


async def test_a_fan_out_and_a_fan_in_with_values(app: AsyncOmniQ) -> None:
    @app.task
    async def first() -> int:
        return 10

    @app.task
    async def middle(context: Context, n: int) -> Part:
        (before,) = await context.predecessors()
        return Part(before.value + n)

    @app.task
    async def last(context: Context) -> list[int]:
        found = await context.predecessors()
        assert len(found) == 20
        assert isinstance(found[0].value, Part)
        assert found == found[:] == Predecessors(found)
        return [one.number for one in found.values()]

    @app.task
    def last_in_a_thread(context: Context) -> int:
        found = context.predecessors_sync()
        with pytest.raises(InvalidError, match="predecessors_sync"):
            context.predecessors().close()
        return sum(one.number for one in found.values())

    head = await first.enqueue()
    parts = await middle.with_options(after=(one for one in [head])).with_options(priority=1).enqueue_many(range(20))
    sums = await last.with_options(after=parts).enqueue()
    also = await last_in_a_thread.with_options(after=parts, queue="other").enqueue()
    mapping = asyncio.ensure_future(app.map(middle.with_options(after=head), range(3)))
    async with app.worker(queues=["default"]):
        assert await sums.result(10) == list(range(10, 30))
        assert await mapping == [Part(10), Part(11), Part(12)]
        # By the backend, values are as their codec reads them.
        found = await app.backend.predecessors(also.id)
        assert found.values() == [{"number": number} for number in range(10, 30)]
        assert found.values(Part) == [Part(number) for number in range(10, 30)]
        with pytest.raises(CodecError, match=f"the value of task {parts[0].id} cannot be read as .*int.*: "):
            found.values(int)
        assert [one.task_id for one in found] == [one.id for one in parts]
        assert await app.backend.queue.predecessors(also.id) == [one.id for one in parts]
    async with app.worker(queues=["other"]):
        assert await also.result(10) == sum(range(10, 30))


async def test_a_failure_is_shared_or_not(app: AsyncOmniQ) -> None:
    seen: list[Any] = []

    @app.task(max_retries=0)
    async def fails() -> None:
        raise ValueError("no")

    @app.task
    async def next_one(context: Context) -> str:
        (before,) = await context.predecessors()
        assert before.result is not None
        seen.append(before.result.status)
        with pytest.raises(ConflictError, match=f"task {before.task_id}, .* has the status failed and no value"):
            _ = before.value
        return "ran"

    bad = await fails.enqueue()
    shares = await next_one.with_options(after=bad).enqueue()
    further = await next_one.with_options(after=shares).enqueue()
    runs = await next_one.with_options(after=bad, if_failed="run").enqueue()
    async with app.worker():
        began = time.monotonic()
        for handle, named in [(shares, bad), (further, shares)]:
            with pytest.raises(TaskFailed, match=str(named.id)) as raised:
                await handle.result(10)
            assert raised.value.result.error is not None
            assert raised.value.result.error.type == "predecessor_failed"
        assert await runs.result(10) == "ran"
        # One that comes later hears of it at once.
        late = await next_one.with_options(after=[runs, bad]).enqueue()
        with pytest.raises(TaskFailed, match="predecessor_failed"):
            await late.result(10)
        assert time.monotonic() - began < 5
    assert seen == [ResultStatus.FAILED]
    assert await state(app, shares.id) is TaskState.DEAD


async def test_the_enqueue_after_a_dead_letter_ends_it_without_a_worker(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def fails() -> None:
        raise ValueError("no")

    bad = await fails.enqueue()
    await app.drain()
    one = await fails.with_options(after=bad).enqueue()
    many = await fails.with_options(after=bad).enqueue_many([(), ()])
    for handle in [one, *many]:
        with pytest.raises(TaskFailed, match="predecessor_failed"):
            await handle.result(0)


async def test_a_cancel_is_shared_or_not(app: AsyncOmniQ) -> None:
    @app.task
    async def work() -> int:
        return 1

    waits = await work.with_options(delay=3600).enqueue()
    shares = await work.with_options(after=[waits]).enqueue()
    runs = await work.with_options(after=[waits], if_failed="run").enqueue()
    blocked = await work.with_options(after=[runs]).enqueue()
    assert await blocked.cancel() is Cancelled.DONE
    assert await waits.cancel() is Cancelled.DONE
    with pytest.raises(TaskFailed) as raised:
        await shares.result(5)
    assert raised.value.result.status is ResultStatus.CANCELLED
    assert raised.value.result.error is not None
    assert str(waits.id) in raised.value.result.error.message
    await app.drain()
    assert await runs.result(5) == 1
    with pytest.raises(TaskFailed):
        await blocked.result(5)
    held = await work.with_options(delay=3600).enqueue()
    await work.with_options(after=held).enqueue_many([(), ()])
    assert (await app.backend.cancel_all(state="blocked")).done == 2


async def test_a_retry_goes_on(app: AsyncOmniQ) -> None:
    is_good = False

    @app.task(max_retries=0)
    async def perhaps() -> int:
        if not is_good:
            raise ValueError("not yet")
        return 1

    a = await perhaps.enqueue()
    b = await perhaps.with_options(after=a).enqueue()
    c = await perhaps.with_options(after=b).enqueue()
    await app.drain()
    assert [await one.status() for one in (a, b, c)] == [TaskState.DEAD] * 3
    is_good = True
    assert await app.backend.queue.retry_all() == 3
    assert [await one.status() for one in (a, b, c)] == [TaskState.READY, TaskState.BLOCKED, TaskState.BLOCKED]
    async with app.worker():
        assert await c.result(10) == 1


async def test_in_the_users_transaction(app: AsyncOmniQ, url: str) -> None:
    @app.task
    async def step(n: int) -> int:
        return n

    connection: Any = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    a = await step.with_options(connection=connection, delay=0.01).enqueue(1)
    b = await step.with_options(connection=connection, after=a).enqueue(2)
    await transaction.rollback()
    assert (await a.status(), await b.status()) == (None, None)
    with pytest.raises(asyncpg.PostgresError, match=str(a.id)):
        await step.with_options(connection=connection, after=a).enqueue(3)
    done = await step.enqueue(4)
    await app.drain()
    async with connection.transaction():
        a = await step.with_options(connection=connection).enqueue(1)
        many = await step.with_options(connection=connection, after=[a, done]).enqueue_many([2, 3])
        named = await app.backend.enqueue("step", 5, after=many, connection=connection)
        more = await app.backend.enqueue_many([("step", 6)], after=named, connection=connection)
        again = await app.backend.queue.enqueue("step", 7, after=[*more, done], connection=connection)
    await connection.close()
    assert await state(app, again) is TaskState.BLOCKED
    async with app.worker():
        assert await app.handle(again).result(10) == 7
    with psycopg.connect(url) as blocking:
        last = step.with_options(connection=blocking, after=again).enqueue_sync(8)
        bad = step.with_options(connection=blocking, after=uuid4())
        with blocking.transaction(), pytest.raises(psycopg.Error, match="run after"), blocking.transaction():
            bad.enqueue_sync(9)
    async with app.worker():
        assert await last.result(10) == 8


def test_a_blocking_application(blocking: OmniQ) -> None:
    app = blocking

    @app.task
    def one(n: int) -> int:
        return n

    @app.task
    def both(context: Context) -> int:
        return sum(context.predecessors_sync().values(int))

    parts = one.enqueue_many([1, 2])
    last = both.with_options(after=parts).enqueue()
    found = app.backend.predecessors(last.id)
    assert [found[0], found[-1]] == [Predecessor(part.id) for part in parts]
    with pytest.raises(NotFoundError, match="no result of task"):
        found.values()
    assert app.backend.queue.predecessors(last.id) == [part.id for part in parts]
    named = app.backend.enqueue("one", 3, after=last, if_failed="run")
    also = app.backend.queue.enqueue("one", 4, after=[last.id, named])
    with app.worker():
        assert last.result(10) == 3
        assert app.handle(also).result(10) == 4


def test_in_a_process() -> None:
    app = beside
    with in_memory(app):
        parts = part.enqueue_many([1, 2, 3])
        last = total.with_options(after=parts).enqueue()
        app.drain()
        assert last.result(0) == 6


async def test_tasks_of_one_call(app: AsyncOmniQ) -> None:
    """With ids that the caller has chosen, in any order."""

    @app.task
    async def step(context: Context, n: int) -> int:
        return n + sum((await context.predecessors()).values(int))

    first, left, right, last = (uuid4() for _ in range(4))
    tasks = [
        NewTask("step", 1000, id=last, after=(left, right)),
        NewTask("step", 10, id=left, after=(first,), if_failed="run"),
        NewTask("step", 100, id=right, after=(first,)),
        NewTask("step", 1, id=first),
    ]
    assert NewTask.from_dict(tasks[0].to_dict()) == tasks[0]
    assert tasks[0].replace(after=[left, str(right)]) == tasks[0]
    assert await app.backend.enqueue_many(tasks) == [last, left, right, first]
    async with app.worker():
        assert await app.handle(last).result(10) == 1112
    one, other = uuid4(), uuid4()
    circle = [NewTask("f", id=one, after=(other,)), NewTask("g", id=other, after=(one,))]
    with pytest.raises(InvalidError, match=f"in a circle.*{one}.*{other}"):
        await app.backend.enqueue_many(circle)
    with pytest.raises(InvalidError, match=rf"f \({one}\) after f \({one}\)"):
        await app.backend.enqueue(NewTask("f", id=one, after=(one,)))
    with pytest.raises(InvalidError, match="is unique, in a call with tasks that run after others"):
        await app.backend.enqueue_many([NewTask("f", after=(last,)), NewTask("f", unique=Unique(key="k"))])
    assert await app.backend.queue.count() == 0


async def test_what_cannot_be_is_refused(app: AsyncOmniQ) -> None:
    @app.task
    async def f(n: int = 0) -> int:
        return n

    handle = await f.with_options(delay=3600).enqueue()
    new = f.with_options(id=uuid4())
    give = "give the handle of a task or its id, or a list of these"
    coroutine = f.enqueue()
    for wrong, words in [
        ([], "a task is to run after no other: name at least one, or leave `after` out"),
        ([handle, None], rf"after\[1\] = None is refused, being of type NoneType: {give}"),
        ("abc", f"after = 'abc' is refused: it is no id: {give}"),
        ([handle.id, "abc"], rf"after\[1\] = 'abc' is refused: it is no id: {give}"),
        (7, f"after = 7 is refused, being of type int: {give}"),
        ([7], rf"after\[0\] = 7 is refused, being of type int: {give}"),
        (b"abc", "after is refused, being of type bytes"),
        ({handle.id: 1}, "after is refused, being of type dict"),
        (f, "after is refused, being of type AsyncTaskFunction"),
        (UUID, "after is refused, being of type type"),
        (coroutine, "after is refused, being of type coroutine: await the enqueue first"),
        ([NewTask("f")], r"after\[0\] is a NewTask without an id: give it one, NewTask\(…, id=uuid.uuid4\(\)\)"),
        ((uuid4() for _ in range(100_001)), "after 100001 others: at most 100000 are allowed; put a task between them"),
    ]:
        with pytest.raises(InvalidError, match=words):
            new.with_options(after=wrong)  # type: ignore[arg-type]
    coroutine.close()
    with pytest.raises(InvalidError, match="is refused, being of type int"):
        NewTask("f", after=7)  # type: ignore[arg-type]
    for verb in (app.backend.enqueue, app.backend.queue.enqueue):
        with pytest.raises(InvalidError, match="being of type int"):
            await verb("f", after=7)  # type: ignore[arg-type]
        with pytest.raises(InvalidError, match="after no other"):
            await verb("f", after=[])
        with pytest.raises(InvalidError, match="if_failed is given without after"):
            await verb("f", if_failed="run")
        with pytest.raises(InvalidError, match='if_failed = \'stop\' is refused: give "end" or "run"'):
            await verb("f", after=handle, if_failed="stop")  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="if_failed is given without after"):
        f.with_options(if_failed="run")
    with pytest.raises(InvalidError, match="if_failed = 3 is refused, being of type int"):
        f.with_options(after=handle, if_failed=3)  # type: ignore[arg-type]
    unknown = uuid4()
    for task in (f.with_options(after=unknown), f.with_options(after=[handle, unknown])):
        with pytest.raises(NotFoundError, match=f"there is no task {unknown} to run after"):
            await task.enqueue()
        with pytest.raises(NotFoundError, match=f"there is no task {unknown} to run after"):
            await task.enqueue_many([1, 2])
    with pytest.raises(InvalidError, match="is unique, in a call with tasks that run after others"):
        await f.with_options(after=handle, unique=True).enqueue()
    with pytest.raises(InvalidError, match="give a UUID"):
        await app.backend.predecessors("abc")  # type: ignore[arg-type]
    assert await app.backend.queue.count() == 1
    # With a unique task alone: its key is of another call.
    assert not (await f.with_options(unique=True).enqueue()).existing


def test_no_definition_has_it() -> None:
    app = AsyncOmniQ(tasks="memory", results="memory")
    words = r"has no option after: it is an option of one call, f.with_options\(after=…\).enqueue\(…\); known are"
    wrong: Any = {"after": [uuid4()]}
    with pytest.raises(ConfigError, match=f"a task {words}"):
        app.task(**wrong)(lambda: None)
    with pytest.raises(ConfigError, match=words):
        AsyncTaskGroup("g", **wrong)
    with pytest.raises(ConfigError, match=f"defaults {words}"):
        AsyncOmniQ(tasks="memory", defaults=wrong)
    with pytest.raises(ConfigError, match=words):
        AsyncOmniQ(tasks="memory", routes={"f": wrong})
    with pytest.raises(ConfigError, match="a task has no option if_failed: it is an option of one call"):
        app.task(**{"if_failed": "run"})(lambda: None)  # type: ignore[call-overload]

    @app.task
    async def f() -> None: ...

    with pytest.raises(ConfigError, match=f"a schedule {words}"):
        app.schedule("s", f, every=60, **wrong)
    with pytest.raises(InvalidError, match="its task is to run after others: leave `after` out"):
        Schedule("s", Every(60), NewTask("f", after=(uuid4(),)))
    with pytest.raises(OmniQError, match="its task is to run after others: leave `after` out"):
        app.schedule("s", f.with_options(**wrong), every=60)


@pytest.mark.parametrize("mode", [in_memory, eager])
async def test_in_memory(mode: Any) -> None:
    app: AsyncOmniQ
    with mode(AsyncOmniQ()) as app:

        @app.task(max_retries=0)
        async def step(context: Context, n: int) -> int:
            if n < 0:
                raise ValueError("negative")
            return n + sum((await context.predecessors()).values(int))

        async with app:
            parts = await step.enqueue_many([1, 2, 3])
            last = await step.with_options(after=parts).enqueue(10)
            further = await step.with_options(after=last, if_failed="run").enqueue(100)
            await app.drain()
            assert await further.result(5) == 116
            with pytest.raises(NotFoundError, match="to run after"):
                await step.with_options(after=uuid4()).enqueue(1)


async def test_eager_failures() -> None:
    with eager(AsyncOmniQ(), raise_errors=False) as app:

        @app.task(max_retries=0)
        async def step(n: int) -> int:
            if n < 0:
                raise ValueError("negative")
            return n

        async with app:
            bad = await step.enqueue(-1)
            shares = await step.with_options(after=bad).enqueue(1)
            with pytest.raises(TaskFailed, match="predecessor_failed"):
                await shares.result()
            assert await (await step.with_options(after=[bad, shares], if_failed="run").enqueue(2)).result() == 2
            # What is due later is waited for.
            later = await step.with_options(delay=60).enqueue(3)
            blocked = await step.with_options(after=later).enqueue(4)
            with pytest.raises(TimeoutError, match="it is blocked, as it runs after tasks that have not ended"):
                await blocked.result()
            await advance(app, minutes=2)
            assert await blocked.result() == 4
    with eager(AsyncOmniQ()) as strict:

        @strict.task(max_retries=0)
        async def risky(n: int) -> int:
            return 1 // n

        async with strict:
            with pytest.raises(TaskFailed) as raised:
                await risky.enqueue(0)
            with pytest.raises(TaskFailed, match="predecessor_failed"):
                await risky.with_options(after=raised.value.result.task_id).enqueue(1)
            later = await risky.with_options(delay=60).enqueue(1)
            await risky.with_options(after=later).enqueue(0)
            with pytest.raises(TaskFailed, match="ZeroDivisionError"):
                await advance(strict, minutes=2)


@pytest.mark.empty_database
def test_in_memory_with_a_connection(url: str) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with in_memory(OmniQ()) as app, Session(engine) as connection:

        @app.task
        def step(n: int) -> int:
            return n

        inside = step.with_options(connection=connection)
        first = inside.enqueue(1)
        gone = inside.with_options(after=first).enqueue(2)
        connection.rollback()
        first = inside.enqueue(3)
        last = inside.with_options(after=first).enqueue(4)
        assert app.backend.queue.count() == 0
        connection.commit()
        assert (gone.status(), last.status()) == (None, TaskState.BLOCKED)
        assert app.backend.queue.predecessors(last.id) == [first.id]
        app.drain()
        assert last.result(0) == 4
        one = uuid4()
        with pytest.raises(InvalidError, match="in a circle"):
            app.backend.enqueue(NewTask("step", 5, id=one, after=(one,)), connection=connection)
        # The task that it is to run after is looked for when it is added.
        inside.with_options(after=uuid4()).enqueue(6)
        with pytest.raises(NotFoundError, match="to run after"):
            connection.commit()
    engine.dispose()


async def test_custom_queues() -> None:
    async def nothing(*_args: Any, **_options: Any) -> None: ...

    # One of which each verb that it must have does nothing.
    verbs: dict[str, Any] = dict.fromkeys(AsyncTaskQueue.__abstractmethods__, nothing)
    plain: Any = type("Plain", (AsyncTaskQueue,), verbs)
    async with plain() as queue:
        for task in (NewTask("f", after=(uuid4(),)), NewTask("f", after=(uuid4(),), if_failed="run")):
            with pytest.raises(InvalidError, match="this queue keeps no tasks blocked: leave `after` out"):
                await queue.enqueue(task)
        assert await queue.predecessors(uuid4()) == []

    # One that hands all on to another one.
    inner = AsyncMemoryQueue()
    verbs = {name: hand_on(inner, name) for name in [*AsyncTaskQueue.__abstractmethods__, "predecessors"]}
    handing_on: Any = type("HandingOn", (AsyncTaskQueue,), verbs)
    app = AsyncOmniQ(tasks=handing_on(), results="memory")

    @app.task
    async def step(context: Context, n: int) -> int:
        return n + sum((await context.predecessors()).values(int))

    async with app:
        first = await step.enqueue(1)
        last = await step.with_options(after=first, if_failed="run").enqueue(2)
        assert await inner.predecessors(last.id) == [first.id]
        await app.drain()
        assert await last.result(5) == 3


def hand_on(inner: Any, name: str) -> Any:
    async def verb(_self: Any, *args: Any, **options: Any) -> Any:
        return await getattr(inner, name)(*args, **options)

    return verb


async def test_many_callers_at_once(app: AsyncOmniQ) -> None:
    """Chains and fan-ins from the loop and from threads, with two workers beside them: no task runs before those before it."""
    ended: set[str] = set()
    lock = threading.Lock()

    @app.task
    async def step(context: Context, before: list[str]) -> str:
        with lock:
            assert ended.issuperset(before), "too early"
        assert [str(one.task_id) for one in await context.predecessors()] == before
        with lock:
            ended.add(str(context.id))
        return str(context.id)

    lasts: list[Any] = []

    async def on_loop() -> None:
        handles = await step.enqueue_many([[]] * 4)
        for _ in range(4):
            after = step.with_options(after=handles)
            handles = await after.enqueue_many([[str(one) for one in handles]] * 4)
        lasts.extend(handles)

    def in_thread() -> None:
        handle = step.enqueue_sync([])
        for _ in range(6):
            handle = step.with_options(after=handle).enqueue_sync([str(handle)])
        lasts.append(handle)

    threads = [threading.Thread(target=in_thread) for _ in range(8)]
    async with app.worker(concurrency=8), app.worker(concurrency=8):
        for thread in threads:
            thread.start()
        await asyncio.gather(*(on_loop() for _ in range(8)))
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        assert [await one.result(30) for one in lasts] == [str(one) for one in lasts]
    assert len(ended) == 8 * 20 + 8 * 7
