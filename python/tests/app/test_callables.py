"""Every callable can be a task, and a value that does not fit its annotation is reported where it arises.

Issue 12, E5, and issue 14, number 5.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import pytest

import omniq
from omniq import AsyncOmniQ, ConfigError, Context, Depends, OmniQError, TaskFailed, injected

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    async with AsyncOmniQ(url) as app:
        yield app


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def bare(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs)


def made_blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(function(*args, **kwargs))

    return inner


async def double(n: int, factor: int = 2) -> int:
    await asyncio.sleep(0.01)
    return n * factor


class Doubler:
    def __init__(self, factor: int) -> None:
        self.enqueue = self.factor = factor

    async def __call__(self, n: int) -> int:
        await asyncio.sleep(0.01)
        return n * self.factor

    async def method(self, n: int) -> int:
        return n * self.factor


async def test_async_functions_in_every_dress(app: AsyncOmniQ) -> None:
    dressed: list[Callable[..., Any]] = [
        double,
        plain(double),
        plain(plain(double)),
        bare(double),
        made_blocking(double),
        functools.partial(double, factor=2),
        plain(functools.partial(double)),
        functools.partial(plain(double)),
        Doubler(2),
        Doubler(2).method,
        plain(Doubler(2).method),
        functools.partial(Doubler(2)),
    ]
    tasks = [app.task(name=f"task {place}", max_retries=0)(one) for place, one in enumerate(dressed)]
    handles = [await task.enqueue(21) for task in tasks]
    async with app.worker():
        assert [await handle.result(10) for handle in handles] == [42] * len(dressed)
    # Each has its own name, or that of its function or class.
    assert app.task(functools.partial(double)).name == "double"
    assert app.task(Doubler(3)).name == "Doubler"
    with pytest.raises(OmniQError, match=r"task 'Doubler' is there already"):
        app.task(Doubler(4))


async def test_what_no_worker_could_call_is_refused_at_its_definition(app: AsyncOmniQ) -> None:
    class Own:
        def method(self, n: int) -> int:
            return n

        @staticmethod
        def free(n: int) -> int:
            return n

        @classmethod
        def of_class(cls, n: int) -> int:
            return n

        def __call__(self, n: int) -> int:
            return n

    def forgotten(n: int, session: str = injected) -> None: ...

    def unreadable(n: list[int] | tuple[int, ...]) -> None: ...

    wrong: list[tuple[Any, str]] = [
        (5, "is no task"),
        (dict, "is a class, and no task: give a function"),
        (Own.method, r"is a method, and no worker has an object for its self: .*app.task\(Own\(…\).method\)"),
        (forgotten, "parameter session of .*forgotten is injected, and its annotation names nothing to inject"),
        (unreadable, "parameter n of task wrong: the type .* cannot be used here"),
    ]
    for function, words in wrong:
        with pytest.raises(ConfigError, match=words):
            app.task(name="wrong")(function)
    assert "wrong" not in app.functions
    tasks: list[Any] = [
        app.task(name="method")(Own().method),
        app.task(name="free")(Own.free),
        app.task(name="of_class")(Own.of_class),
        app.task(name="cached")(functools.lru_cache(Own.free)),
        app.task(name="object")(Own()),
        app.task(name="partial")(functools.partial(Own().method)),
        app.task(name="partial object")(functools.partial(Own())),
    ]

    handles = [await task.enqueue(7) for task in tasks]
    async with app.worker():
        assert [await handle.result(10) for handle in handles] == [7] * len(handles)


#: A program in the syntax of Python 3.12.
NEWER = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
from omniq import OmniQ, ConfigError, Context, Depends, injected

app = OmniQ(tasks="memory", results="memory")
def get_session(context: Context) -> str:
    return f"session of {context.func}"

type Ids = list[int]
type Pair[T] = tuple[T, T]
type Ctx = Context
type Session = Annotated[str, Depends(get_session)]
type Tree = dict[str, Tree] | int
type Later = Defined
type Defined = Annotated[int, "seconds"]

@app.task
def total(context: Ctx, ids: Ids, session: Session = injected) -> str:
    return f"{context.func} {sum(ids)} {session}"

@app.task
def pair(one: Pair[int]) -> Pair[int]:
    return one

@app.task
def first[T](values: list[T]) -> T:
    return values[0]

@app.task
def early(value: After) -> After:
    return value

@dataclass
class After:
    n: int

@app.task
def least[T: int](value: T, other: Later) -> T:
    return min(value, other)

try:
    @app.task
    def grows(tree: Tree) -> None: ...
except ConfigError as error:
    print(error)
handles = [total.enqueue([1, 2]), pair.enqueue((1, 2)), first.enqueue([3]), least.enqueue(5, 4), early.enqueue(After(6))]
try:
    total.enqueue(["x"])
except Exception as error:
    print(type(error).__name__)
app.drain()
print([handle.result(5) for handle in handles])
"""


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_aliases_and_type_parameters_of_newer_pythons(version: str, tmp_path: Path) -> None:
    python = newer_python(version)
    # The module is built for the stable interface of all versions; msgspec is not.
    wheels = [
        "--python-version",
        version,
        "--only-binary",
        ":all:",
        "--target",
        str(tmp_path),
        "msgspec",
        "typing_extensions",
    ]
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wheels]
    subprocess.run([sys.executable, *install], check=True)
    (tmp_path / "omniq").symlink_to(Path(omniq.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([python, "-c", NEWER], capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "parameter tree of task grows: the type dict[str, Tree] | int cannot be used here: it refers to itself; give a"
        " class, or Any",
        "InvalidError",
        "['total 3 session of total', (1, 2), 3, 4, After(n=6)]",
    ]


def newer_python(version: str) -> str:
    found = shutil.which(f"python{version}")
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    several = sorted(versions.glob(f"{version}.*/bin/python{version}"))
    if found is None and not several:
        pytest.skip(f"there is no Python {version} on this machine")
    return str(several[-1]) if several else str(found)


async def test_what_stands_around_a_decorated_task_is_async_as_well(app: AsyncOmniQ, url: str) -> None:
    log: list[str] = []

    async def session() -> AsyncIterator[str]:
        yield "session"
        log.append("closed")

    @plain
    async def user() -> str:
        return "user"

    @app.middleware
    async def around(context: Context) -> AsyncIterator[None]:
        yield
        log.append("around")

    @app.task(max_retries=0)
    @plain
    async def work(
        context: Context,
        n: int,
        session: Annotated[str, Depends(session)] = injected,
        user: Annotated[str, Depends(user)] = injected,
    ) -> str:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await context.complete(f"{user} {session} {n}", connection=connection)
        await connection.close()
        return "outside"

    @app.task(max_retries=0)
    def blocking(user: Annotated[str, Depends(plain(user))] = injected) -> str:
        return user

    handle, other = await work.enqueue(1), await blocking.enqueue()
    async with app.worker():
        assert await handle.result(10) == "user session 1"
        assert await other.result(10) == "user"
    assert log.count("closed") == 1
    assert log.count("around") == 2


async def test_a_decorated_task_is_cancelled_at_its_timeout(app: AsyncOmniQ) -> None:
    log: list[str] = []

    @app.task(max_retries=0, timeout=0.2)
    @plain
    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            log.append("cleaned up")

    handle = await sleeps.enqueue()
    async with app.worker():
        with pytest.raises(TaskFailed, match="took longer"):
            await handle.result(3)
    assert log == ["cleaned up"]


async def test_a_value_that_does_not_fit_its_annotation_fails_the_run(app: AsyncOmniQ, url: str) -> None:
    @app.task(max_retries=3)
    async def as_coroutine() -> int:
        return "five"  # type: ignore[return-value]

    @app.task(max_retries=3)
    def in_thread() -> list[int]:
        return ["five"]  # type: ignore[list-item]

    @app.task(max_retries=0)
    async def inside(context: Context) -> int:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await context.complete("five", connection=connection)
        finally:
            await connection.close()
        return 5

    async with app.worker():
        given: list[tuple[Any, str]] = [(as_coroutine, "-> int"), (in_thread, r"-> list\[int\]"), (inside, "-> int")]
        for task, words in given:
            with pytest.raises(TaskFailed, match=words) as caught:
                await (await task.enqueue()).result(10)
            error = caught.value.error
            assert error is not None
            assert error.type in ("bad_result", "omniq.errors.CodecError")
            # It is not retried, because another run would not help.
            assert caught.value.result.attempt == 1


async def test_a_value_of_another_version_is_refused_in_plain_words(app: AsyncOmniQ) -> None:
    @app.task
    async def old() -> str:
        return "five"

    handle = await old.enqueue()
    async with app.worker():
        await handle.result(10)

    @app.task(name="new")
    async def new() -> int:
        return 5

    with pytest.raises(OmniQError, match=r"value of task .* -> int.*got `str`") as caught:
        await new.handle(handle.id).result(1)
    assert caught.value.is_codec


async def test_threads_of_decorated_tasks_are_free_of_the_loop(app: AsyncOmniQ) -> None:
    # The decorator's code may block, because it is not called on the loop.
    seen: set[str] = set()

    def blocks(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any) -> Any:
            seen.add(threading.current_thread().name)
            return function(*args)

        return inner

    task = app.task(name="blocks")(blocks(double))
    handle = await task.enqueue(1)
    async with app.worker():
        assert await handle.result(10) == 2
    assert seen == {"omniq-task-1"}
