"""Tasks as functions: called, enqueued, run, inspected."""

from __future__ import annotations

import asyncio
import dataclasses
import decimal
import enum
import uuid
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from omniq import AsyncHandle, AsyncOmniQ, Backoff, OmniQ, OmniQError, TaskFailed
from omniq.models import Cancelled, ResultStatus, TaskState

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Order(msgspec.Struct):
    id: int
    lines: list[str]


class User(BaseModel):
    name: str
    born: date


EVERYTHING: list[tuple[Any, Any]] = [
    (Point, Point(1, 2.5)),
    (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)),
    (date, date(2026, 1, 2)),
    (timedelta, timedelta(days=1, microseconds=7)),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (uuid.UUID, uuid.UUID(int=7)),
    (Colour, Colour.RED),
    (set[int], {1, 2, 3}),
    (tuple[int, str], (1, "x")),
    (bytes, b"\0\xff"),
    (Order, Order(7, ["a"])),
    (User, User(name="Ann", born=date(2000, 1, 1))),
    (list[User], [User(name="Ann", born=date(2000, 1, 1))]),
    (Path, Path("/x/y")),
    (dict[str, Point], {"a": Point(1, 2.0)}),
    (int | None, None),
]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_arguments_and_values_come_back_as_their_annotations_say(app: AsyncOmniQ, codec: str, kind: str) -> None:
    seen: list[Any] = []
    functions = []
    for place, (annotation, _) in enumerate(EVERYTHING):
        if kind == "async":

            async def same(value, other=1):  # type: ignore[no-untyped-def]
                seen.append(value)
                return value
        else:

            def same(value, other=1):  # type: ignore[no-untyped-def,misc]
                seen.append(value)
                return value

        same.__annotations__ = {"value": annotation, "return": annotation}
        functions.append(app.task(name=f"same_{place}", codec=codec)(same))
    handles = []
    for function, (_, value) in zip(functions, EVERYTHING, strict=True):
        handles.append((await function.enqueue(value), value))
        handles.append((await function.enqueue(value=value), value))
    await app.drain()
    for handle, value in handles:
        assert await handle.result(5) == value, handle
    assert all(any(one == value for one in seen) for _, value in EVERYTHING)


async def test_a_call_stays_a_plain_call(app: AsyncOmniQ) -> None:
    @app.task
    def add(a: int, b: int = 2) -> int:
        "Adds."
        return a + b

    @app.task(queue="other")
    async def later(a: int) -> int:
        return a

    assert add(1) == 3
    assert await later(4) == 4
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert await app.backend.queue.queues() == []


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "'a'"),
        ((1, 2, 3), {}, "too many arguments by position, 3 where at most 2 are taken: its parameters are a, b"),
        ((1,), {"c": 2}, "there is no parameter c: its parameters are a, b"),
        (("x",), {}, "argument a: Expected `int`, got `str`"),
        ((1,), {"b": 2.5}, "argument b: Expected `int`, got `float`"),
        ((object(),), {}, "argument a"),
    ],
)
async def test_arguments_are_checked_before_anything_is_written(
    app: AsyncOmniQ, args: Any, kwargs: Any, words: str
) -> None:
    @app.task
    async def add(a: int, b: int = 2) -> int:
        return a + b

    with pytest.raises(OmniQError, match=words) as caught:
        await add.enqueue(*args, **kwargs)
    assert caught.value.is_invalid
    with pytest.raises(OmniQError):
        await add.enqueue_many([(1, 2), (*args,), {**kwargs, "b": "no"}])
    assert await app.backend.queue.count() == 0


