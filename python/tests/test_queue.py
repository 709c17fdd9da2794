"""The conformance suite of task queues: every implementation behaves the same."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import anyio
import pytest
from kinds import QUEUES

from omniq import Backoff, NewTask, OmniQError, TaskError
from omniq.models import Cancelled, Outcome, Settled, Settlement, TaskState
from omniq.storage.memory import AsyncMemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue

pytestmark = pytest.mark.anyio


@pytest.fixture(params=QUEUES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def queue(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    url = request.getfixturevalue("url") if kind.startswith("postgres") else ""
    queue = QUEUES[kind](url)
    await queue.connect()
    yield queue
    await queue.close()


async def refused(call: Any, question: str) -> OmniQError:
    with pytest.raises(OmniQError) as caught:
        await call
    assert getattr(caught.value, f"is_{question}"), caught.value
    return caught.value


async def test_several_tasks_come_in_the_order_of_their_ids(queue: Any) -> None:
    ids = await queue.enqueue_many([NewTask("f", n) for n in range(3)])
    found = await queue.get_many([ids[2], uuid.uuid4(), ids[0], ids[2]])
    assert [task and task.args for task in found] == [2, None, 0, 2]
    assert await queue.get_many([]) == []


async def test_a_task_keeps_all_that_it_was_given(queue: Any) -> None:
    start = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    id = await queue.enqueue(
        "send",
        {"to": ["ann", 3, None, 1.5, "grüße"]},
        queue="mail",
        priority=7,
        run_at=start,
        ttl=timedelta(days=36500),
        max_retries=9,
        backoff=Backoff(initial=2, factor=3, max=60, jitter=0.5),
        timeout=1.25,
        metadata={"user": {"id": 5}},
        id=uuid.UUID("11111111-2222-4333-8444-555555555555"),
    )
    task = await queue.get(id)
    assert str(id) == "11111111-2222-4333-8444-555555555555"
    assert task.args == {"to": ["ann", 3, None, 1.5, "grüße"]}
    assert (task.func, task.queue, task.priority, task.max_retries) == ("send", "mail", 7, 9)
    assert task.run_at == start
    assert task.run_at.tzinfo == timezone.utc
    assert task.backoff == Backoff(initial=2, factor=3, max=60, jitter=0.5)
    assert task.timeout == timedelta(seconds=1.25)
    assert task.metadata == {"user": {"id": 5}}
    assert (task.state, task.attempt, task.claim, task.error) == (TaskState.READY, 0, None, None)
    assert abs(task.created_at - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert task.expires_at - task.created_at == pytest.approx(timedelta(days=36500), abs=timedelta(seconds=1))


async def test_defaults_are_those_of_the_documentation(queue: Any) -> None:
    task = await queue.get(await queue.enqueue("f"))
    assert (task.queue, task.priority, task.max_retries, task.timeout, task.expires_at) == ("default", 0, 3, None, None)
    assert task.backoff == Backoff()
    assert (task.args, task.metadata) == (None, {})


async def test_a_new_task_and_arguments_go_together(queue: Any) -> None:
    whole = NewTask("f", [1], queue="a", priority=1)
    task = await queue.get(await queue.enqueue(whole, priority=2))
    assert (task.args, task.queue, task.priority) == ([1], "a", 2)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"queue": ""}, "invalid", "queue name is empty"),
    ({"queue": 5}, "invalid", "queue = 5 is refused"),
    ({"priority": 40000}, "invalid", "priority = 40000 is refused: give -32768 to 32767"),
    ({"max_retries": -1}, "invalid", "max_retries = -1 is refused: give 0 to 1000000"),
    ({"delay": -1}, "invalid", "delay = -1 is refused"),
    ({"ttl": 0}, "invalid", "ttl = 0 seconds is refused"),
    ({"timeout": "5"}, "invalid", "timeout = '5' is refused"),
    ({"run_at": datetime(2030, 1, 1)}, "invalid", "no time zone"),
    ({"metadata": [1]}, "invalid", "metadata is refused"),
    ({"metadata": {"a": "\0"}}, "invalid", "NUL"),
    ({"metadata": {"a": [float("nan")]}}, "invalid", "metadata is refused"),
    ({"metadata": {"a": 2**70}}, "invalid", "1180591620717411303424"),
    ({"metadata": {"a": -0.0}}, "invalid", "-0.0"),
    ({"args": [None, float("inf")]}, "codec", "the number inf"),
    ({"id": "x"}, "invalid", "id = 'x' is refused"),
    ({"codec": "yaml"}, "codec", "yaml"),
    ({"codec": "pickle"}, "codec", "allow_pickle"),
    ({"args": object()}, "codec", "cannot be written as json"),
]


async def test_bad_input_is_refused_by_name(queue: Any) -> None:
    for named, question, words in BAD:
        error = await refused(queue.enqueue("f", **named), question)
        assert words in str(error)
    assert await queue.count() == 0


async def test_an_id_used_twice_is_a_duplicate(queue: Any) -> None:
    id = await queue.enqueue("f")
    await refused(queue.enqueue("f", id=id), "duplicate")
    await refused(queue.enqueue_many([NewTask("g"), NewTask("g", id=id)]), "duplicate")
    assert await queue.count() == 1


async def test_enqueue_many_keeps_the_order_and_is_all_or_nothing(queue: Any) -> None:
    ids = await queue.enqueue_many([NewTask("f", n) for n in range(500)])
    assert len(set(ids)) == 500
    tasks = await queue.dequeue_many(limit=500)
    assert [task.id for task in tasks] == ids
    assert [task.args for task in tasks] == list(range(500))
    await refused(queue.enqueue_many([NewTask("f"), NewTask("")]), "invalid")
    assert await queue.count() == 500
    assert await queue.enqueue_many([]) == []


async def test_order_is_queue_then_priority_then_arrival(queue: Any) -> None:
    for name, of, priority in [("a1", "a", 0), ("b", "b", 9), ("a2", "a", 5), ("a3", "a", 0), ("c", "c", 0)]:
        await queue.enqueue(name, queue=of, priority=priority)
    taken = [(await queue.dequeue(["a", "b"])).func for _ in range(4)]
    assert taken == ["a2", "a1", "a3", "b"]
    assert await queue.dequeue(["a", "b"]) is None
    assert await queue.dequeue("c", funcs=["other"]) is None
    assert (await queue.dequeue("c", funcs=["c"])).func == "c"
    await refused(queue.dequeue([]), "invalid")


async def test_dequeue_waits_and_wakes_early(queue: Any) -> None:
    began = time.monotonic()
    assert await queue.dequeue(timeout=0.3) is None
    assert time.monotonic() - began >= 0.3
    began = time.monotonic()
    async with anyio.create_task_group() as group:

        async def later() -> None:
            await anyio.sleep(0.2)
            await queue.enqueue("late")

        group.start_soon(later)
        task = await queue.dequeue(timeout=timedelta(seconds=20))
    assert task.func == "late"
    assert time.monotonic() - began < 10


async def test_a_delayed_task_comes_when_it_is_due(queue: Any) -> None:
    id = await queue.enqueue("f", delay=0.4)
    assert (await queue.get(id)).state == TaskState.SCHEDULED
    assert await queue.dequeue() is None
    assert (await queue.dequeue(timeout=10)).id == id


async def test_complete_is_fenced(queue: Any) -> None:
    id = await queue.enqueue("f")
    await refused(queue.complete(await queue.get(id)), "claim_lost")
    task = await queue.dequeue()
    assert (task.id, task.state, task.attempt) == (id, TaskState.RUNNING, 1)
    await queue.complete(task)
    assert await queue.get(id) is None
    await refused(queue.complete(task), "claim_lost")
    await refused(queue.complete_many([task]), "claim_lost")


async def test_a_failure_is_retried_and_ends_as_a_dead_letter(queue: Any) -> None:
    id = await queue.enqueue("f", max_retries=1, backoff=Backoff.fixed(0))
    task = await queue.dequeue(timeout=5)
    assert await queue.fail(task, ValueError("no")) == TaskState.SCHEDULED
    task = await queue.dequeue(timeout=5)
    assert task.attempt == 2
    assert (task.error.type, task.error.message) == ("ValueError", "no")
    assert await queue.fail(task, TaskError("Mine", "still no")) == TaskState.DEAD
    dead = await queue.get(id)
    assert (dead.state, dead.error.type) == (TaskState.DEAD, "Mine")
    await queue.retry(id)
    assert (await queue.get(id)).state == TaskState.READY
    # A text says it all.
    assert await queue.fail(await queue.dequeue(), "no more") == TaskState.SCHEDULED
    error = (await queue.get(id)).error
    assert (error.type, error.message, error.trace) == ("error", "no more", None)
    await refused(queue.retry(uuid.uuid4()), "not_found")


async def test_release_snooze_retry_later_and_discard(queue: Any) -> None:
    id = await queue.enqueue("f")
    await queue.release(await queue.dequeue())
    assert (await queue.get(id)).attempt == 0
    await queue.snooze(await queue.dequeue(), timedelta(hours=1))
    task = await queue.get(id)
    assert (task.state, task.attempt) == (TaskState.SCHEDULED, 0)
    assert task.run_at - datetime.now(timezone.utc) > timedelta(minutes=50)
    await queue.retry(id)
    await queue.retry_later(await queue.dequeue(), 0, RuntimeError("later"))
    task = await queue.dequeue(timeout=5)
    assert (task.attempt, task.error.message) == (2, "later")
    await queue.discard(task)
    assert await queue.get(id) is None


async def test_bulk_settlements_are_all_or_nothing(queue: Any) -> None:
    await queue.enqueue_many([NewTask("f", n, max_retries=0) for n in range(6)])
    tasks = await queue.dequeue_many(limit=6)
    await queue.complete(tasks[0])
    await refused(queue.complete_many(tasks), "claim_lost")
    await queue.complete_many(tasks[1:3])
    assert await queue.fail_many([(tasks[3], ValueError("x"))]) == [TaskState.DEAD]
    await queue.release_many(tasks[4:])
    assert await queue.count(state=TaskState.READY) == 2
    assert await queue.count(state=TaskState.DEAD) == 1
    assert await queue.count() == 3


async def test_settle_answers_for_each(queue: Any) -> None:
    await queue.enqueue_many([NewTask("f", n) for n in range(2)])
    first, second = await queue.dequeue_many(limit=2)
    await queue.complete(first)
    batch = [Settlement(task.id, task.claim, Outcome("complete")) for task in (first, second)]
    await refused(queue.settle(batch, all_or_nothing=True), "claim_lost")
    assert await queue.settle(batch) == [Settled.LOST, Settled.DONE]


async def test_cancel_says_what_it_did(queue: Any) -> None:
    await queue.enqueue("running")
    running = await queue.dequeue()
    waiting = await queue.enqueue("waiting")
    assert await queue.cancel(waiting) == Cancelled.DONE
    answers = await queue.cancel_many([running.id, waiting, uuid.uuid4()])
    assert answers == [Cancelled.REQUESTED, Cancelled.NOT_FOUND, Cancelled.NOT_FOUND]


async def test_update_and_delete(queue: Any) -> None:
    id = await queue.enqueue("f", 1, metadata={"a": 1})
    task = await queue.update(id, queue="other", priority=4, args=[2], max_retries=0, metadata={"b": 2})
    assert (task.queue, task.priority, task.args, task.max_retries, task.metadata) == ("other", 4, [2], 0, {"b": 2})
    assert (await queue.update(id, args=None)).args is None
    assert (await queue.update(id, run_at=datetime(2100, 1, 1, tzinfo=timezone.utc))).state == TaskState.SCHEDULED
    await refused(queue.update(uuid.uuid4(), priority=1), "not_found")
    await queue.delete(id)
    await refused(queue.delete(id), "not_found")
    ids = await queue.enqueue_many([NewTask("f"), NewTask("f")])
    await refused(queue.delete_many([*ids, uuid.uuid4()]), "not_found")
    await queue.delete_many(ids)
    assert await queue.count() == 0


async def test_a_running_task_is_neither_deleted_nor_updated(queue: Any) -> None:
    id = await queue.enqueue("f")
    await queue.dequeue()
    await refused(queue.delete(id), "conflict")
    await refused(queue.update(id, priority=1), "conflict")


async def test_list_pages_and_filters(queue: Any) -> None:
    ids = await queue.enqueue_many([NewTask("f" if n % 2 else "g", n, queue="a" if n < 5 else "b") for n in range(10)])
    listed = await queue.list(limit=4)
    assert [task.id for task in listed] == ids[:4]
    assert [task.id for task in await queue.list(after=ids[3], limit=100)] == ids[4:]
    assert {task.args for task in await queue.list(queue="a", func="f")} == {1, 3}
    assert await queue.count(queue="b") == 5
    assert await queue.count(func="g", state=TaskState.READY) == 5
    assert await queue.purge(queue="a", func="g") == 3
    assert await queue.count() == 7


async def test_pause_and_figures(queue: Any) -> None:
    await queue.enqueue_many([NewTask("f"), NewTask("f"), NewTask("f", delay=60)])
    await queue.dequeue()
    await queue.pause("default")
    assert await queue.dequeue() is None
    (stats,) = await queue.queues()
    assert (stats.name, stats.paused, stats.ready, stats.scheduled, stats.running) == ("default", True, 1, 1, 1)
    await queue.resume("default")
    assert await queue.dequeue() is not None
    await refused(queue.pause(""), "invalid")


async def test_close_releases_claims_and_may_be_called_twice(queue: Any) -> None:
    await queue.enqueue("f")
    await queue.dequeue()
    await queue.close()
    await queue.close()
    error = await refused(queue.enqueue("f"), "closed")
    assert "closed" in str(error)


async def test_payloads_of_other_codecs(queue: Any) -> None:
    value = {"at": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc), "blob": b"\0\xff", "nan": float("inf")}
    task = await queue.get(await queue.enqueue("f", value, codec="msgpack"))
    assert task.args == value
    assert task.payload.codec == "msgpack"
    task = await queue.get(await queue.enqueue("f", b"\0raw", codec="raw"))
    assert task.args == b"\0raw"


async def test_worker_verbs(queue: Any) -> None:
    worker = await queue.register_worker("mine", ["default"], 0.2)
    id = await queue.enqueue("f")
    (task,) = await queue.claim(worker, ["default"], 10, None)
    assert task.claim.worker == worker
    assert await queue.heartbeat(worker) == (True, [])
    await queue.cancel(id)
    assert await queue.heartbeat(worker) == (True, [(id, task.seq)])
    await anyio.sleep(0.5)
    ((lost, name, cancelled),) = await queue.lost(10)
    assert (lost.id, name, cancelled) == (id, "mine", True)
    assert (await queue.heartbeat(worker))[0] is False
    assert await queue.expired(10) == []
    assert await queue.prune(10) == 0


@pytest.mark.parametrize("kind", ["postgres", "memory"])
async def test_the_holder_of_a_task_learns_of_its_cancel(kind: str, request: pytest.FixtureRequest) -> None:
    settings: Any = {"lease": 0.3}
    url = request.getfixturevalue("url") if kind == "postgres" else None
    made = AsyncPostgresQueue(url, **settings) if url else AsyncMemoryQueue(**settings)
    async with made as queue:
        await queue.enqueue_many([NewTask("f", n) for n in range(2)])
        held, kept = await queue.dequeue_many(limit=2)
        assert await queue.cancel_requested(held) is False
        assert await queue.cancel(held.id) is Cancelled.REQUESTED
        with anyio.fail_after(20):
            while not await queue.cancel_requested(held):
                await anyio.sleep(0.02)
        assert await queue.cancel_requested(kept) is False
        await queue.discard(held)
        waiting = await queue.get(await queue.enqueue("f"))
        assert waiting is not None
        await refused(queue.cancel_requested(waiting), "claim_lost")
    await refused(queue.cancel_requested(kept), "closed")
