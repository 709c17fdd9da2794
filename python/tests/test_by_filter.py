"""One filter in all verbs of tasks, the verbs that change all that it selects, and the list of workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from kinds import QUEUES

from omniq import AsyncPostgresBackend, InvalidError, OmniQ, __version__
from omniq.models import CancelCounts, NewTask, ResultStatus, TaskError, TaskState

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


@pytest.fixture(params=QUEUES)
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    kind = str(request.param)
    queue = QUEUES[kind](request.getfixturevalue("url") if kind.startswith("postgres") else "")
    await queue.connect()
    yield queue
    await queue.close()


async def fail(queue: Any, errors: list[str]) -> None:
    """Dead letters with errors of these types; the position of each is its argument."""
    await queue.enqueue_many([NewTask("f", n, max_retries=0) for n in range(len(errors))])
    for error in errors:
        await queue.fail(await queue.dequeue(), TaskError(error, "x"))


async def test_one_filter_in_all_verbs(queue: Any) -> None:
    await fail(queue, ["net.Down", "net.Reset", "ValueError", "net"])
    before = datetime.now(timezone.utc) - HOUR
    for given, expected in (
        ({"error": "net.Down"}, [0]),
        ({"error": "net.*", "state": TaskState.DEAD}, [0, 1]),
        ({"error": "net"}, [3]),
        ({"error": "*", "since": before, "func": "f"}, [0, 1, 2, 3]),
        ({"error": "*", "since": before + 2 * HOUR}, []),
        ({"error": "net*", "until": before + 2 * HOUR, "since": before}, [0, 1, 3]),
        ({"until": before}, []),
    ):
        assert [task.args for task in await queue.list(**given)] == expected, given
        assert await queue.count(**given) == len(expected), given
    assert [task.args for task in await queue.list(error="net*", limit=2)] == [0, 1]
    if not hasattr(queue, "blocking"):
        assert [task.args async for task in queue.iterate(error="net*", since=before, page=1)] == [0, 1, 3]
    assert await queue.delete_all(until=before) == await queue.purge(until=before) == 0
    assert await queue.retry_all(until=before) == 0
    assert await queue.cancel_all(until=before) == CancelCounts(0, 0)
    assert await queue.purge(error="net.*", since=before, until=before + 2 * HOUR) == 2
    assert await queue.count() == 2
    with pytest.raises(InvalidError, match="since"):
        await queue.count(since=datetime(2026, 1, 1))
    with pytest.raises(InvalidError, match="error"):
        await queue.list(error=ValueError)


async def test_verbs_by_filter_count_what_they_change(queue: Any) -> None:
    await fail(queue, ["net.Down", "net.Reset", "ValueError"])
    await queue.enqueue("later", delay=60)
    assert await queue.retry_all(error="net.*", func="f") == 2
    assert await queue.count(state=TaskState.READY) == 2
    assert await queue.retry_all(state="scheduled", func="later") == 1
    running = await queue.dequeue()
    assert await queue.cancel_all(func="later") == CancelCounts(1, 0)
    assert await queue.cancel_all() == CancelCounts(done=1, requested=1)
    assert await queue.delete_all(queue="none") == 0
    assert await queue.delete_all() == 1
    assert [task.id for task in await queue.list()] == [running.id]
    for verb, state in ((queue.retry_all, "running"), (queue.cancel_all, "dead")):
        with pytest.raises(InvalidError, match=f"state = {state} is refused"):
            await verb(state=state)


async def test_a_backend_cancels_by_filter_with_results_and_events(url: str) -> None:
    async with AsyncPostgresBackend(url, events="postgres") as backend:
        await backend.enqueue_many([NewTask("f", n) for n in range(30)], queue="mail")
        kept = await backend.enqueue("g", queue="mail")
        assert await backend.cancel_all(queue="mail", func="f", state="ready") == CancelCounts(30, 0)
        assert await backend.results.count(status="cancelled", error="*") == 0
        assert await backend.results.count(status=ResultStatus.CANCELLED) == 30
        assert await backend.events.count(kind="cancelled") == 30
        assert [task.id for task in await backend.queue.list()] == [kept]


async def test_workers_are_listed(queue: Any) -> None:
    if hasattr(getattr(queue, "blocking", queue), "kept"):
        # A queue written in Python, of which the Rust side knows no list.
        with pytest.raises(InvalidError, match="keeps no list"):
            await queue.workers()
        return
    assert await queue.workers() == []
    await queue.dequeue("mail")
    (worker,) = await queue.workers()
    assert (worker.queues, worker.funcs, worker.slots, worker.used, worker.lost) == (("mail",), (), None, None, False)
    assert worker.version == __version__
    assert worker.name.startswith(f"{worker.host}:")
    assert worker.lease == timedelta(seconds=10)
    assert abs(worker.started_at - datetime.now(timezone.utc)) < HOUR
    assert worker.lease_ends_at > worker.started_at
    assert worker == worker.replace()
    assert hash(worker) == hash(worker.replace())


def test_a_worker_is_listed_with_its_functions_and_slots(url: str) -> None:
    app = OmniQ(url)
    seen = []

    @app.task(name="look")
    def look() -> None:
        seen.extend(app.backend.queue.workers())

    with app:
        look.enqueue()
        app.worker(concurrency=7, name="one").run_until_idle()
    (worker,) = seen
    assert (worker.name, worker.funcs, worker.slots) == ("one", ("look",), 7)


@pytest.mark.parametrize("results", ["postgres", "memory"])
def test_kept_arguments_come_with_the_result(url: str, results: Any) -> None:
    app = OmniQ(url, keep_args=True, results=results)

    @app.task
    def add(a: int, b: int) -> int:
        return a + b

    with app:
        handle = add.enqueue(1, b=2)
        app.worker().run_until_idle()
        result = app.backend.result(handle.id)
        assert result is not None
        assert result.value == 3
        assert result.args == {"a": 1, "b": 2}
        assert result.metadata == {}
        assert result.args_payload is not None
    with OmniQ(url, keep_args=False) as other:
        id = other.backend.enqueue("add", [1, 2])
        task = other.backend.queue.dequeue()
        assert task is not None
        assert task.id == id
        other.backend.complete(task, 3)
        bare = other.backend.result(id)
        assert bare is not None
        assert bare.args is None
        assert bare.args_payload is None
