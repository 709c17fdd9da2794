"""A shop's web service: an order and its tasks are written in one transaction; a report each night.

uvicorn main:web
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from omniq import AsyncOmniQ, Context, Unique

URL = os.environ["OMNIQ_URL"]
TABLES = """create table if not exists totals (email text primary key, amount bigint not null);
create table if not exists orders (
    id serial primary key, email text not null, amount int check (amount > 0), ordered_at timestamptz not null default now())"""

app = AsyncOmniQ(URL, name="shop")


@app.task(max_retries=5)
async def confirm(order: int, email: str) -> str:
    # Send the e-mail here. After a crash, the task may run a second time.
    return f"order {order} confirmed to {email}"


# Once for many orders: two seconds after a customer's last one, and a minute after the first at most. As each transaction
# enqueues it, no order is missed, and one that comes during a run has a run of its own.
@app.task(unique=Unique(args=("email",), on_conflict="reschedule", max_wait=60), delay=2)
async def sum_up(email: str) -> None:
    total = """insert into totals select email, sum(amount) from orders where email = $1 group by email
               on conflict (email) do update set amount = excluded.amount"""
    await web.state.pool.execute(total, email)


@app.task(cron="0 3 * * *", time_zone="Europe/Berlin", overlap=False)
async def report(context: Context) -> int:
    # The day is that of the tick, not of the run: a run that is late, or repeated, counts the same.
    day = "select count(*) from orders where ordered_at < $1 and ordered_at >= $1 - interval '1 day'"
    orders: int = await web.state.pool.fetchval(day, context.tick)
    return orders


@asynccontextmanager
async def lifespan(web: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(URL) as pool, app, app.worker():
        await pool.execute(TABLES)
        web.state.pool = pool
        yield


web = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    email: str
    amount: int = Field(le=1_000_000)


@web.post("/orders", status_code=202)
async def order(new: Order, request: Request) -> dict[str, str]:
    try:
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            id = await connection.fetchval("insert into orders (email) values ($1) returning id", new.email)
            handle = await confirm.with_options(connection=connection).enqueue(id, new.email)
            total = await sum_up.with_options(connection=connection).enqueue(new.email)
            # If this fails, neither the order nor a task is left.
            await connection.execute("update orders set amount = $2 where id = $1", id, new.amount)
    except asyncpg.CheckViolationError as error:
        raise HTTPException(422, "the amount must be above 0") from error
    return {"task": str(handle.id), "total": str(total.id)}


@web.post("/report", status_code=202)
async def report_now() -> dict[str, str]:
    return {"task": str((await app.schedules.trigger("report")).id)}


@web.get("/tasks/{id}")
async def result(id: UUID) -> dict[str, Any]:
    # The task is read first: if it ends between the two reads, the second finds its result.
    task = await app.backend.queue.get(id)
    found = await app.backend.result(id)
    if found is not None:
        return {"state": found.status, "value": found.value, "error": found.error and found.error.message}
    if task is None:
        raise HTTPException(404, "no such task")
    return {"state": task.state, "value": None, "error": None}