async def test_all_kinds_of_parameters(app: AsyncOmniQ) -> None:
    @app.task
    async def many(a: int, /, b: str = "b", *rest: float, c: Decimal = decimal.Decimal(1), **names: date) -> list[str]:
        return [repr(one) for one in (a, b, rest, c, names)]

    @app.task
    async def nothing() -> str:
        return "done"

    @app.task
    def names_alone(*, a: int, b: int = 2) -> int:
        return a - b

    @app.task
    def places(*numbers: int) -> int:
        return sum(numbers)

    cases = [
        (await many.enqueue(1), many),
        (await many.enqueue(1, "x", 1.5, 2.5), many),
        (await many.enqueue(1, "x", 1.5, c=decimal.Decimal("2.5"), when=date(2026, 1, 1)), many),
    ]
    expected = [await many(1), await many(1, "x", 1.5, 2.5)]
    expected.append(await many(1, "x", 1.5, c=decimal.Decimal("2.5"), when=date(2026, 1, 1)))
    others: list[tuple[AsyncHandle[Any], Any]] = [
        (await nothing.enqueue(), "done"),
        (await names_alone.enqueue(a=7), 5),
        (await names_alone.enqueue(a=7, b=1), 6),
        (await places.enqueue(), 0),
        (await places.enqueue(1, 2, 3), 6),
    ]
    await app.drain()
    for (handle, _), wanted in zip(cases, expected, strict=True):
        assert await handle.result(5) == wanted
    for other, value in others:
        assert await other.result(5) == value


Decimal = decimal.Decimal


async def test_the_payload_is_what_the_guide_says(app: AsyncOmniQ, witness: Any) -> None:
    @app.task
    async def one(name: str) -> None: ...

    @app.task
    async def two(a: int, x: int = 1) -> None: ...

    @app.task
    async def none() -> None: ...

    handles = [
        await one.enqueue("Ann"),
        await one.enqueue(name="Ann"),
        await two.enqueue(1, 2),
        await two.enqueue(1),
        await two.enqueue(1, x=2),
        await none.enqueue(),
    ]
    written = ['"Ann"', '"Ann"', "[1,2]", "[1]", '{"a":1,"x":2}', "null"]
    rows = await witness("select id, convert_from(payload, 'utf8') as text from omniq.task_list")
    texts = {row["id"]: row["text"] for row in rows}
    assert [texts[handle.id] for handle in handles] == written


async def test_options_hold_for_every_task_and_for_one(app: AsyncOmniQ) -> None:
    @app.task(queue="mail", priority=3, max_retries=7, timeout=timedelta(seconds=9), backoff=Backoff.fixed(5))
    async def send(to: str) -> None: ...

    plain = await app.backend.queue.get((await send.enqueue("a")).id)
    assert plain is not None
    assert (plain.queue, plain.priority, plain.max_retries, plain.timeout) == ("mail", 3, 7, timedelta(seconds=9))
    assert plain.backoff == Backoff.fixed(5)
    chosen = uuid.uuid4()
    special = send.with_options(delay=60, priority=-1, queue="slow", metadata={"who": "me"}, id=chosen, max_retries=0)
    task = await app.backend.queue.get((await special.enqueue("b")).id)
    assert task is not None
    assert (task.id, task.queue, task.priority, task.max_retries) == (chosen, "slow", -1, 0)
    assert (task.metadata, task.state, task.timeout) == ({"who": "me"}, TaskState.SCHEDULED, timedelta(seconds=9))
    with pytest.raises(OmniQError) as caught:
        await special.enqueue("again")
    assert caught.value.is_duplicate
    with pytest.raises(OmniQError, match="no option dealy: delay was meant"):
        send.with_options(dealy=1)  # type: ignore[call-arg]
    with pytest.raises(OmniQError, match="delay"):
        send.with_options(delay=-1)
    with pytest.raises(OmniQError, match="is there already"):
        app.task(name="send")(lambda: None)
    assert app.functions == {"send": send}
    assert not hasattr(app, "tasks"), "tasks= says where tasks are kept"


async def test_retries_is_refused_and_max_retries_is_named(app: AsyncOmniQ) -> None:
    words = "has no option retries: max_retries was meant, perhaps; known are .*timeout"
    with pytest.raises(OmniQError, match=f"^a task {words}") as caught:
        app.task(retries=3)(lambda: None)  # type: ignore[call-overload]
    assert caught.value.is_config
    task = app.task(max_retries=3)(lambda: None)
    with pytest.raises(OmniQError, match=f"^an enqueue {words}") as caught:
        task.with_options(retries=3)  # type: ignore[call-arg]
    assert caught.value.is_config


async def test_many_at_once(app: AsyncOmniQ) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    @app.task
    def add(a: int, b: int = 10) -> int:
        return a + b

    doubled = await double.enqueue_many(range(1000))
    added = await add.enqueue_many([(1, 2), (1,), {"a": 3}, [4, 5]])
    await app.drain()
    assert [await one.result(5) for one in doubled[::111]] == [2 * n for n in range(0, 1000, 111)]
    assert [await one.result(5) for one in added] == [3, 11, 13, 9]


