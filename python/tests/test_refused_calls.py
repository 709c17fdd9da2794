"""Issue 12, errors: arguments of calls and verbs. A message names the given value, the limit and the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pytest
from refusals import AWARE, IDS, INF, NAN, NOWHERE, POSITIVE, SPAN, answered, refused

from omniq import AsyncOmniQ, NewTask, OmniQ

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(NOWHERE, tasks="memory", results="memory", events="memory") as app:
        yield app


async def test_an_argument_that_has_no_place_is_named(app: AsyncOmniQ) -> None:
    @app.task
    async def two(a: int, b: int = 2) -> None: ...

    @app.task
    async def one(a: int) -> None: ...

    @app.task
    async def none() -> None: ...

    @app.task
    async def rest(a: int, /, *, k: int) -> None: ...

    a_b = "its parameters are a, b"
    cases: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
        # Python's own error would name the missing a.
        (two, (), {"m": 1}, rf"^task two\(.*\): there is no parameter m: {a_b}$"),
        (two, (1,), {"m": 1, "n": 2}, f"there is no parameter m and no parameter n: {a_b}$"),
        (two, (1,), {"delay": 5}, rf"there is no parameter delay: {a_b}; options go by with_options\(delay=…\)$"),
        (two, (1, 2, 3), {}, f"too many arguments by position, 3 where at most 2 are taken: {a_b}$"),
        (one, (), {"m": 1}, "there is no parameter m: its parameters are a$"),
        (none, (), {"m": 1}, r"^task none\(\): there is no parameter m: it has none$"),
        (none, (1,), {}, "too many arguments by position, 1 where at most 0 are taken: it has none$"),
        (rest, (1,), {"m": 2}, "there is no parameter m: its parameters are a, k$"),
        # Python's own message is passed on.
        (rest, (), {"k": 1}, "missing a required .*argument: 'a'$"),
        (two, (), {}, "missing a required argument: 'a'$"),
        (two, (1,), {"a": 2}, "multiple values for argument 'a'$"),
    ]
    for task, args, kwargs, words in cases:
        await answered(words, task.enqueue, *args, **kwargs)
    await answered(rf"^calls\[1\] of task two.*no parameter m: {a_b}$", two.enqueue_many, [(1,), {"m": 1}])
    assert await app.backend.queue.count() == 0


# Verbs: they raised plain errors of Python.


async def test_what_workers_ask(app: AsyncOmniQ) -> None:
    queue: Any = app.backend.queue
    worker = await queue.register_worker("w", ["default"], 10)
    number = "give the number that register_worker has given$"
    least = "give seconds, at least 0.1 and at most 100 years, or a timedelta$"
    calls: list[tuple[Any, str]] = [
        (lambda: queue.register_worker(5, ["a"], 10), "^name = 5 is refused, being of type int: give a text$"),
        (lambda: queue.register_worker("w", 5, 10), "^queues = 5 is refused, being of type int: give a list of names$"),
        (lambda: queue.register_worker("w", [5], 10), r"^queues\[0\] = 5 is refused, being of type int: give a text$"),
        (lambda: queue.register_worker("w", ["a"], "x"), f"^lease = 'x' is refused, being of type str: {least}"),
        (lambda: queue.register_worker("w", ["a"], NAN), f"^lease = nan is refused: {least}"),
        # The message had named an option "none".
        (
            lambda: queue.register_worker("w", ["a"], 0),
            "^lease = 0 seconds is refused: give at least 0.1 seconds and at most",
        ),
        (lambda: queue.heartbeat("x"), f"^worker = 'x' is refused, being of type str: {number}"),
        (lambda: queue.heartbeat(None), f"^worker = None is refused, being of type NoneType: {number}"),
        (lambda: queue.heartbeat(2**70), f"^worker = {2**70} is refused: {number}"),
        (lambda: queue.deregister_worker(1.5), f"^worker = 1.5 is refused, being of type float: {number}"),
        (lambda: queue.claim("x", ["a"], 1, None), f"^worker = 'x' is refused, being of type str: {number}"),
        (lambda: queue.claim(worker, 5, 1, None), "^queues = 5 is refused, being of type int"),
        (
            lambda: queue.claim(worker, ["a"], "x", None),
            "^limit = 'x' is refused, being of type str: give a whole number",
        ),
        (lambda: queue.claim(worker, ["a"], -1, None), "^limit = -1 is refused: give 1 to 10000$"),
        (lambda: queue.claim(worker, ["a"], 1, 5), "^funcs = 5 is refused, being of type int: give a list of names$"),
        (lambda: queue.claim(worker, ["a"], 1, [5]), r"^funcs\[0\] = 5 is refused, being of type int"),
        (lambda: queue.lost("x"), "^limit = 'x' is refused, being of type str"),
        (lambda: queue.expired(-1), "^limit = -1 is refused: give 0 to"),
        (
            lambda: queue.settle([], all_or_nothing="x"),
            "^all_or_nothing = 'x' is refused, being of type str: give True or",
        ),
        (lambda: queue.dequeue(timeout=INF), f"^timeout = inf is refused: {SPAN}$"),
        (lambda: queue.dequeue(timeout=10**400), f"^timeout = 10{{59}}… is refused: {SPAN}$"),
    ]
    for call, words in calls:
        await answered(words, call)
    await queue.enqueue("f")
    task = await queue.dequeue()
    await answered(
        "^claim = 'x' is refused, being of type str: give the Claim", queue.complete, task.replace(claim="x")
    )


async def test_filters_and_times(app: AsyncOmniQ) -> None:
    queue: Any = app.backend.queue
    results: Any = app.backend.results
    events: Any = app.backend.events
    page = r"give \(finished_at, task_id\) of the last result of the page before$"
    calls: list[tuple[Any, str]] = [
        (lambda: queue.list(queue=5), "^queue = 5 is refused, being of type int: give a text$"),
        (lambda: queue.list(after="x"), f"^after = 'x' is refused, being of type str: {IDS}$"),
        (lambda: results.list(since="2030"), f"^since = '2030' is refused, being of type str: {AWARE}$"),
        (lambda: results.list(after="x"), f"^after = 'x' is refused, being of type str: {page}"),
        (lambda: results.list(after=(1, uuid4())), r"^after\[0\] = 1 is refused, being of type int: give a datetime"),
        (lambda: results.list(after=(datetime.now(timezone.utc), 2)), r"^after\[1\] = 2 is refused, being of type int"),
        (lambda: events.query(after="x"), "^after = 'x' is refused, being of type str: give a whole number"),
        (lambda: events.query(after=2**70), f"^after = {2**70} is refused: give a whole number"),
        (lambda: events.query(latest="x"), "^latest = 'x' is refused, being of type str: give True or False$"),
        (lambda: events.purge("x", 1), f"^before = 'x' is refused, being of type str: {AWARE}$"),
    ]
    for call, words in calls:
        await answered(words, call)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lease": 0}, "^lease = 0 seconds is refused: give at least 0.1 seconds and at most 100 years$"),
        ({"lease": INF}, "^lease = inf is refused: give seconds, at least 0.1 and at most 100 years"),
        ({"grace": "x"}, f"^grace = 'x' is refused, being of type str: {SPAN}$"),
        ({"poll": -1}, f"^poll = -1 is refused: {POSITIVE}$"),
        ({"poll": 0}, "^poll = 0 seconds is refused: give at least 0.001 seconds$"),
        ({"maintenance_interval": 0}, "^maintenance_interval = 0 seconds is refused: give at least 0.001 seconds$"),
        ({"queues": []}, "^no queue was named: name at least one$"),
    ],
)
async def test_options_of_workers(app: AsyncOmniQ, options: Any, words: str) -> None:
    @app.task
    async def work() -> None: ...

    await answered(words, app.drain, **options)
    # The error was raised only after the connection, for which a worker waits.
    away = AsyncOmniQ(NOWHERE)
    away.task(work.function)
    await answered(words, away.worker(**options).__aenter__)
    blocking = OmniQ(NOWHERE)
    blocking.task(work.function)
    refused(words, blocking.worker(**options).__enter__)


@pytest.mark.parametrize("options", [{"threads": 1.5}, {"task_processes": "x"}, {"threads": [1]}])
async def test_how_many_threads_and_processes(app: AsyncOmniQ, options: Any) -> None:
    (name,) = options
    await answered(rf"^{name} = .* is refused: give a whole number, at least 1$", app.drain, kind="config", **options)


# Ids in use: the message contained the column names of an index.


async def test_an_id_that_is_taken_is_named(url: str) -> None:
    words = "^the id {} is in use already: give another, or none$"
    kept = "^the result of an earlier task {} is still kept: delete it to use the id again, or give another$"
    for place in ("postgres", "memory"):
        async with AsyncOmniQ(url, tasks=place, results=place) as app:

            @app.task
            async def work() -> None: ...

            id = uuid4()
            await work.with_options(id=id).enqueue()
            await answered(words.format(id), work.with_options(id=id).enqueue, kind="duplicate")
            tasks = [NewTask("f"), NewTask("f", id=id)]
            await answered(words.format(id), app.backend.enqueue_many, tasks, kind="duplicate")
            await app.drain()
            await answered(kept.format(id), work.with_options(id=id).enqueue, kind="duplicate")
