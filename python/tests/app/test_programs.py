"""Uses by different programs: many threads, a forked process, trio, a script that ends without closing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from omniq import AsyncOmniQ, OmniQ, OmniQError


def test_thirty_two_threads_on_one_application(url: str) -> None:
    app = OmniQ(url)

    @app.task
    def square(n: int) -> int:
        return n * n

    with app, app.worker(), ThreadPoolExecutor(32) as threads:
        values = list(threads.map(lambda n: square.enqueue(n).result(20), range(320)))
    assert values == [n * n for n in range(320)]


def test_a_forked_process_opens_its_own(url: str) -> None:
    code = f"""
import os
from omniq import OmniQ
app = OmniQ({url!r})

@app.task
def add(a: int, b: int = 1) -> int:
    return a + b

first = add.enqueue(1)
child = os.fork()
if child == 0:
    second = add.enqueue(2)
    app.drain()
    os._exit(0 if second.result(10) == 3 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert first.result(10) == 2
app.close()
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("anyio_backend", ["trio"])
@pytest.mark.anyio
async def test_trio_enqueues_and_a_worker_under_trio_is_refused(url: str, anyio_backend: Any) -> None:
    blocking = OmniQ(url)
    async with AsyncOmniQ(url) as app:

        @app.task
        async def add(a: int, b: int = 1) -> int:
            return a + b

        blocking.task(name="add")(add.function)
        handle = await add.enqueue(1)
        with pytest.raises(OmniQError, match="asyncio or uvloop"):
            await app.drain()
        with blocking, blocking.worker():
            assert await handle.result(10) == 2


def test_a_script_that_ends_with_a_task_under_way_ends_without_a_word(url: str) -> None:
    code = f"""
import time
from omniq import OmniQ
app = OmniQ({url!r})

@app.task
def nap() -> None:
    time.sleep(30)

@app.task
async def quick() -> int:
    return 1

with app, app.worker(grace=0.1):
    assert quick.enqueue().result(10) == 1
    handle = nap.enqueue()
    while handle.status() != "running":
        time.sleep(0.01)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (run.returncode, run.stdout) == (0, "")
    assert "Traceback" not in run.stderr
    assert "panicked" not in run.stderr
