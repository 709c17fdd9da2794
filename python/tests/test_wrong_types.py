"""A value of a wrong type is refused as an `OmniQError` that names the argument."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from omniq import (
    AsyncOmniQ,
    Context,
    Depends,
    NewTask,
    OmniQError,
    Settings,
    TaskError,
    TaskFailed,
    codecs,
    set_log_level,
)
from omniq.storage.memory import AsyncMemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue

pytestmark = pytest.mark.anyio

BAD = "a\ud800"
#: A URL to which nothing is sent.
NOWHERE = "postgresql://localhost:1/x"


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(NOWHERE, tasks="memory", results="memory", events="memory") as app:
        yield app


async def refused(words: str, verb: Callable[..., Any], *args: Any, **options: Any) -> None:
    with pytest.raises(OmniQError, match=words) as caught:
        await verb(*args, **options)
    assert caught.value.is_invalid


# A newcomer's trial, 3: plain errors of Python, or of the Rust side's conversion, none of which named the
# argument.
OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"backoff": 5}, "backoff = 5 is refused, being of type int: give a Backoff"),
    ({"codec": -1}, "codec = -1 is refused, being of type int"),
    ({"codec": BAD}, "codec = .* not valid UTF-8"),
    ({"codec": 0}, "codec = 0 is refused"),
    ({"codec": []}, "codec is refused"),
    ({"codec": {}}, "codec is refused"),
    ({"queue": 0}, "queue = 0 is refused"),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS)
async def test_options(app: AsyncOmniQ, options: dict[str, Any], words: str) -> None:
    async def work() -> None: ...

    plain = app.task(work)
    with pytest.raises(OmniQError, match=words) as caught:
        app.task(name="other", **options)(work)
    assert caught.value.is_invalid
    with pytest.raises(OmniQError, match=words):
        plain.with_options(**options)
    await refused(next(iter(options)), app.backend.enqueue, "work", **options)


async def test_names_of_tasks(app: AsyncOmniQ) -> None:
    task: Any = app.task
    options: Any
    for options, words in [
        ({"name": 3}, "name = 3 is refused"),
        ({"name": ""}, "name is empty"),
        ({"process": "no"}, "process = 'no' is refused, being of type str: give True or False"),
    ]:
        with pytest.raises(OmniQError, match=words):
            task(**options)(lambda: None)


def test_dependencies() -> None:
    wrong: Any = 3
    with pytest.raises(OmniQError, match=r"Depends takes the function .*, not a value of type int") as caught:
        Depends(wrong)
    assert caught.value.is_config


def verbs_of(storage: Any, argument: str) -> Iterator[Any]:
    """The async verbs whose first argument this is."""
    for name, verb in inspect.getmembers(storage, inspect.iscoroutinefunction):
        if not name.startswith("_") and next(iter(inspect.signature(verb).parameters), None) == argument:
            yield verb


async def test_ids(app: AsyncOmniQ) -> None:
    backend: Any = app.backend
    parts = {"backend": backend, "queue": backend.queue, "results": backend.results}
    given: Any = str(uuid4())

    @app.task
    async def work() -> None: ...

    one_id = {name: [*verbs_of(part, "id")] for name, part in parts.items()}
    assert {"cancel", "get", "retry"} <= {verb.__name__ for verb in one_id["queue"]}
    for verb in itertools.chain.from_iterable(one_id.values()):
        options = {"timeout": 1} if "timeout" in inspect.signature(verb).parameters else {}
        for one in (given, 3, None):
            await refused("^id = .* is refused, being of type .*: give a UUID", verb, one, **options)
    for verb in itertools.chain.from_iterable(verbs_of(part, "ids") for part in parts.values()):
        await refused(r"^ids\[1\] = .* is refused", verb, [uuid4(), given])
        await refused("^ids = .* is refused, being of type str: give a list of UUIDs", verb, given)
        await refused("^ids = 3 is refused", verb, 3)
    for call in (work.handle, app.handle):
        anything: Any = call
        for one, words in [("x", "give a UUID or the text of one"), (3, "being of type int: give a UUID")]:
            with pytest.raises(OmniQError, match=f"^id = .* is refused.*{words}"):
                anything(one)


async def test_tasks_and_settlements(app: AsyncOmniQ) -> None:
    backend: Any = app.backend
    for store in (backend, backend.queue):
        await refused(r"^tasks\[0\] is refused.* NewTask", store.enqueue_many, [3])
        for wrong in (NewTask("f"), "abc", 3, None):
            await refused("^tasks is refused", store.enqueue_many, wrong)
        await refused(r"^batch\[0\] is refused", store.settle, ["x"])
        await refused("^task is refused, being of type str", store.fail, "x", "y")
        await refused("^task is refused", store.complete, None)
    queue = backend.queue
    await refused(r"^failed\[0\] is refused", queue.fail_many, ["x"])
    await refused(r"^tasks\[0\] is refused", queue.complete_many, ["x"])
    for verb in (queue.release, queue.discard):
        await refused("^task is refused", verb, "x")
    for verb in (queue.snooze, queue.retry_later):
        await refused("^task is refused", verb, "x", 3)
    await refused("^result is refused", backend.results.store, "x")
    await refused(r"^events\[0\] is refused", backend.events.log_many, ["x"])
    assert await queue.count() == 0


async def test_names_and_numbers_of_queues(app: AsyncOmniQ) -> None:
    queue: Any = app.backend.queue
    for call, words in [
        (lambda: queue.pause(3), "^queue = 3 is refused"),
        (lambda: queue.dequeue(3), "^queues = 3 is refused"),
        (lambda: queue.dequeue([3]), r"^queues\[0\] = 3 is refused"),
        (lambda: queue.dequeue(funcs=[3]), r"^funcs\[0\] = 3 is refused"),
        (lambda: queue.dequeue_many(limit="x"), "^limit = 'x' is refused"),
        (lambda: queue.dequeue_many(limit=2**70), "^limit = .* give 1 to 10000"),
        (lambda: queue.prune(-1), "^limit = -1 is refused: give 0 to"),
        (lambda: queue.list(limit=-1), "^limit = -1 is refused: give 0 to"),
        (lambda: queue.list(state=3), "^state = 3 is refused"),
        (lambda: app.backend.results.list(limit=-1), "^limit = -1 is refused: give 0 to"),
        (lambda: app.backend.events.query(limit=2**70), "^limit = .* give 0 to"),
    ]:
        await refused(words, call)


@pytest.mark.parametrize("span", ["x", None, -1, float("nan"), timedelta(-1)])
async def test_spans(app: AsyncOmniQ, span: Any) -> None:
    @app.task
    async def work() -> None: ...

    backend = app.backend
    await refused("^timeout .*is refused", backend.wait, uuid4(), span)
    await refused("^timeout .*is refused", backend.results.wait, uuid4(), span)
    with pytest.raises(OmniQError, match=r"^timeout .*is refused"):
        await anext(backend.wait_many([uuid4()], span))
    await refused("^timeout .*is refused", backend.queue.dequeue, timeout=span)
    await refused("^timeout .*is refused", backend.queue.dequeue_many, limit=1, timeout=span)
    handle = await work.enqueue()
    if span is not None:
        await refused("^timeout .*is refused", handle.result, span)
    task = await backend.queue.dequeue()
    assert task is not None
    await refused("^delay .*is refused", backend.queue.snooze, task, span)
    await refused("^delay .*is refused", backend.queue.retry_later, task, span)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": "x"}, "concurrency = 'x' is refused, being of type str: give a whole number, 1 to 10000"),
        ({"concurrency": -1}, "concurrency = -1 is refused: give 1 to 10000"),
        ({"queues": [1]}, r"queues\[0\] = 1 is refused"),
        ({"queues": 1}, "queues = 1 is refused"),
        ({"name": 3}, "name = 3 is refused"),
        ({"prefetch": -1}, "prefetch = -1 is refused: give 0 to 10000"),
        ({"prefetch": 2**70}, "prefetch = .* give 0 to 10000"),
    ],
)
async def test_workers(app: AsyncOmniQ, options: Any, words: str) -> None:
    await refused(words, app.drain, **options)


async def test_what_a_run_says(app: AsyncOmniQ) -> None:
    seen: list[str] = []

    @app.task(max_retries=0)
    async def work(context: Context, which: str) -> None:
        given: Any = context
        calls: dict[str, Callable[[], None]] = {
            "kind": lambda: given.log_event(3),
            "fraction": lambda: given.progress("x"),
            "none": lambda: given.progress(None),
        }
        with pytest.raises(OmniQError) as caught:
            calls[which]()
        assert caught.value.is_invalid
        seen.append(str(caught.value))

    handles = await work.enqueue_many(["kind", "fraction", "none"])
    await app.drain(concurrency=1)
    for handle in handles:
        await handle.result(5)
    assert [one.split(":")[0] for one in seen] == [
        "kind = 3 is refused, being of type int",
        "fraction = 'x' is refused, being of type str",
        "fraction = None is refused, being of type NoneType",
    ]


_BAD_CODECS: list[list[Any]] = [[codecs.register, 3, repr, repr], [codecs.encode, 3, []]]


async def test_settings(tmp_path: Path) -> None:
    for options, words in [
        ({"codec": 3}, "codec = 3 is refused"),
        ({"codec": BAD}, "codec = .* UTF-8"),
        ({"allow_pickle": "false"}, "allow_pickle = 'false' is refused, being of type str: give True or False"),
    ]:
        given: Any = options
        for kind in (AsyncOmniQ, AsyncPostgresQueue):
            with pytest.raises(OmniQError, match=words) as caught:
                kind(NOWHERE, **given)
            assert caught.value.is_config
    verbs: list[Any] = [Settings.from_file, Settings.from_dict, AsyncOmniQ.from_config, set_log_level]
    for verb in verbs:
        with pytest.raises(OmniQError) as caught:
            verb([])
        assert caught.value.is_config
    args: list[Any]
    for verb, *args in _BAD_CODECS:
        with pytest.raises(OmniQError) as caught:
            verb(*args)
        assert caught.value.is_codec


# A newcomer's trial, 7: errors without a remedy, or with a wrong one.
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**64, "18446744073709551616 is beyond 64 bits .*: give it as a text$"),
        ([{"a": -(2**63) - 1}], "beyond 64 bits"),
        (2**10_000, "of 10001 bits is beyond 64 bits"),
        (float("nan"), "nan, which JSON does not know: leave it out, or give a text$"),
        (eval("[" * 126 + "[" + "]" * 127), "nested deeper than 127 levels"),
    ],
    ids=["large", "small", "huge", "nan", "deep"],
)
async def test_metadata_and_event_data(app: AsyncOmniQ, value: Any, words: str) -> None:
    @app.task(max_retries=0)
    async def work(context: Context) -> None:
        context.log_event("x", a=value)

    await refused(words, app.backend.enqueue, "f", metadata={"a": value})
    with pytest.raises(OmniQError, match=words):
        work.with_options(metadata={"a": value})
    handle = await work.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match=words):
        await handle.result(5)


async def test_metadata_at_the_limits(app: AsyncOmniQ) -> None:
    held = {"a": [2**64 - 1, -(2**63), "9" * 30, 1e20], "b": eval("[" * 126 + "]" * 126)}
    id = await app.backend.enqueue("f", metadata=held)
    task = await app.backend.queue.get(id)
    assert task is not None
    assert task.metadata == held
    wrong: Any = [1]
    await refused("metadata is refused: it is no JSON object: give a dict$", app.backend.enqueue, "f", metadata=wrong)
    as_object: Any = TaskError("type", "what else becomes an object")
    id = await app.backend.enqueue("f", metadata=as_object)
    task = await app.backend.queue.get(id)
    assert task is not None
    assert task.metadata["type"] == "type"
    circle: dict[str, Any] = {}
    circle["a"] = circle
    await refused("holds itself", app.backend.enqueue, "f", metadata=circle)


async def test_values(app: AsyncOmniQ) -> None:
    @app.task
    async def takes(a: Any) -> None: ...

    @app.task(max_retries=0)
    async def gives() -> str:
        return BAD

    await refused("argument a: it holds a text that is not valid UTF-8 .*: make it valid", takes.enqueue, BAD)
    with pytest.raises(OmniQError, match=r"not valid UTF-8 .*: make it valid") as caught:
        await app.backend.enqueue("f", BAD)
    assert caught.value.is_codec
    circle: list[Any] = []
    circle.append(circle)
    await refused("argument a: it is nested too deep, or holds itself", takes.enqueue, circle)
    await refused("leave it out, or use msgpack", takes.enqueue, float("nan"))
    handle = await gives.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match=r"not valid UTF-8 .*: make it valid"):
        await handle.result(5)


async def test_one_of_many_calls_is_named(app: AsyncOmniQ) -> None:
    @app.task
    async def one(a: int) -> None: ...

    @app.task
    async def two(a: int, b: int = 1) -> None: ...

    await refused(
        r"^calls\[1\] of task one: argument a: .*; a function of one parameter takes the value of a itself, not a tuple",
        one.enqueue_many,
        [1, (2, 3)],
    )
    await refused(r"^calls\[2\] of task two: argument a", two.enqueue_many, [1, (2, 3), ("x", 2)])
    await refused(r"^calls\[0\] of task two.* too many", two.enqueue_many, [(1, 2, 3)])
    for wrong in (3, None, "ab", {"a": 1}):
        await refused("^calls is refused", two.enqueue_many, wrong)
    # An error of the caller's generator passes through.
    with pytest.raises(TypeError, match="unsupported operand"):
        await two.enqueue_many(1 + wrong for wrong in (None,))  # type: ignore[operator]
    assert await app.backend.queue.count() == 0


async def test_a_queue_alone() -> None:
    async with AsyncMemoryQueue() as queue:
        await refused("^id = .* is refused", queue.get, "x")
