"""The Python half of `omniq demo`: a worker for the very tasks that the workers in Rust do.

The demo starts it as ``python -m omniq.cli.demo`` and tells it by standard input what to do. An application of one's own
needs none of that: it is started by ``omniq worker module:app``.
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
#: What may pass by itself is worth another run.
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}


class File(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A file; its name as bytes as well if it is no text."""

    path: str
    bytes: list[int] | None = None


class Facts(File, kw_only=True):
    """What was found out about it."""

    size: int
    lines: int
    sha256: str
    device: int
    inode: int


def hash_file(context: Context, file: File) -> Facts:
    """Reads a file once, and tells its SHA-256, size and lines."""
    name = file.path if file.bytes is None else os.fsdecode(bytes(file.bytes))
    try:
        return _read(context, file, name)
    except OSError as error:
        if error.errno in _BUSY:
            raise
        raise Fail(f"cannot read {json.dumps(file.path)}: {error.strerror}") from None


def _read(context: Context, file: File, name: str) -> Facts:
    hashed, size, lines = hashlib.sha256(), 0, 0
    # Neither a link that has taken the file's place is followed, nor a pipe waited for.
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
    """Works as the demo says, until the demo closes standard input or is gone."""
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
