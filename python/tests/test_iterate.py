"""`iterate`: all entries that a filter selects, a page at a time, async and blocking; and filters by the names of states."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from kinds import QUEUES

from omniq import InvalidError
from omniq.backend.postgres import AsyncPostgresBackend, PostgresBackend
from omniq.models import NewTask, ResultStatus, TaskEvent, TaskResult, TaskState

pytestmark = pytest.mark.anyio


def result(n: int) -> TaskResult:
    finished = datetime(2026, 1, 1, tzinfo=timezone.utc) - timedelta(seconds=n // 7)
    status = ResultStatus.FAILED if n % 2 else ResultStatus.COMPLETED
    return TaskResult(uuid4(), status, queue="mail", finished_at=finished)


@pytest.mark.parametrize("tasks", ["postgres", "memory"])
async def test_tasks_results_and_events_are_iterated_over(url: str, tasks: Any) -> None:
    async with AsyncPostgresBackend(url, tasks=tasks, events="postgres") as backend:
        ids = await backend.enqueue_many([NewTask("f", n) for n in range(250)], queue="mail")
        for page in (1, 83, 125, 250, 1_000):
            assert [task.id async for task in backend.queue.iterate(page=page)] == ids
        assert [task.args async for task in backend.queue.iterate(state="ready", func="f", after=ids[-3])] == [248, 249]
        assert [task async for task in backend.queue.iterate(queue="other")] == []

        stored = [result(n) for n in range(150)]
        await backend.results.store_many(stored)
        stored.sort(key=lambda one: (one.finished_at, one.task_id), reverse=True)
        for page in (40, 1_000):
            assert [one.task_id async for one in backend.results.iterate(page=page)] == [one.task_id for one in stored]
        failed = [one.status async for one in backend.results.iterate(status="failed", queue="mail", page=10)]
        assert failed == [ResultStatus.FAILED] * 75

        await backend.events.log_many([TaskEvent(kind="mine", data={"n": n}) for n in range(150)])
        seen = [event.data["n"] async for event in backend.events.iterate(kind="mine", page=40)]
        assert seen == list(range(150))


def test_the_same_for_blocking_classes(url: str) -> None:
    with PostgresBackend(url, events="postgres") as backend:
        ids = backend.enqueue_many([NewTask("f", n) for n in range(25)])
        assert [task.id for task in backend.queue.iterate(page=7)] == ids
        backend.results.store_many([result(n) for n in range(25)])
        assert len([one.task_id for one in backend.results.iterate_sync(page=7, status="completed")]) == 13
        backend.events.log_many([TaskEvent(kind="mine") for _ in range(25)])
        assert len(list(backend.events.iterate(kind="mine", page=7))) == 25


@pytest.mark.parametrize("kind", [kind for kind in QUEUES if not kind.endswith("-blocking")])
async def test_what_is_removed_hides_nothing(url: str, kind: str) -> None:
    async with QUEUES[kind](url) as queue:
        await queue.enqueue_many([NewTask("f", n) for n in range(40)])
        seen = []
        async for task in queue.iterate(page=7):
            await queue.delete(task.id)
            seen.append(task.args)
        assert seen == list(range(40))
        assert await queue.count() == 0


async def test_bad_pages_and_unknown_states_are_refused(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend:
        for page in (0, 10_001, "a"):
            with pytest.raises(InvalidError, match="page"):
                async for _ in backend.queue.iterate(page=page):  # type: ignore[arg-type]
                    pass
        with pytest.raises(InvalidError, match="dad"):
            await backend.queue.list(state="dad")  # type: ignore[arg-type]
        assert await backend.queue.count(state="dead") == await backend.queue.count(state=TaskState.DEAD) == 0
