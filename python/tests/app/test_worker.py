"""Workers: loops, threads, processes, stops and timeouts."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import shop

from omniq import AsyncOmniQ, Backoff, Context, OmniQError, TaskFailed
from omniq.logging import flush
from omniq.models import Cancelled, ResultStatus, TaskState
from omniq.testing import on_database

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url, events="postgres") as app:
        yield app


@pytest.fixture
async def shopping(url: str) -> AsyncIterator[AsyncOmniQ]:
    with on_database(shop.app, url):
        yield shop.app


async def until(check: Callable[[], Any], seconds: float = 10) -> None:
    with anyio.fail_after(seconds):
        while not check():
            await asyncio.sleep(0.01)


async def test_many_tasks_of_both_kinds_run_once_each(app: AsyncOmniQ) -> None:
    seen: list[int] = []
    threads: set[str] = set()

    @app.task
    async def one(n: int) -> None:
        if n % 7 == 0:
            await asyncio.sleep(0.001)
        seen.append(n)

    @app.task
    def other(n: int) -> None:
        if n % 7 == 0:
            time.sleep(0.001)
        threads.add(threading.current_thread().name)
        seen.append(n)

    await one.enqueue_many(range(2000))
    await other.enqueue_many(range(2000, 4000))
    async with app.worker(concurrency=50, threads=8):
        await until(lambda: len(seen) == 4000, 30)
    assert sorted(seen) == list(range(4000))
    assert 1 <= len(threads) <= 8
    assert all(name.startswith("omniq-task") for name in threads)
    assert not any(thread.name.startswith("omniq-task") for thread in threading.enumerate())


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_slow_tasks_run_side_by_side(app: AsyncOmniQ, kind: str) -> None:
    running = most = 0
    lock = threading.Lock()

    def step(by: int) -> None:
        nonlocal running, most
        with lock:
            running += by
            most = max(most, running)

    if kind == "async":

        @app.task
        async def slow(n: int) -> None:
            step(1)
            await asyncio.sleep(0.3)
            step(-1)
    else:

        @app.task
        def slow(n: int) -> None:
            step(1)
            time.sleep(0.3)
            step(-1)

    await slow.enqueue_many(range(40))
    began = time.monotonic()
    await app.drain(concurrency=20)
    assert most == 20
    assert time.monotonic() - began < 3


async def test_a_task_that_holds_the_interpreter_loses_nothing(app: AsyncOmniQ) -> None:
    @app.task
    async def hold(seconds: int) -> str:
        # A call into C that does not release the interpreter.
        await asyncio.sleep(0)
        ctypes.PyDLL(None).sleep(seconds)
        return "held"

    handle = await hold.enqueue(3)
    async with AsyncOmniQ(app.settings) as second:
        second.task(name="hold")(hold.function)
        # A second worker, in a process that is not blocked, would take the task if the lease were lost.
        code = f"""
import asyncio, time
from omniq import AsyncOmniQ
async def main():
    async with AsyncOmniQ({app.settings.url!r}) as app:
        @app.task
        async def hold(seconds: int) -> str:
            return "stolen"
        async with app.worker(lease=0.6, maintenance_interval=0.1):
            await asyncio.sleep(5)
