"""`enqueue_many` of queues and backends takes what `enqueue` takes: tasks, names, names with arguments, and options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from omniq import ConfigError, InvalidError, NewTask
from omniq.backend.postgres import AsyncPostgresBackend
from omniq.models import Backoff, Payload, TaskState
from omniq.storage.memory import AsyncMemoryQueue, MemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue

pytestmark = pytest.mark.anyio

MADE: dict[str, Callable[[str], AbstractAsyncContextManager[Any]]] = {
    "queue": AsyncPostgresQueue,
    "backend": AsyncPostgresBackend,
    "memory": lambda _: AsyncMemoryQueue(),
    "backend in memory": lambda _: AsyncPostgresBackend(tasks="memory", results="memory"),
}


def queue_of(made: Any) -> Any:
    return made.queue if hasattr(made, "queue") else made


@pytest.mark.parametrize("what", MADE)
async def test_tasks_names_and_names_with_arguments(url: str, what: str) -> None:
    async with MADE[what](url) as made:
        tasks = ["a", ("b", [1, 2]), ("c", None), NewTask("d", {"x": 1}, queue="own")]
        ids = await made.enqueue_many(iter(tasks))
        found = [await queue_of(made).get(id) for id in ids]
        expected = [("a", None, "default"), ("b", [1, 2], "default"), ("c", None, "default"), ("d", {"x": 1}, "own")]
        assert [(task.func, task.payload, task.queue) for task in found] == [
            (func, Payload.of(args), queue) for func, args, queue in expected
        ]


@pytest.mark.parametrize("what", MADE)
async def test_options_are_those_of_all_tasks(url: str, what: str) -> None:
    options: dict[str, Any] = {
        "queue": "mail",
        "priority": 7,
        "delay": timedelta(hours=1),
        "ttl": 3600,
        "max_retries": 1,
        "backoff": Backoff.fixed(5),
        "timeout": 30,
        "metadata": {"run": 8},
        "codec": "msgpack",
    }
    async with MADE[what](url) as made:
        tasks = ["a", ("b", [1]), NewTask("c", 2, queue="own", priority=1, metadata={"own": True})]
        for id, args in zip(await made.enqueue_many(tasks, **options), (None, [1], 2), strict=True):
            task = await queue_of(made).get(id)
            assert (task.queue, task.priority, task.max_retries, task.metadata) == ("mail", 7, 1, {"run": 8})
            assert (task.state, task.backoff, task.timeout) == (
                TaskState.SCHEDULED,
                Backoff.fixed(5),
                timedelta(seconds=30),
            )
            assert task.expires_at - task.run_at == timedelta(hours=1)
            assert (task.payload.codec, task.payload.decode()) == ("msgpack", args)
        assert await queue_of(made).count() == 3


@pytest.mark.parametrize("what", MADE)
async def test_what_is_wrong_is_named_and_nothing_is_written(url: str, what: str) -> None:
    async with MADE[what](url) as made:
        for bad in (7, None, ("a",), ("a", 1, 2), (1, "a"), ["a", 1], {"a": 1}):
            with pytest.raises(
                InvalidError, match=r"tasks\[1\] is refused.*give a NewTask, the name of a function, or"
            ):
                await made.enqueue_many(["a", bad])
        with pytest.raises(
            InvalidError, match=r"tasks = .* is refused.*give a list of tasks|tasks is refused.*give a list"
        ):
            await made.enqueue_many("send")
        with pytest.raises(InvalidError, match=r"tasks is refused.*give a list of tasks"):
            await made.enqueue_many(("send", "hello"))
        with pytest.raises(ConfigError, match="enqueue_many has no option prioriy: priority was meant"):
            await made.enqueue_many(["a"], prioriy=1)
        with pytest.raises(ConfigError, match="enqueue_many has no option id"):
            await made.enqueue_many(["a"], id=None)
        with pytest.raises(InvalidError, match="priority"):
            await made.enqueue_many(["a", "b"], priority=2**40)
        assert await made.enqueue_many([], priority=1) == []
        assert await queue_of(made).count() == 0


@pytest.mark.parametrize("what", MADE)
async def test_a_start_that_all_share_replaces_that_of_a_task(url: str, what: str) -> None:
    async with MADE[what](url) as made:
        at = datetime.now(timezone.utc) + timedelta(days=1)
        [first] = await made.enqueue_many([NewTask("a", delay=60)], run_at=at)
        [second] = await made.enqueue_many([NewTask("a", run_at=at)], delay=timedelta(days=2))
        third = await made.enqueue(NewTask("a", delay=60), run_at=at)
        starts = [(await queue_of(made).get(id)).run_at for id in (first, second, third)]
        assert starts[0] == starts[2] == at
        assert starts[1] > at


def test_the_same_for_blocking_classes() -> None:
    with MemoryQueue() as queue:
        ids = queue.enqueue_many_sync(["a", ("b", 1)], queue="mail")
        assert [(task.func, task.queue) for task in map(queue.get, ids) if task] == [("a", "mail"), ("b", "mail")]
