"""An application whose task runs in a process, with async middleware around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from omniq import AsyncOmniQ, Context

app = AsyncOmniQ("postgresql://nowhere/", events="postgres")


@app.middleware
async def around(context: Context) -> AsyncIterator[None]:
    await asyncio.sleep(0)
    value = yield
    context.log_event("seen", value=value)


@app.task(process=True)
def double(n: int) -> int:
    return 2 * n
