"""A worker in Python: the same tasks as in handlers.rs, and the same lines of history."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from omniq import AsyncOmniQ, Context, Discard, Snooze

orders: dict[str, Any] = json.loads(os.environ["OMNIQ_TEST_CHAOS_ORDERS"])
app = AsyncOmniQ(orders["url"], events="postgres", pool_max=6, acquire_timeout=5, connect_timeout=3)
path = os.path.join(orders["history"], f"{orders['who']}.jsonl")
history = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
idle: list[asyncpg.Connection] = []


def write(what: str, **more: Any) -> None:
    line = {"at": time.monotonic_ns(), "who": orders["who"], "what": what, **more}
    os.write(history, json.dumps(line).encode() + b"\n")


class Run:
    """A run that is under way."""

    def __init__(self) -> None:
        self.id = uuid.uuid4()
        self.how = "stopped"


@contextmanager
def noted(context: Context, n: int, v: int) -> Iterator[Run]:
    run = Run()
    task = {"task": str(context.id), "n": n, "v": v, "attempt": context.attempt, "func": context.func}
    write("begun", run=str(run.id), **task)
    try:
        yield run
        run.how = "value"
    except Snooze:
        run.how = "snooze"
        raise
    except Discard:
        run.how = "discard"
        raise
    except Exception:
        if run.how == "stopped" and context.stop_reason is None:
            run.how = "error"
        raise
    finally:
        write("ended", run=str(run.id), how=run.how)


@contextmanager
def _given(connection: asyncpg.Connection) -> Iterator[asyncpg.Connection]:
    try:
        yield connection
    except BaseException:
        connection.terminate()
        raise
    idle.append(connection)


async def connection() -> Any:
    while idle:
        open_one = idle.pop()
        if not open_one.is_closed():
            return _given(open_one)
    return _given(await asyncpg.connect(orders["direct"]))


def value(n: int, run: Run) -> dict[str, Any]:
    return {"n": n, "run": str(run.id)}


async def work(
    context: Context, n: int, v: int, ms: int, fails: int, payer: int, payee: int, amount: int
) -> dict[str, Any]:
    with noted(context, n, v) as run:
        if ms:
            await asyncio.sleep(ms / 1000)
        match context.func:
            case "flaky" if context.attempt <= fails:
                raise RuntimeError("not this time")
            case "nap" if run.id.int & 1 == 0:
                raise Snooze(delay=0.05)
            case "drop":
                raise Discard("not wanted")
            case "effect":
                with await connection() as client:
                    await client.execute("insert into effects values ($1, $2, $3)", context.id, n, run.id)
            case "pay":
                with await connection() as client:
                    await pay(client, context, n, run, (payer, payee, amount))
        return value(n, run)


async def pay(client: Any, context: Context, n: int, run: Run, transfer: tuple[int, int, int]) -> None:
    async with client.transaction():
        await client.execute(
            """with held as materialized (select id from accounts where id in ($1, $2) order by id for update)
            update accounts a set balance = balance
                + case when a.id = $2 then $3::bigint else 0 end - case when a.id = $1 then $3::bigint else 0 end
            from held h where a.id = h.id""",
            *transfer,
        )
        await client.execute("insert into payments values ($1, $2, $3)", context.id, n, run.id)
        await context.complete(value(n, run), connection=client)
        if run.id.int & 15 == 0:
            raise RuntimeError("changed its mind")


for name in ("note", "slow", "flaky", "nap", "drop", "effect", "pay"):
    app.task(name=name)(work)


@app.task
def hold(context: Context, n: int, v: int, ms: int, fails: int, payer: int, payee: int, amount: int) -> dict[str, Any]:
    with noted(context, n, v) as run:
        end = time.monotonic() + ms / 1000
        while time.monotonic() < end:
            if context.is_cancelled:
                raise RuntimeError("asked to stop")
            time.sleep(0.005)
        return value(n, run)


app.run_worker(
    queues=orders["queues"],
    name=orders["who"],
    concurrency=16,
    lease=orders["lease"],
    grace=5,
    maintenance_interval=0.5,
)
