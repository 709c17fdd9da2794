"""After a fork: the child opens new connections, and does not use the parent's."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from omniq import AsyncPostgresBackend, OmniQError, PostgresBackend
from omniq.storage.memory import MemoryQueue
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_child(work: Callable[[], object]) -> None:
    """Runs it in a forked child, which must end without an error."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_queue_that_was_open_reconnects_in_the_child(url: str, ask: Any) -> None:
    with PostgresQueue(url, application_name="parent") as queue:
        queue.enqueue("parent")
        task = queue.dequeue()
        assert task is not None

        def child() -> None:
            queue.enqueue("child")
            taken = queue.dequeue(timeout=1)
            assert taken is not None
            assert taken.func == "child"
            assert taken.claim != task.claim
            queue.complete(taken)
            queue.close()

        pids = {row[0] for row in ask("select pid from pg_stat_activity where application_name = 'parent'")}
        in_child(child)
        # The parent still has its sessions and its claim.
        assert pids <= {row[0] for row in ask("select pid from pg_stat_activity where application_name = 'parent'")}
        queue.enqueue("more")
        queue.complete(task)
        assert queue.count() == 1


def test_a_child_of_a_child_with_a_backend(url: str) -> None:
    backend = PostgresBackend(url)
    id = backend.enqueue("f")

    def grandchild() -> None:
        task = backend.queue.dequeue(timeout=1)
        assert task is not None
        backend.complete(task, "from below")

    in_child(lambda: in_child(grandchild))
    assert backend.wait(id, 5).value == "from below"
    backend.close()


def test_an_async_queue_on_a_loop_of_the_child(url: str) -> None:
    queue = AsyncPostgresQueue(url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(queue.enqueue("f"))

    async def child() -> None:
        await queue.enqueue("f")
        await queue.close()

    in_child(lambda: asyncio.run(child()))
    # Also on the loop object that the parent has used.
    assert loop.run_until_complete(queue.count()) == 2
    loop.run_until_complete(queue.close())
    loop.close()


def test_what_was_closed_stays_closed_and_memory_says_why_it_cannot_be_used(url: str) -> None:
    closed = PostgresQueue(url).connect()
    closed.close()
    memory = MemoryQueue()
    memory.enqueue("f")

    def child() -> None:
        with pytest.raises(OmniQError) as caught:
            closed.enqueue("f")
        assert caught.value.is_closed
        with pytest.raises(OmniQError, match="memory of the process that made it") as caught:
            memory.enqueue("f")
        assert caught.value.is_closed

    in_child(child)
    assert memory.count() == 1


def test_a_fork_while_threads_are_at_work(url: str) -> None:
    import threading

    with PostgresQueue(url) as queue:
        stop = threading.Event()

        def busy() -> None:
            while not stop.is_set():
                queue.enqueue("busy")

        threads = [threading.Thread(target=busy) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            in_child(lambda: queue.enqueue("child"))
        stop.set()
        for thread in threads:
            thread.join()
        assert queue.count(func="child") == 5


def test_a_loop_that_runs_in_the_child_of_a_running_loop(url: str) -> None:
    async def parent() -> None:
        async with AsyncPostgresBackend(url) as backend:
            await backend.enqueue("parent")

            async def child() -> None:
                await backend.enqueue("child")

            in_child(lambda: asyncio.run(child()))
            assert await backend.queue.count() == 2

    asyncio.run(parent())


def test_children_of_one_parent_make_ids_of_their_own(url: str) -> None:
    with PostgresQueue(url) as queue:
        queue.enqueue("parent")
        for number in range(3):
            in_child(lambda number=number: queue.enqueue("child", queue=f"child {number}"))  # type: ignore[misc]
        # All but the time, which was not the same, and the offset in the segment, which is 0.
        drawn = {task.id.int % 2**80 for task in queue.list()}
        assert len(drawn) == 4
