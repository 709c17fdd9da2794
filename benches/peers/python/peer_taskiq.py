"""taskiq-postgres, on asyncpg and uvloop: its broker, which listens, and its result backend, which is asked each CHECK_MS."""

import uvloop
from taskiq.api import run_receiver_task
from taskiq_pg.asyncpg import AsyncpgBroker, AsyncpgResultBackend

from protocol import MODE, URL, handle, job, round_trips, serve, setting

broker = AsyncpgBroker(URL).with_result_backend(AsyncpgResultBackend(URL))


@broker.task(task_name="noop")
async def noop(t: int, i: int, pad: str) -> int:
    await handle(t)
    return i


async def answered(number, at):
    task = await noop.kiq(**job(number, at))
    result = await task.wait_result(check_interval=setting("CHECK_MS", 1) / 1e3, timeout=60)
    assert result.return_value == number


async def main():
    broker.is_worker_process = MODE == "work"
    await broker.startup()
    if MODE == "work":
        serve()
        await run_receiver_task(broker)
    elif MODE != "setup":
        await round_trips(answered)
    await broker.shutdown()


uvloop.run(main())
