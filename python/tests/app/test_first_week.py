"""What a first week with OmniQ meets: names of other libraries, awaits that were forgotten, blocking calls on the loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from fractions import Fraction
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

import omniq
from omniq import (
    AsyncOmniQ,
    BlockingInAsyncError,
    ConfigError,
    Context,
    Depends,
    InvalidError,
    OmniQ,
    TaskFailed,
    gather,
    injected,
)
from omniq.models import TaskState
from omniq.testing import in_memory

pytestmark = pytest.mark.anyio


@pytest.fixture
def app() -> Iterator[AsyncOmniQ]:
    with in_memory(AsyncOmniQ()) as app:
        yield app


@pytest.fixture
def blocking() -> Iterator[OmniQ]:
    with in_memory(OmniQ()) as app:
        yield app


def test_names_of_other_libraries(app: AsyncOmniQ) -> None:
    @app.task
    async def add(a: int, b: int = 2) -> int:
        return a + b

    @app.task
    async def with_countdown(countdown: int) -> int:
        return countdown

    plain: Any = add
    wrong: Any = {
        lambda: plain.delay(1): "its equivalent is enqueue",
        lambda: plain.apply_async((1,), countdown=5): r"its equivalent is enqueue\(…\), and with_options\(delay=…\)",
        lambda: plain.kiq(1): "its equivalent is enqueue",
        lambda: plain.send(1): "its equivalent is enqueue",
        lambda: plain.handle("0" * 32).get(): r"its equivalent is result\(\)",
        lambda: app.send_task("add"): "its equivalent is app.backend.enqueue",  # type: ignore[attr-defined]
        lambda: app.conf: "its equivalent is the arguments of the application",  # type: ignore[attr-defined]
    }
    for call, words in wrong.items():
        with pytest.raises(AttributeError, match=words):
            call()
    assert not hasattr(plain, "unknown")
    assert not hasattr(app, "unknown")
    with pytest.raises(
        InvalidError, match=r"no parameter countdown: .*its equivalent is delay=; options go by with_options"
    ):
        asyncio.run(plain.enqueue(1, countdown=5))
    with pytest.raises(ConfigError, match="an enqueue has no option eta: its equivalent is run_at=; known are"):
        plain.with_options(eta=5)
    for of_task in ["soft_timeout", "retry_on", "on_start", "cron", "name"]:
        with pytest.raises(
            ConfigError, match=rf"no option {of_task}: it is an option of the task, @app.task\({of_task}=…"
        ):
            plain.with_options(**{of_task: None})
    for missing, words in [("link_error", "on_dead="), ("labels", "metadata="), ("store_results", 'results="off"')]:
        with pytest.raises(ConfigError, match=f"no option {missing}: its equivalent is .*{words}"):
            app.task(**{missing: 1})(len)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"Fraction'> is a class, and no task: give a function"):
        app.task(Fraction)
    with pytest.raises(
        InvalidError, match=r"not AsyncTaskFunction; give the name of one, or call its own enqueue, as in f\.enqueue"
    ):
        asyncio.run(app.backend.enqueue(plain))
    handle = plain.handle("0" * 32)
    assert app.handle(str(handle)) == handle
    with pytest.raises(ConfigError, match="a task has no option bind: its equivalent is a first parameter"):
        app.task(bind=True)(len)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="no option autoretry_for: its equivalent is retry_on="):
        app.task(autoretry_for=(OSError,))(len)  # type: ignore[call-overload]
    with pytest.raises(ImportError, match=r"omniq has no shared_task: its equivalent is TaskGroup\(…\).task"):
        from omniq import shared_task  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        omniq.unknown  # type: ignore[attr-defined]  # noqa: B018
    # A parameter of such a name is one like any other.
    with_countdown.enqueue_sync(countdown=5)


async def test_gather_of_coroutines_says_await(app: AsyncOmniQ) -> None:
    @app.task
    async def add(a: int) -> int:
        return a

    start: Any = add.enqueue
    for call in (
        lambda: gather(start(1), start(2)),
        lambda: gather([start(1)]),
        lambda: omniq.as_completed([start(1)]),
    ):
        with pytest.raises(InvalidError, match=r"handles\[0\] is a coroutine: .*gather\(await f.enqueue\(1\)\)"):
            call()  # type: ignore[no-untyped-call]


async def test_async_progress(app: AsyncOmniQ, blocking: OmniQ) -> None:
    seen: list[tuple[int, int | None]] = []

    async def progress(done: int, total: int | None) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append((done, total))

    @app.task
    async def same(n: int) -> int:
        return n

    @blocking.task
    def twice(n: int) -> int:
        return 2 * n

    async with app.worker():
        assert await app.map(same, [1, 2, 3], progress=progress) == [1, 2, 3]
        assert seen[0] == (0, 3)
        assert seen[-1] == (3, 3)
        handles = await same.enqueue_many([1, 2])
        seen.clear()
        assert await gather(handles, progress=progress) == [1, 2]
        assert seen[0] == (0, 2)
        assert seen[-1] == (2, 2)
        seen.clear()
        assert len([one async for one in omniq.as_completed(handles, progress=progress)]) == 2
        assert seen[-1] == (2, 2)
    handle = twice.enqueue(1)
    seen.clear()
    for call in (
        lambda: blocking.map(twice, [1], progress=progress),
        lambda: gather(handle, progress=progress),
        lambda: next(omniq.as_completed(handle, progress=progress)),
    ):
        with pytest.raises(ConfigError, match=r"progress is an async function.*give a def function"):
            call()
    assert (seen, blocking.backend.queue.count()) == ([], 1)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_cancel_rest_when_the_waiter_is_cancelled(app: AsyncOmniQ) -> None:
    @app.task
    async def later(n: int) -> None: ...

    delayed = later.with_options(delay=3600)
    handles = await delayed.enqueue_many([1, 2])
    with anyio.move_on_after(0.05) as scope:
        await gather(handles)
    assert scope.cancelled_caught
    assert [await handle.status() for handle in handles] == [TaskState.SCHEDULED] * 2
    with anyio.move_on_after(0.05) as scope:
        await gather(handles, cancel_rest=True)
    assert scope.cancelled_caught
    assert [await handle.status() for handle in handles] == [TaskState.CANCELLED] * 2
    for wait in (0.05, 0.0):
        # Also within the enqueue itself: it comes to its end, and its tasks are cancelled.
        with anyio.move_on_after(wait) as scope:
            await app.map(delayed, [1, 2], cancel_rest=True)
        assert scope.cancelled_caught
        assert await app.backend.queue.count() == 0


async def test_cancel_rest_after_a_cancel_by_asyncio(url: str) -> None:
    app = AsyncOmniQ(url)

    @app.task
    async def later(n: int) -> None: ...

    delayed = later.with_options(delay=3600)
    async with app:
        for wait in (0.1, 0.0, 0.001):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(app.map(delayed, range(100), cancel_rest=True), wait)
            assert await app.backend.queue.count() == 0
            if sys.version_info >= (3, 11):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(wait):
                        await app.map(delayed, range(100), cancel_rest=True)
                assert await app.backend.queue.count() == 0


async def test_blocking_waits_on_the_loop_of_a_worker(app: AsyncOmniQ) -> None:
    @app.task
    async def inner() -> int:
        return 1

    @app.task(max_retries=0)
    async def outer(how: str) -> int:
        handle = await inner.enqueue()
        if how == "result":
            return handle.result_sync(timeout=30)
        if how == "gather":
            return len(omniq.gather_sync(handle, timeout=30))
        if how == "each":
            return len(list(omniq.as_completed_sync(handle, timeout=30)))
        return len(app.map_sync(inner, [()], timeout=30))

    @app.task(max_retries=0)
    def in_a_thread() -> int:
        return inner.enqueue_sync().result_sync(timeout=30)

    async with app.worker():
        for how in ("result", "gather", "each", "map"):
            with pytest.raises(TaskFailed, match="await the async form"):
                await (await outer.enqueue(how)).result(10)
        with pytest.raises(BlockingInAsyncError, match=r"such as handle.result\(\) or gather\(\)"):
            (await inner.enqueue()).result_sync(30)
        assert await (await in_a_thread.enqueue()).result(10) == 1
        # In a thread, and for a result that is there, it blocks nothing.
        handle = await inner.enqueue()
        assert await asyncio.to_thread(handle.result_sync, 10) == 1
        async for ended in omniq.as_completed(handle):
            assert ended.result_sync() == 1
    # Without a worker on the loop it is the caller's own affair.
    assert handle.result_sync(1) == 1


def lifespans(count: int) -> list[Callable[..., Any]]:
    """Lifespans of each kind that yield so often."""

    def plain() -> Iterator[int]:
        yield from range(count)

    async def asynchronous() -> AsyncIterator[int]:
        for one in range(count):
            yield one

    def decorated() -> Iterator[int]:
        yield from range(count)

    async def decorated_async() -> AsyncIterator[int]:
        for one in range(count):
            yield one

    return [plain, asynchronous, contextmanager(decorated), asynccontextmanager(decorated_async)]


@pytest.mark.parametrize(("count", "words"), [(0, "not at all"), (2, "more than once")])
def test_lifespans_that_do_not_yield_once_are_named(count: int, words: str) -> None:
    for place, name in enumerate(("plain", "asynchronous", "decorated", "decorated_async")):
        with in_memory(OmniQ()) as app:
            app.lifespan(lifespans(count)[place])
            app.task(name="work")(lambda: None)
            with pytest.raises(RuntimeError, match=rf"{name} \(line \d+\) yields {words}: as a lifespan it yields"):
                app.drain()


def test_decorators_with_parentheses(blocking: OmniQ) -> None:
    seen: list[str] = []

    @blocking.lifespan()
    def pool() -> Iterator[str]:
        yield "pool"
        seen.append("closed")

    @blocking.middleware()
    def around(context: Context) -> Iterator[None]:
        seen.append(context.func)
        yield

    @blocking.enqueue_middleware()
    def enqueued(call: omniq.EnqueueCall) -> Iterator[None]:
        seen.append(f"enqueue {call.func}")
        yield

    @blocking.task()
    def work(value: Annotated[str, Depends(pool, scope="worker")] = injected) -> str:
        return value

    handle = work.enqueue()
    blocking.drain()
    assert handle.result(1) == "pool"
    assert seen == ["enqueue work", "work", "closed"]


def test_purge_without_a_filter_is_refused(blocking: OmniQ) -> None:
    @blocking.task
    def work() -> None: ...

    work.enqueue()
    queue = blocking.backend.queue
    with pytest.raises(
        InvalidError, match=r'every task of all queues .* give a filter, such as queue= or state="dead"'
    ):
        queue.purge()
    assert queue.purge(state="dead") == 0
    assert queue.purge(all=True) == 1


async def test_verbs_name_the_state_of_a_dead_letter(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=0)
    async def fail() -> None:
        raise ValueError

    handle = await fail.enqueue()
    await app.drain()
    with pytest.raises(omniq.ConflictError, match="is dead and cannot be changed: only a waiting task can; retry"):
        await app.backend.queue.update(handle.id, priority=5)
    async with AsyncOmniQ(url) as there:
        there.task(max_retries=0)(fail.function)
        handle = await there.functions["fail"].enqueue()  # type: ignore[attr-defined]
        await there.drain()
        with pytest.raises(omniq.ConflictError, match="is dead and cannot be changed: only a waiting task can; retry"):
            await there.backend.queue.update(handle.id, priority=5)
