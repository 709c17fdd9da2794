"""A user's code, for the type checkers: it is never run."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from omniq import (
    AsyncPostgresBackend,
    Cron,
    DuplicateError,
    NewTask,
    NotFoundError,
    OmniQError,
    PostgresBackend,
    SavedSchedule,
    Schedule,
    Settings,
    Task,
    TaskResult,
    Tick,
    UnavailableError,
)
from omniq.models import QueueStats, TaskState
from omniq.storage.base import AsyncResultStorage
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue, PostgresScheduleStorage


async def asynchronous(url: str) -> str:
    async with AsyncPostgresBackend(url, schema="jobs", pool_max=5, results="memory") as backend:
        id: UUID = await backend.enqueue("f", {"x": 1}, delay=timedelta(seconds=3), priority=2)
        await backend.enqueue(NewTask("f", [1], run_at=datetime.now()))
        task: Task | None = await backend.queue.dequeue(["a", "b"], timeout=1.5)
        if task is not None:
            state: TaskState = await backend.fail(task, ValueError("no"))
            await backend.complete(task, [1])
            print(state, task.args)
        result: TaskResult = await backend.wait(id, timeout=5)
        return result.func


def blocking() -> list[QueueStats]:
    settings = Settings("postgresql://h/d", acquire_timeout=timedelta(seconds=1))
    with PostgresQueue(settings) as queue:
        ids: list[UUID] = queue.enqueue_many([NewTask("f"), NewTask("g")])
        again: list[UUID] = queue.enqueue_many_sync([NewTask("f")])
        tasks: list[Task] = queue.list(state=TaskState.READY, limit=10)
        print(ids, again, tasks)
        return queue.queues_sync()


def errors() -> bool:
    try:
        PostgresBackend.from_env().connect().enqueue("f")
    except DuplicateError as error:
        return error.sqlstate == "23505"
    except (NotFoundError, UnavailableError):
        return False
    except OmniQError as error:
        return error.is_claim_lost
    return False


async def queue_alone(queue: AsyncPostgresQueue, results: AsyncResultStorage) -> int:
    with_results = AsyncPostgresBackend(results=results, events="off")
    await with_results.connect()
    return await queue.count(queue="a", state=TaskState.DEAD)


async def schedules(backend: AsyncPostgresBackend, blocking: PostgresScheduleStorage) -> datetime | None:
    timing = Cron("30 2 * * *", "Europe/Berlin")
    nightly = Schedule("nightly", timing, NewTask("f"), missed="all", grace=90, jitter=timedelta(seconds=5))
    saved: SavedSchedule = await backend.schedules.save(nightly)
    ids: list[UUID] = [blocking.trigger(one.name) for one in blocking.iterate(paused=False)]
    ticks: list[Tick] = await backend.schedules.history("nightly", 10)
    result: TaskResult | None = await backend.latest_result("nightly")
    print(ids, ticks, result)
    async for one in backend.schedules.iterate(app="shop"):
        await backend.schedules.pause(one.name)
    return saved.next_at
