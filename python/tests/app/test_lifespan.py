"""Values that live as long as a worker: lifespans, and dependencies of the worker's scope.

Issue 14, number 7.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import lasting
import pytest

from omniq import AsyncOmniQ, Context, Depends, OmniQ, OmniQError, injected
from omniq.testing import on_database

pytestmark = pytest.mark.anyio


class Pool:
    """A value that is there once for all runs."""

    def __init__(self, log: list[str], name: str = "pool") -> None:
        self.log, self.name = log, name
        log.append(f"open {name}")

    def close(self) -> None:
        self.log.append(f"close {self.name}")


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(tasks="memory", results="memory", defaults={"max_retries": 0}) as app:
        yield app


async def test_a_lifespan_surrounds_all_runs_of_a_worker(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.lifespan
    @contextlib.asynccontextmanager
    async def pool() -> AsyncIterator[Pool]:
        made = Pool(log)
        await asyncio.sleep(0)
        yield made
        made.close()

    @app.lifespan
    async def unnamed(pool: Annotated[Pool, Depends(pool, scope="worker")] = injected) -> AsyncIterator[None]:
        with contextlib.closing(Pool(log, f"beside {pool.name}")):
            yield

    def client(pool: Annotated[Pool, Depends(pool, scope="worker")] = injected) -> Iterator[Pool]:
        with contextlib.closing(Pool(log, "client")) as made:
            yield made

    async def settings() -> dict[str, str]:
        log.append("settings")
        return {"key": "value"}

    def session(pool: Annotated[Pool, Depends(pool, scope="worker")] = injected) -> Iterator[str]:
        yield f"session of {pool.name}"

    @app.task
    async def on_loop(pool: Annotated[Pool, Depends(pool, scope="worker")] = injected) -> int:
        return id(pool)

    @app.task
    def in_thread(
        pool: Annotated[Pool, Depends(pool, scope="worker")] = injected,
        settings: Annotated[dict[str, str], Depends(settings, scope="worker")] = injected,
        session: Annotated[str, Depends(session)] = injected,
        client: Annotated[Pool, Depends(client, scope="worker")] = injected,
    ) -> tuple[int, str, str]:
        return id(pool), settings["key"], session + " " + client.name

    handles: list[Any] = [await task.enqueue() for task in (on_loop, in_thread) for _ in range(3)]
    async with app.worker():
        # Everything is made before the block begins.
        assert log == ["open pool", "open beside pool", "settings", "open client"]
        values = [await handle.result(5) for handle in handles]
    assert len({str(value) for value in values[:3]}) == len({str(value) for value in values[3:]}) == 1
    assert values[3] == (values[0], "value", "session of pool client")
    assert log[4:] == ["close client", "close beside pool", "close pool"]
    # Another worker makes its own.
    await app.drain()
    assert log.count("open pool") == log.count("close pool") == 2
    app.dependency_overrides[pool] = lambda: Pool(log, "fake")
    handle = await in_thread.enqueue()
    await app.drain()
    assert (await handle.result(5))[2] == "session of fake client"


@pytest.mark.parametrize("kind", ["block", "thread", "drain"])
async def test_an_error_of_a_lifespan_stops_the_start_and_tears_down_what_is_there(kind: str) -> None:
    log: list[str] = []
    app = (OmniQ if kind == "thread" else AsyncOmniQ)(tasks="memory", results="memory")

    @app.lifespan
    def pool() -> Iterator[Pool]:
        with contextlib.closing(Pool(log)) as made:
            yield made

    @app.lifespan
    async def bad() -> None:
        raise LookupError("no such host")

    def work() -> None:
        log.append("ran")

    async def start() -> None:
        if isinstance(app, OmniQ):
            with app.worker():
                log.append("inside")
        elif kind == "drain":
            await app.drain()
        else:
            async with app.worker():
                log.append("inside")

    app.task(work).enqueue_sync()
    with pytest.raises(LookupError, match="no such host"):
        await start()
    assert log == ["open pool", "close pool"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omniq-worker")]


async def test_an_error_of_a_tear_down_passes_through_after_all_others(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.lifespan
    def pool() -> Iterator[Pool]:
        with contextlib.closing(Pool(log)) as made:
            yield made

    @app.lifespan
    def bad() -> Iterator[None]:
        yield
        raise LookupError("not closed")

    @app.task
    def work() -> str:
        return "done"

    handle = await work.enqueue()
    with pytest.raises(LookupError, match="not closed"):
        async with app.worker():
            assert await handle.result(5) == "done"
    assert log == ["open pool", "close pool"]


async def test_a_stop_ends_a_start_that_waits(app: AsyncOmniQ) -> None:
    log: list[str] = []
    begun = asyncio.Event()

    @app.lifespan
    def pool() -> Iterator[Pool]:
        with contextlib.closing(Pool(log)) as made:
            yield made

    @app.lifespan
    async def waits() -> None:
        begun.set()
        await asyncio.sleep(60)

    @app.task
    def work() -> None: ...

    worker = app.worker()
    running = asyncio.create_task(worker.run())
    await begun.wait()
    worker.stop()
    await asyncio.wait_for(running, 5)
    assert log == ["open pool", "close pool"]
    # A start that is cancelled has torn everything down when it returns.
    begun.clear()
    starting = asyncio.create_task(app.worker().__aenter__())
    await begun.wait()
    starting.cancel()
    await asyncio.wait({starting}, timeout=5)
    assert starting.cancelled()
    assert log == ["open pool", "close pool"] * 2


async def test_what_does_not_fit_the_scope_is_refused(app: AsyncOmniQ) -> None:
    def of_run() -> int:
        return 1

    def with_context(context: Context) -> int:
        return 1

    def needs_run(one: Annotated[int, Depends(of_run)] = injected) -> int:
        return one

    with pytest.raises(OmniQError, match="scope = 'process' is refused: give 'run' or 'worker'"):
        Depends(of_run, scope="process")  # type: ignore[arg-type]
    with pytest.raises(OmniQError, match="no lifespan"):
        app.lifespan(5)  # type: ignore[call-overload]
    for function, words in (
        (with_context, "with_context is made once for all runs of a worker: it takes no Context"),
        (needs_run, 'needs .*of_run, which is made for each run: give it scope="worker"'),
    ):

        @app.task(name="work")
        def work(value: Annotated[int, Depends(function, scope="worker")] = injected) -> None: ...

        with pytest.raises(OmniQError, match=words):
            await app.drain()


async def test_each_process_has_its_own(url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with on_database(lasting.app, url) as app:
        handles = await lasting.work.enqueue_many([str(log)] * 4)
        broken = await lasting.broken.enqueue()
        async with app.worker(task_processes=1):
            values = [await handle.result(20) for handle in handles]
            with pytest.raises(Exception, match="LookupError: no model"):
                await broken.result(20)
        worker, child = lasting.opened, values[0]
        assert values == [child] * 4
        assert worker != child
        # It was torn down before the worker ended.
        assert log.read_text().split() == [f"closed-{child}"]
