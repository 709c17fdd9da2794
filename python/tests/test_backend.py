"""Backends: queue, results and events in one object, each kept in a place of any kind."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

import anyio
import anyio.to_thread
import pytest
import written
from conftest import Witness

from omniq import AsyncPostgresBackend, ClaimLostError, InvalidError, NewTask, OmniQError, PostgresBackend, TaskEvent
from omniq.models import Cancelled, EventKind, ResultStatus, TaskState
from omniq.storage.base import AsyncResultStorage
from omniq.storage.memory import AsyncMemoryEventStorage, AsyncMemoryResultStorage
from omniq.storage.postgres import AsyncPostgresQueue, AsyncPostgresResultStorage

pytestmark = pytest.mark.anyio


async def round_trip(backend: AsyncPostgresBackend) -> uuid.UUID:
    id = await backend.enqueue("add", [1, 2], queue="sums")
    task = await backend.queue.dequeue("sums", timeout=5)
    assert task is not None
    assert task.args == [1, 2]
    await backend.complete(task, {"sum": 3})
    result = await backend.wait(id, timeout=5)
    assert (result.value, result.status, result.queue) == ({"sum": 3}, ResultStatus.COMPLETED, "sums")
    assert await backend.queue.get(id) is None
    return id


@pytest.mark.empty_database
async def test_round_trip_with_results_and_events(url: str, witness: Witness) -> None:
    async with AsyncPostgresBackend(url, events="postgres", schema="jobs") as backend:
        id = await round_trip(backend)
        kinds = [event.kind for event in await backend.events.query(task_id=id)]
        assert kinds == [EventKind.ENQUEUED, EventKind.COMPLETED]
    rows = await witness(
        "select status, codec, convert_from(value, 'utf8') as value from jobs.results where task_id = $1", id
    )
    assert [dict(row) for row in rows] == [{"status": "completed", "codec": "json", "value": '{"sum":3}'}]
    tables = await witness("select count(*) from information_schema.tables where table_schema = 'omniq'")
    assert tables[0][0] == 0


async def test_a_failure_leaves_a_result(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend:
        id = await backend.enqueue("f", max_retries=0)
        task = await backend.queue.dequeue()
        assert task is not None
        assert await backend.fail(task, KeyError("gone")) == TaskState.DEAD
        result = await backend.result(id)
        assert result is not None
        assert result.error is not None
        assert (result.status, result.error.type, result.value) == (ResultStatus.FAILED, "KeyError", None)
        assert "Traceback" not in result.error.message
        waiting = await backend.enqueue("f")
        assert await backend.cancel_many([waiting, uuid.uuid4()]) == [Cancelled.DONE, Cancelled.NOT_FOUND]
        cancelled = await backend.result(waiting)
        assert cancelled is not None
        assert cancelled.status == ResultStatus.CANCELLED
        with pytest.raises(OmniQError) as caught:
            await backend.wait(uuid.uuid4(), timeout=0.05)
        assert caught.value.is_timeout


@pytest.mark.parametrize("where", ["postgres", "memory"])
async def test_bulk_ends_are_all_or_nothing_with_results_and_events(url: str, where: Any) -> None:
    async with AsyncPostgresBackend(url, tasks=where, results=where, events=where) as backend:
        await backend.enqueue_many([("f", n) for n in range(5)], max_retries=0)
        *tasks, lost = await backend.queue.dequeue_many(limit=5)
        await backend.queue.release(lost)
        for call in (
            backend.complete_many([(tasks[0], 1), lost]),
            backend.fail_many([(tasks[0], "text"), (lost, "text")]),
        ):
            with pytest.raises(ClaimLostError):
                await call
        assert await backend.queue.count(state=TaskState.RUNNING) == 4
        for bad in ("x", (tasks[0], 1, 2), (1, tasks[0])):
            with pytest.raises(InvalidError, match=r"done\[1\] is refused.*give \(task, value\), or a task alone"):
                await backend.complete_many([tasks[0], bad])  # type: ignore[list-item]
        await backend.complete_many([(tasks[0], {"a": [1]}), tasks[1]], codec="msgpack")
        failed = await backend.fail_many([(tasks[2], ValueError("no")), (tasks[3], "text")])
        assert failed == [TaskState.DEAD] * 2
        results = await backend.results.get_many([task.id for task in tasks])
        ends = [(one.status, one.value, one.error and one.error.message) for one in results if one]
        completed, dead = ResultStatus.COMPLETED, ResultStatus.FAILED
        assert ends == [
            (completed, {"a": [1]}, None),
            (completed, None, None),
            (dead, None, "no"),
            (dead, None, "text"),
        ]
        kinds = [event.kind for event in await backend.events.query() if event.kind != EventKind.ENQUEUED]
        assert kinds == [EventKind.COMPLETED] * 2 + [EventKind.FAILED] * 2
        await backend.complete_many([])
        assert await backend.fail_many([]) == []


@pytest.mark.empty_database
async def test_parts_that_are_off_cost_nothing_and_say_so(url: str, witness: Witness) -> None:
    async with AsyncPostgresBackend(url, results="off") as backend:
        id = await backend.enqueue("f")
        task = await backend.queue.dequeue()
        assert task is not None
        await backend.complete(task, "ignored")
        for call in (backend.result(id), backend.wait(id, 1)):
            with pytest.raises(OmniQError) as caught:
                await call
            assert caught.value.is_config
        for part in ("results", "events"):
            with pytest.raises(OmniQError, match=f"{part} are off"):
                getattr(backend, part)
    tables = {
        row[0] for row in await witness("select table_name from information_schema.tables where table_schema = 'omniq'")
    }
    assert "tasks" in tables
    assert not {"results", "events"} & tables


@pytest.mark.empty_database
async def test_two_databases_and_memory(url: str, server: str, witness: Witness) -> None:
    name = f"r_{uuid.uuid4().hex}"
    await witness(f"create database {name}")
    other = url.rsplit("/", 1)[0] + f"/{name}"
    try:
        async with AsyncPostgresBackend(url, results=other, events="memory") as backend:
            id = await round_trip(backend)
            assert len(await backend.events.query(task_id=id)) == 2
        async with AsyncPostgresResultStorage(other) as results:
            assert (await results.get(id)).value == {"sum": 3}  # type: ignore[union-attr]
        mine = await witness("select to_regclass('omniq.results')")
        assert mine[0][0] is None
    finally:
        await witness(f"drop database {name} with (force)")


async def test_everything_in_memory_needs_no_database() -> None:
    async with AsyncPostgresBackend(tasks="memory", results="memory", events="memory") as backend:
        await round_trip(backend)


@pytest.mark.parametrize(
    "written_results", [written.DictResults, written.BlockingDictResults, AsyncMemoryResultStorage]
)
async def test_results_in_a_storage_that_was_given(url: str, written_results: Any) -> None:
    results = written_results()
    events = written.ListEvents()
    async with AsyncPostgresBackend(url, results=results, events=events) as backend:
        id = await round_trip(backend)
        assert [event.kind for event in events.taken] == ["enqueued", "completed"]
        assert events.taken[0].task_id == id
    # The storage is closed with the backend.
    if hasattr(results, "closed"):
        assert results.closed
    assert events.closed


@pytest.mark.parametrize("results", ["postgres", "memory", written.DictResults, written.BlockingDictResults])
async def test_results_of_many_tasks_come_as_they_end(url: str, results: Any) -> None:
    async with AsyncPostgresBackend(url, results=results if isinstance(results, str) else results()) as backend:
        ids = await backend.enqueue_many([NewTask("f", n) for n in range(5)])
        done = await backend.queue.dequeue_many(limit=3)
        for task in done[:2]:
            await backend.complete(task, task.args)
        seen = []
        async for result in backend.wait_many([*ids, ids[0]], 20):
            seen.append(result.value)
            if len(seen) == 2:
                for task in (done[2], *await backend.queue.dequeue_many(limit=2)):
                    await backend.complete(task, task.args)
        assert seen == [0, 1, 2, 3, 4]
        stranger = uuid.uuid4()
        with pytest.raises(OmniQError, match=f"no result of task {stranger} within 0ns") as caught:
            seen = [result.value async for result in backend.wait_many([stranger, ids[0]], 0)]
        assert caught.value.is_timeout
        assert [result async for result in backend.wait_many([], 0)] == []


def test_a_blocking_backend_iterates_over_results_as_they_come(url: str) -> None:
    with PostgresBackend(url) as backend:
        ids = backend.enqueue_many([NewTask("f", n) for n in range(3)])
        for task in backend.queue.dequeue_many(limit=3):
            backend.complete(task, task.args)
        assert [result.value for result in backend.wait_many(ids, 20)] == [0, 1, 2]
        assert len(list(backend.wait_many_sync(ids, 20))) == 3


async def test_a_queue_written_in_python_with_results_on_postgres(url: str) -> None:
    async with AsyncPostgresBackend(url, tasks=written.ProxyQueue()) as backend:
        await round_trip(backend)


async def test_async_methods_run_on_the_loop_that_opened_and_blocking_ones_off_it(url: str) -> None:
    seen: dict[str, int] = {}

    class OnLoop(written.DictResults):
        async def get_many(self, ids: Any) -> Any:
            seen["async"] = threading.get_ident()
            assert asyncio.get_running_loop() is loop
            return await super().get_many(ids)

    class OffLoop(written.BlockingDictResults):
        def get_many(self, ids: Any) -> Any:
            seen["blocking"] = threading.get_ident()
            return super().get_many(ids)

    loop = asyncio.get_running_loop()
    for results in (OnLoop(), OffLoop()):
        async with AsyncPostgresBackend(url, results=results) as backend:
            assert await backend.result(uuid.uuid4()) is None
    assert seen["async"] == threading.get_ident()
    assert seen["blocking"] != threading.get_ident()


async def test_an_exception_of_a_written_storage_is_the_cause(url: str) -> None:
    class Broken(written.DictResults):
        async def get_many(self, ids: Any) -> Any:
            raise LookupError("the shelf fell down")

    async with AsyncPostgresBackend(url, results=Broken()) as backend:
        with pytest.raises(OmniQError, match="the shelf fell down") as caught:
            await backend.result(uuid.uuid4())
        assert isinstance(caught.value.__cause__, LookupError)
        assert caught.value.is_internal


async def test_a_failing_event_store_fails_no_task(url: str) -> None:
    class Broken(written.ListEvents):
        async def log_many(self, events: Any) -> None:
            raise OSError("no room")

    async with AsyncPostgresBackend(url, events=Broken()) as backend:
        await round_trip(backend)


async def test_an_unfinished_storage_cannot_be_made() -> None:
    class Half(AsyncResultStorage):
        async def close(self) -> None: ...

    with pytest.raises(TypeError, match=r"Can't instantiate abstract class Half .*\bcount\b.*delete_many.*get_many"):
        Half()  # type: ignore[abstract]
    with pytest.raises(OmniQError, match="results = 5 is refused, being of type int: give postgres, memory, off"):
        AsyncPostgresBackend("postgresql://h/d", results=5)  # type: ignore[arg-type]
    with pytest.raises(OmniQError, match="results is refused, being of type AsyncMemoryEventStorage"):
        AsyncPostgresBackend("postgresql://h/d", results=AsyncMemoryEventStorage())  # type: ignore[arg-type]


def test_a_written_blocking_storage_has_each_verb_under_both_names() -> None:
    class Counts:
        def count(self, **which: Any) -> int:
            return 7

    class Renamed(Counts, written.BlockingDictResults):
        def get_many_sync(self, ids: Any) -> Any:
            return ["renamed"]

    results = Renamed()
    assert results.get_many([]) == results.get_many_sync([]) == ["renamed"]
    assert results.count_sync() == results.count() == 7, "defined by a class that is no storage"
    assert written.BlockingDictResults.wait_sync is written.BlockingDictResults.wait


def test_the_blocking_backend_under_both_names(url: str) -> None:
    results = written.BlockingDictResults()
    with PostgresBackend(url, results=results, events="postgres") as backend:
        id = backend.enqueue_sync("add", [1, 2])
        task = backend.queue.dequeue(timeout=5)
        assert task is not None
        backend.complete(task, 3)
        assert backend.wait_sync(id, 5).value == backend.wait(id, 5).value == 3
        backend.events.log_sync(TaskEvent("own", id))
        assert backend.events.count(task_id=id) == 3
    with pytest.raises(OmniQError) as caught:
        backend.enqueue("f")
    assert caught.value.is_closed


def test_an_async_storage_in_a_blocking_backend_is_refused(url: str) -> None:
    backend = PostgresBackend(url, results=written.DictResults())
    with pytest.raises(OmniQError, match="needs the event loop") as caught:
        backend.enqueue("f")
    assert caught.value.is_config


async def test_parts_of_one_backend_are_storages_by_themselves(url: str) -> None:
    async with AsyncPostgresBackend(url) as backend, AsyncPostgresQueue(url) as queue:
        id = await backend.queue.enqueue("f")
        assert await queue.get(id) == await backend.queue.get(id)
        assert await anyio.to_thread.run_sync(lambda: repr(queue)) == repr(queue)
        assert "omniq" in repr(backend)
