"""An application whose tasks ignore a stop. As a program, `python stuck.py`, it runs a worker behind a main guard."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

from omniq import AsyncOmniQ

app = AsyncOmniQ(os.environ.get("OMNIQ_URL") or "postgresql://nowhere/")


@app.task
async def blocks(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251
    return "rested"


@app.task
async def holds_the_interpreter(seconds: int) -> int:
    # It runs in C all the time: Python checks for no signal, and runs no other thread.
    return sum(range(seconds * 10**9))


@app.task
async def swallows(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            continue


@app.task
def naps(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@app.task(process=True)
def naps_in_process(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@app.task
def leaves_a_thread(seconds: float) -> str:
    threading.Thread(target=time.sleep, args=(seconds,), daemon=False).start()
    return "left"


@app.task
def ends_a_forked_child() -> int:
    # A signal for a child must not reach its parent, and must end the child.
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(7)
    time.sleep(0.1)
    os.kill(child, 15)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@app.task(process=True)
def ends_a_program_of_its_own() -> int:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(30)"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.terminate()
    return child.wait()


if __name__ == "__main__":
    app.run_worker(grace=float(sys.argv[1]), loop=sys.argv[2])
    print("after the worker", flush=True)
