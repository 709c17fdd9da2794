"""Tasks between languages: enqueued from Rust and run in Python, and the reverse."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omniq import AsyncHandle, AsyncOmniQ

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


class Order(msgspec.Struct):
    a: int
    x: int


@pytest.fixture(scope="session")
def program() -> str:
    """The path of the Rust program."""
    # With the features that `make test` has built all with: others would build half of the dependencies once more.
    build = ["cargo", "build", "--quiet", "--workspace", "--all-features", "--example", "languages"]
    subprocess.run(build, cwd=ROOT, check=True)
    return str(TARGET / "debug/examples/languages")


async def test_both_ways(url: str, program: str) -> None:
    async with AsyncOmniQ(url) as app:

        @app.task(queue="rust")
        async def rs_greet(name: str) -> str:
            raise NotImplementedError

        @app.task(queue="rust")
        async def rs_add(a: int, x: int) -> int:
            raise NotImplementedError

        @app.task(queue="rust")
        async def rs_order(a: int, x: int) -> Order:
            raise NotImplementedError

        @app.task(queue="rust")
        async def rs_nothing() -> None: ...

        @app.task(queue="python")
        async def py_greet(name: str) -> str:
            return f"Hello {name}"

        @app.task(queue="python")
        def py_add(a: int, x: int = 0) -> int:
            return a + x

        @app.task(queue="python")
        async def py_nothing() -> None: ...

        packed = rs_greet.with_options(codec="msgpack")
        for_rust: list[tuple[AsyncHandle[Any], Any]] = [
            (await rs_greet.enqueue("Ann"), "Hello Ann"),
            (await packed.enqueue("Bob"), "Hello Bob"),
            (await rs_add.enqueue(1, 2), 3),
            (await rs_order.enqueue(a=1, x=2), Order(1, 2)),
            # By position too: a struct of serde reads a list.
            (await rs_order.enqueue(3, 4), Order(3, 4)),
            (await rs_nothing.enqueue(), None),
        ]
        run = subprocess.run([program], env={**os.environ, "OMNIQ_URL": url}, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        for handle, value in for_rust:
            assert await handle.result(5) == value
        await app.drain(queues=["python"])
        ids = [uuid.UUID(line) for line in run.stdout.split()]
        results = [await app.backend.wait(id, 5) for id in ids]
        assert [result.value for result in results] == ["Hello Ann", 3, 7, "Hello Bob", 11, None]
