"""Handles outside the code that enqueued: by id, by pickle and in JSON."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import shop

from omniq import AsyncHandle, AsyncOmniQ, InvalidError, OmniQ
from omniq.models import TaskState
from omniq.testing import on_database

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent


@pytest.fixture
async def app(url: str) -> AsyncIterator[AsyncOmniQ]:
    with on_database(shop.app, url):
        yield shop.app


async def test_a_handle_is_made_of_an_id_or_its_text(url: str) -> None:
    async with AsyncOmniQ(url) as app:

        @app.task
        async def half(n: int) -> set[float]:
            return {n / 2}

        handle = await half.enqueue(3)
        foreign = app.handle(await app.backend.enqueue("elsewhere", 7))
        await app.drain()
        task = await app.backend.queue.dequeue()
        assert task is not None
        await app.backend.complete(task, {"a": [1]})
        # In JSON a handle is its id.
        sent = json.loads(json.dumps({"id": str(handle.id)}))["id"]
        for again in (half.handle(sent), app.handle(sent), app.handle(UUID(sent))):
            assert again == handle
            assert hash(again) == hash(handle)
            assert await again.result(5) == {1.5}, "read as the function is annotated"
            assert await again.status() is TaskState.COMPLETED
        # As an argument or a value it has no other form, unless the codec is pickle.
        with pytest.raises(InvalidError, match=r"argument n: .* give str\(handle\), of which app\.handle"):
            await half.enqueue(handle)  # type: ignore[arg-type]
        with pytest.raises(InvalidError, match=r"metadata is refused: .* give str\(handle\)"):
            await half.with_options(metadata={"of": handle}).enqueue(3)
        # The application has no such function: the value is as the codec gives it.
        assert await foreign.result(5) == {"a": [1]}
        assert repr(app.handle(sent)) == f"<AsyncHandle {sent}>"
        assert repr(half.handle(sent)) == f"<AsyncHandle half {sent}>"
        assert await app.handle(uuid4()).status() is None


def test_a_blocking_application_has_handles_by_id_too(url: str) -> None:
    with OmniQ(url) as app:

        @app.task
        def half(n: int) -> float:
            return n / 2

        id = half.enqueue(3).id
        app.drain()
        assert app.handle(id).result(5) == half.handle(str(id)).result(5) == 1.5


async def test_a_handle_is_pickled(app: AsyncOmniQ) -> None:
    handles: list[AsyncHandle[Any]] = [
        await shop.add.enqueue(1, b=2),
        await shop.add.with_options(priority=3).enqueue(1, b=2),
    ]
    handles += [app.handle(handles[0].id)]
    for handle in handles:
        for again in (pickle.loads(pickle.dumps(handle)), copy.copy(handle), copy.deepcopy(handle)):
            assert again == handle
            assert type(again) is AsyncHandle
            assert repr(again) == repr(handle)
            assert again._source is (app if handle is handles[2] else shop.add)


async def test_another_process_waits_for_a_pickled_handle(url: str, tmp_path: Path) -> None:
    program = (
        "import pickle, sys, asyncio, omniq\n"
        "handles = pickle.load(open(sys.argv[1], 'rb'))\n"
        "async def main():\n"
        "    print(await omniq.gather(handles, timeout=20))\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "OMNIQ_URL": url, "PYTHONPATH": str(HERE)}
    with on_database(shop.app, url, schema="omniq"):
        handles: list[AsyncHandle[Any]] = [await shop.add.enqueue(n) for n in range(3)]
        handles.append(shop.app.handle((await shop.hello.enqueue("Ann")).id))
        await shop.app.drain()
        (tmp_path / "handles").write_bytes(pickle.dumps(handles))
        ran = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "handles")],
            env=env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert ran.stdout == "[1, 2, 3, 'Hello Ann']\n", ran.stderr


async def test_a_handle_that_nothing_leads_to_is_not_pickled(url: str) -> None:
    async with AsyncOmniQ(url) as app:

        @app.task
        async def local() -> None: ...

        with pytest.raises(pickle.PicklingError, match=r"no task at the top level .*send str\(handle\.id\)"):
            pickle.dumps(app.handle(uuid4()))
        assert pickle.loads(pickle.dumps(shop.app.handle(UUID(int=7)))) == shop.app.handle(UUID(int=7))
