"""An application with a lifespan, whose tasks run in a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from omniq import AsyncOmniQ, Depends, injected

app = AsyncOmniQ("postgresql://nowhere/", defaults={"max_retries": 0})

#: The process that has made the value last.
opened = 0


class Log:
    """A file that is written to at the end, if a task has named it."""

    path: Path | None = None


@app.lifespan
def log() -> Iterator[Log]:
    global opened
    opened = os.getpid()
    made = Log()
    yield made
    if made.path is not None:
        with made.path.open("a") as file:
            file.write(f"closed-{os.getpid()}\n")


def model() -> str:
    raise LookupError("no model")


@app.task(process=True)
def work(path: str, log: Annotated[Log, Depends(log, scope="worker")] = injected) -> int:
    log.path = Path(path)
    return opened


@app.task(process=True)
def broken(model: Annotated[str, Depends(model, scope="worker")] = injected) -> None: ...
