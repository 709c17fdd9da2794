"""An application in its own module, for tests that start processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import psycopg

from omniq import AsyncOmniQ, Backoff, Context, Discard, OmniQ, OmniQError, SoftTimeout

app = AsyncOmniQ(os.environ.get("OMNIQ_URL") or "postgresql://nowhere/", events="postgres")


@app.task
async def add(a: int, b: int = 1) -> int:
    return a + b


@app.task
def hello(name: str) -> str:
    return f"Hello {name}"


@app.task
def nap(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@app.task
async def rest(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@app.task(process=True)
def process_id(context: Context, n: int) -> tuple[int, int, int]:
    context.log_event("counted", n=n)
    return os.getpid(), sum(range(n)), context.attempt


@app.task(process=True, timeout=0.4, max_retries=0)
def spin() -> None:
    while True:
        pass


@app.task(process=True, soft_timeout=0.1, max_retries=0)
def ask_until_then(context: Context) -> int:
    asked = 0
    try:
        while True:
            context.log_event("asked", n=asked)
            asked += 1
    except SoftTimeout:
        return asked


@app.task(process=True, soft_timeout=0.2, max_retries=0)
def save_in_time() -> str:
    try:
        time.sleep(60)
    except SoftTimeout:
        return "saved"
    return "late"


@app.task(process=True)
def spin_without_end() -> None:
    while True:
        pass


@app.task(process=True, max_retries=0)
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(process=True, max_retries=0)
def fail(how: str) -> None:
    if how == "discard":
        raise Discard("unwanted")
    raise ValueError(how)


@app.task(process=True, max_retries=0)
def fail_with_surrogates() -> None:
    raise ValueError("cannot read report-\udcff.csv")


@app.task(process=True, max_retries=1, backoff=Backoff(initial=0.01))
def order(context: Context, url: str) -> str:
    with psycopg.connect(url) as connection:
        connection.execute("insert into orders values (1)")
        context.complete("inside", connection=connection)
        if context.attempt == 1:
            connection.rollback()
    return "outside"


@app.task(process=True, max_retries=0)
def misled(context: Context, elsewhere: str) -> int:
    with psycopg.connect(elsewhere) as connection, contextlib.suppress(OmniQError):
        context.complete(1, connection=connection)
    return 3


class Holder:
    """Holds an application, to test names with dots."""

    inner = OmniQ("postgresql://nowhere/")
