"""The Python half of `omniq demo`: a worker for the same tasks as the workers in Rust.

The demo starts it as ``python -m omniq.cli.demo`` and sends its orders by standard input. Other applications need none
of this: ``omniq worker module:app`` starts their workers.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import sys
import threading

import msgspec

from omniq import Context, Fail, OmniQ

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
#: Errors that may pass, so that the task is retried.
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}


class File(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A file, with its name as bytes too if the name is not valid UTF-8."""

    path: str
    bytes: list[int] | None = None


class Facts(File, kw_only=True):
    """The facts about a file that the task returns."""

    size: int
    lines: int
    sha256: str
    device: int
    inode: int


def hash_file(context: Context, file: File) -> Facts:
    """Reads a file once, and returns its SHA-256, size and number of lines."""
    name = file.path if file.bytes is None else os.fsdecode(bytes(file.bytes))
    try:
        return _read(context, file, name)
    except OSError as error:
        if error.errno in _BUSY:
            raise
        raise Fail(f"cannot read {json.dumps(file.path)}: {error.strerror}") from None


def _read(context: Context, file: File, name: str) -> Facts:
    hashed, size, lines = hashlib.sha256(), 0, 0
    # The flags prevent that a link in the file's place is followed, or that the open waits for a pipe.
    with open(os.open(name, _FLAGS), "rb", buffering=0) as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Fail(f"{json.dumps(file.path)} is no regular file any more")
        while part := opened.read(256 * 1024):
            hashed.update(part)
            size += len(part)
            lines += part.count(b"\n")
            if context.is_cancelled:
                raise RuntimeError("told to stop in the middle of the file")
    return Facts(
        path=file.path,
        bytes=file.bytes,
        size=size,
        lines=lines,
        sha256=hashed.hexdigest(),
        device=status.st_dev,
        inode=status.st_ino,
    )


def main() -> None:
    """Runs a worker with the demo's orders, until the demo closes standard input or ends."""
    orders = json.loads(sys.stdin.readline() or "{}")
    if not orders:
        return
    app = OmniQ(orders["settings"])
    app.task(hash_file)
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    app.run_worker(
        queues=[orders["queue"]],
        concurrency=orders["concurrency"],
        lease=orders["lease"],
        grace=orders["grace"],
        name=f"python:{os.getpid()}",
    )


def _stop_at_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