async def test_the_handle_shows_the_state_of_a_task(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def fails() -> None:
        raise KeyError("nope")

    @app.task
    async def works() -> int:
        return 1

    waiting = await works.with_options(delay=100).enqueue()
    assert await waiting.status() is TaskState.SCHEDULED
    with pytest.raises(OmniQError) as late:
        await waiting.result(0.05)
    assert late.value.is_timeout
    assert await waiting.cancel() is Cancelled.DONE
    with pytest.raises(TaskFailed) as gone:
        await waiting.result(1)
    assert gone.value.status is ResultStatus.CANCELLED
    assert await waiting.cancel() is Cancelled.NOT_FOUND

    bad, good = await fails.enqueue(), await works.enqueue()
    await app.drain()
    assert (await good.status(), await good.result(1)) == (TaskState.COMPLETED, 1)
    with pytest.raises(TaskFailed, match="nope") as failed:
        await bad.result(1)
    error = failed.value.error
    assert error is not None
    assert error.type == "KeyError"
    assert error.trace is not None
    assert 'raise KeyError("nope")' in error.trace
    assert "omniq/app" not in error.trace, "frames of the caller alone"
    assert "omniq/worker" not in error.trace
    assert [str(event.kind) for event in await bad.events()] == ["enqueued", "started", "failed"]
    assert works.handle(good.id) == good
    assert await works.handle(uuid.uuid4()).status() is None


def test_the_blocking_application(url: str) -> None:
    app = OmniQ(url)

    @app.task
    def add(a: int, b: int = 1) -> int:
        return a + b

    @app.task
    async def wait_and_add(a: int) -> int:
        await asyncio.sleep(0.01)
        return a + 1

    with app:
        with app.worker(concurrency=4):
            assert add.enqueue(1, b=2).result(10) == 3
            assert add.enqueue_sync(1).result_sync(10) == 2
            assert wait_and_add.enqueue(1).result(10) == 2
            assert [one.result(10) for one in add.enqueue_many([(1,), (2,)])] == [2, 3]
        handle = add.enqueue(5)
        assert handle.status() is TaskState.READY
        app.drain()
        assert handle.result(5) == 6
        assert handle.cancel() is Cancelled.NOT_FOUND
    # The application is closed, and opens again at the next use.
    assert handle.status_sync() is TaskState.COMPLETED
    app.close()


async def test_three_parts_apart_and_configurations(url: str, tmp_path: Path) -> None:
    app = AsyncOmniQ(tasks="memory", results="memory", events="memory")

    @app.task
    async def one() -> int:
        return 1

    async with app:
        handle = await one.enqueue()
        await app.drain()
        assert await handle.result(1) == 1
        assert len(await handle.events()) >= 3
    mixed = AsyncOmniQ(url, results="memory", schema="mixed")
    two = mixed.task(name="two")(one.function)
    async with mixed:
        handle = await two.enqueue()
        await mixed.drain()
        assert await handle.result(1) == 1
    file = tmp_path / "omniq.toml"
    file.write_text(f'url = "{url}"\nschema = "by_file"\n')
    assert AsyncOmniQ.from_config(file).settings == AsyncOmniQ.from_config({"url": url, "schema": "by_file"}).settings
    with pytest.raises(OmniQError, match="pool_max"):
        OmniQ.from_config({"pool_max": "many"})


async def test_a_task_has_a_delay(app: AsyncOmniQ) -> None:
    @app.task(delay=3600)
    async def later() -> None: ...

    async def start_of(handle: AsyncHandle[Any]) -> float:
        task = await app.backend.queue.get(handle.id)
        assert task is not None
        return (task.run_at - datetime.now(timezone.utc)).total_seconds()

    assert 3590 < await start_of(await later.enqueue()) <= 3600
    assert 50 < await start_of(await later.with_options(delay=60).enqueue()) <= 60
    at = datetime.now(timezone.utc) + timedelta(seconds=600)
    assert 590 < await start_of(await later.with_options(run_at=at).enqueue()) <= 600
    assert [await start_of(one) > 3590 for one in await later.enqueue_many([(), ()])] == [True, True]