asyncio.run(main())
"""
        worker = app.worker(lease=0.6, maintenance_interval=0.1)
        async with worker:
            await until(lambda: True)
            await asyncio.sleep(0.05)
            thief = subprocess.Popen([sys.executable, "-c", code])
            assert await handle.result(20) == "held"
    thief.terminate()
    thief.wait()
    assert [str(event.kind) for event in await handle.events()] == ["enqueued", "started", "completed"]


async def test_timeouts_and_cancels_reach_async_tasks(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.task(max_retries=0)
    async def wait_for_it(name: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append(f"{name} cancelled")
            await asyncio.sleep(0.01)
            log.append(f"{name} cleaned up")
            raise

    @app.task
    async def after() -> str:
        await asyncio.sleep(0.01)
        return "fine"

    @app.task(max_retries=0)
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "too late"
        return "never"

    async with app.worker(concurrency=3, lease=0.5):
        timed = await wait_for_it.with_options(timeout=0.1).enqueue("timed")
        late = await stubborn.with_options(timeout=0.1).enqueue()
        withdrawn = await wait_for_it.enqueue("withdrawn")
        with pytest.raises(TaskFailed, match="took longer than 100ms"):
            await timed.result(10)
        with pytest.raises(TaskFailed, match="took longer than"):
            await late.result(10)
        assert await withdrawn.status() is TaskState.RUNNING
        assert await withdrawn.cancel() is Cancelled.REQUESTED
        with pytest.raises(TaskFailed) as caught:
            await withdrawn.result(10)
        assert caught.value.status is ResultStatus.CANCELLED
        # The same coroutines run further tasks.
        assert [await one.result(10) for one in [await after.enqueue() for _ in range(6)]] == ["fine"] * 6
    assert log == ["timed cancelled", "timed cleaned up", "withdrawn cancelled", "withdrawn cleaned up"]


async def test_a_run_in_a_thread_is_signalled_and_waited_for(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0, timeout=0.1)
    def look(context: Context) -> str | None:
        while not context.is_cancelled:
            time.sleep(0.01)
        return context.stop_reason

    async with app.worker():
        handle = await look.enqueue()
        with pytest.raises(TaskFailed, match="took longer"):
            await handle.result(10)


async def test_a_failing_cancelled_error_of_its_own_is_a_failure(app: AsyncOmniQ) -> None:
    @app.task(max_retries=0)
    async def cancels_itself() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    handle = await cancels_itself.enqueue()
    await app.drain()
    with pytest.raises(TaskFailed, match="CancelledError"):
        await handle.result(5)


async def test_a_stop_waits_for_runs_and_releases_the_rest(app: AsyncOmniQ) -> None:
    begun: list[float] = []

    @app.task
    async def rest(seconds: float) -> str:
        begun.append(seconds)
        await asyncio.sleep(seconds)
        return "rested"

    short, long = await rest.enqueue(0.3), await rest.enqueue(60)
    left = await rest.enqueue_many([0.0] * 20)
    async with app.worker(concurrency=2, grace=1):
        await until(lambda: len(begun) == 2)
    assert await short.result(1) == "rested"
    task = await app.backend.queue.get(long.id)
    assert task is not None
    assert (task.state, task.attempt) == (TaskState.READY, 0)
    assert {str(await one.status()) for one in left} <= {"ready", "completed"}


async def test_a_cancelled_run_stops_gracefully(app: AsyncOmniQ) -> None:
    ended = False

    @app.task
    async def rest() -> None:
        nonlocal ended
        await asyncio.sleep(0.3)
        ended = True

    handle = await rest.enqueue()
    running = asyncio.create_task(app.worker().run())
    while await handle.status() is not TaskState.RUNNING:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended
    assert await handle.status() is TaskState.COMPLETED


async def test_bad_options_and_a_second_run_are_refused(app: AsyncOmniQ) -> None:
    @app.task
    async def nothing() -> None: ...

    for options, words in [
        ({"concurrency": 0}, "concurrency = 0"),
        ({"threads": 0}, "threads = 0"),
        ({"queues": "mail"}, "list of names"),
        ({"speed": 1}, "no option speed"),
        ({"lease": 0.001}, "lease"),
    ]:
        with pytest.raises(OmniQError, match=words):
            await app.worker(**options).run_until_idle()  # type: ignore[arg-type]
    worker = app.worker()
    await worker.run_until_idle()
    with pytest.raises(OmniQError, match="has run already"):
        await worker.run()
    with pytest.raises(OmniQError, match="the application has no tasks"):
        await AsyncOmniQ(app.settings).drain()


async def test_processes(shopping: AsyncOmniQ) -> None:
    async with shopping.worker(task_processes=2, lease=0.5):
        first = await shop.process_id.enqueue(1000)
        pid, total, attempt = await first.result(20)
        assert pid != os.getpid()
        assert (total, attempt) == (499500, 1)
        assert "counted" in [str(event.kind) for event in await first.events()]
        for name in ("bad", "discard"):
            with pytest.raises(TaskFailed, match="bad" if name == "bad" else "unwanted") as caught:
                await (await shop.fail.enqueue(name)).result(20)
        assert caught.value.status is ResultStatus.DISCARDED
        with pytest.raises(TaskFailed, match="signal 9"):
            await (await shop.die.enqueue()).result(20)
        began = time.monotonic()
        with pytest.raises(TaskFailed, match="took longer"):
            await (await shop.spin.enqueue()).result(20)
        assert time.monotonic() - began < 5
        # A soft timeout interrupts a system call.
        assert await (await shop.save_in_time.enqueue()).result(20) == "saved"
        # It comes between two questions to the worker, so that later answers are not mistaken.
        for _ in range(5):
            assert await (await shop.ask_until_then.enqueue()).result(20) > 0
        assert (await (await shop.process_id.enqueue(1000)).result(20))[1] == 499500
        endless = await shop.spin_without_end.enqueue()
        while await endless.status() is not TaskState.RUNNING:
            await asyncio.sleep(0.01)
        await endless.cancel()
        with pytest.raises(TaskFailed) as cancelled:
            await endless.result(20)
        assert cancelled.value.status is ResultStatus.CANCELLED
        # New processes replace those that were ended.
        again, _, _ = await (await shop.process_id.enqueue(10)).result(20)
        assert again != os.getpid()


async def test_tasks_of_a_lost_worker_are_logged_in_one_line(app: AsyncOmniQ, caplog: pytest.LogCaptureFixture) -> None:
    # Issue 12, E11: there was one log line for each run.
    ran: list[int] = []

    @app.task(backoff=Backoff.fixed(0.01))
    async def work(n: int) -> None:
        ran.append(n)

    queue = app.backend.queue
    handles = [await work.enqueue(n) for n in range(20)]
    worker = await queue.register_worker("gone", ["default"], 0.5)
    assert len(await queue.claim(worker, ["default"], 20, None)) == 20
    await asyncio.sleep(0.7)
    end = time.monotonic() + 10
    while len(ran) < 20 and time.monotonic() < end:
        await app.drain()
        await asyncio.sleep(0.05)
    assert sorted(ran) == list(range(20))
    flush()
    lines = [text for record in caplog.records if "taken back" in (text := record.getMessage())]
    assert len(lines) == 1
    assert "count=20" in lines[0]
    assert "gone" in lines[0]
    assert sum(str(handle.id) in lines[0] for handle in handles) == 5


async def test_inside_the_lifespan_of_fastapi(url: str) -> None:
    from contextlib import asynccontextmanager

    from fastapi import FastAPI
    from httpx import ASGITransport, AsyncClient

    app = AsyncOmniQ(url)

    @app.task
    async def double(n: int) -> int:
        return 2 * n

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with app, app.worker():
            yield

    web = FastAPI(lifespan=lifespan)

    @web.post("/double/{n}")
    async def post(n: int) -> int:
        return await (await double.enqueue(n)).result(10)

    async with (
        web.router.lifespan_context(web),
        AsyncClient(transport=ASGITransport(web), base_url="http://t") as client,
    ):
        assert (await client.post("/double/21")).json() == 42
