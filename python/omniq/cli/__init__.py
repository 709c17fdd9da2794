"""The `omniq` command: the commands of the Rust crate, and ``omniq worker`` for the tasks of Python applications."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Sequence

from omniq import _omniq
from omniq.app.base import server_programs
from omniq.cli import worker
from omniq.logging import set_log_level

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code.

    Args:
        arguments: The arguments after the command's name. Default: those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["worker"]:
        return worker.main(given[1:])
    loud = sum(one.count("v") for one in given if re.fullmatch("-v+", one)) + given.count("--verbose")
    if loud:
        set_log_level(("info", "debug", "trace")[min(loud, 3) - 1])
    elif "-q" in given or "--quiet" in given:
        set_log_level("error")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    programs = server_programs()
    if programs is not None:
        # So that the command uses the same private server as the Python programs of this environment.
        os.environ["OMNIQ_PG_BIN"] = programs
    # Python's own handler of Ctrl-C would not run before the Rust side returns.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _omniq.command(["omniq", *given], sys.executable)
