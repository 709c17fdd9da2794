"""The end of the interpreter: no hang and no message, even if objects are still open."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = {
    "blocking, never closed": """
        queue = PostgresQueue(url)
        queue.enqueue("f"); queue.dequeue()
    """,
    "async, never closed": """
        async def main():
            global queue
            queue = AsyncPostgresQueue(url)
            await queue.enqueue("f"); await queue.dequeue()
        asyncio.run(main())
    """,
    "calls under way on a loop": """
        async def main():
            queue = AsyncPostgresQueue(url)
            for _ in range(20):
                asyncio.create_task(queue.dequeue(timeout=60))
            await asyncio.sleep(0.1)
        asyncio.run(main())
    """,
    "daemon threads in blocking calls": """
        queue = PostgresQueue(url)
        for _ in range(8):
            threading.Thread(target=queue.dequeue, kwargs={"timeout": 60}, daemon=True).start()
        time.sleep(0.2)
    """,
    "a loop that is dropped": """
        loop = asyncio.new_event_loop()
        queue = AsyncPostgresQueue(url)
        loop.run_until_complete(queue.enqueue("f"))
        loop.close()
    """,
    "an exit in the middle": """
        queue = PostgresQueue(url)
        threading.Timer(0.2, lambda: os._exit(0)).start()
        queue.dequeue(timeout=60)
    """,
    "uvloop": """
        import uvloop
        async def main():
            global queue
            queue = AsyncPostgresQueue(url)
            await queue.enqueue("f")
        uvloop.run(main())
    """,
    "logging on": """
        import omniq
        omniq.set_log_level("trace")
        queue = PostgresQueue(url)
        queue.enqueue("f")
    """,
}
HEAD = """
import asyncio, os, sys, threading, time
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue
url = sys.argv[1]
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_interpreter_ends_in_silence(name: str, url: str) -> None:
    from textwrap import dedent

    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", HEAD + dedent(PROGRAMS[name]), url],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
