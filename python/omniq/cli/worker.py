"""``omniq worker module:app``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

from omniq._equivalents import WORKER
from omniq.app.application import AsyncOmniQ, OmniQ
from omniq.app.base import BaseApp
from omniq.cli.reload import Watch
from omniq.cli.supervise import supervise
from omniq.cli.supervised import Link, size
from omniq.errors import ConfigError, OmniQError
from omniq.logging import configure
from omniq.worker import WorkerOptions
from omniq.worker.service import serve

_HELP = """\
APPLICATION names a module and, behind a colon, the AsyncOmniQ or OmniQ in it; the part behind the colon may
be left out where the module holds one only. Modules are looked for in the working folder first. Each process
runs a worker for each application, with the options given.

SIGTERM and Ctrl-C stop the worker gracefully: it claims no more, and what runs has the grace time. A second
signal, or SIGQUIT, stops it at once. Whatever was not finished goes back to the queue, and the process ends,
whatever hangs in it.

With --processes, --max-tasks or --max-memory a supervisor keeps the processes at work. It restarts one that
dies, after the second death in a row with a pause that grows from 0.5 to 30 seconds, and replaces one that
has reached a limit: it claims no more and ends its runs within the grace time, while a new one works already.
SIGHUP replaces them all, one after the other, with the program as it is now; if the new one does not start,
the old ones go on.

Examples:
  omniq worker shop.tasks:app
  omniq worker shop.tasks:app news.tasks:app --processes 4 --threads 8
  omniq worker shop.tasks:app --queues mail,default --concurrency 200
  omniq worker shop.tasks:app --processes 2 --max-tasks 10000 --max-memory 512M
  omniq worker shop.tasks:app --reload          starts anew when a file changes, for development

Exit codes: 0 stopped, 1 failed, 2 wrong usage or a bad application.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs workers until a signal stops them; returns the exit code."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *_meant(unknown)]))
    try:
        # Logging is configured first, so that the import of an application may change it.
        configure(options.log_level, options.log_format)
        max_memory = None if options.max_memory is None else size(options.max_memory)
        if options.supervised is not None:
            return _work(options, Link(options.supervised, max_memory))
        for name, least in (("processes", 1), ("max_tasks", 1)):
            given = getattr(options, name)
            if given is not None and given < least:
                raise ConfigError(f"--{name.replace('_', '-')} {given} is refused: give at least {least}")
        if options.reload or not (options.processes is options.max_tasks is max_memory is None):
            count = options.processes or 1
            return supervise(_of_each(arguments, options.name, count), Watch().changed if options.reload else None)
        return _work(options, None)
    except OmniQError as error:
        if options.log_format == "json":
            logging.getLogger("omniq.worker").critical("%s", error)
        else:
            print(f"omniq worker: {error}", file=sys.stderr)
        return 2 if error.is_config or error.is_invalid else 1


def _work(options: argparse.Namespace, link: Link | None) -> int:
    """Runs the workers in this process."""
    apps: dict[int, BaseApp] = {id(app): app for app in map(load, options.applications)}
    given = cast(WorkerOptions, _worker_options(options))
    if link is None:
        serve(list(apps.values()), given, options.loop, last=True)
    else:
        serve(list(apps.values()), given, options.loop, last=True, supervised=True, begun=link.follow)
    return 0


def _of_each(arguments: Sequence[str], name: str | None, count: int) -> list[list[str]]:
    """The arguments of each process."""
    if name is None or count == 1:
        return [list(arguments)] * count
    return [[*arguments, "--name", f"{name}:{number + 1}"] for number in range(count)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omniq worker",
        description="Runs the tasks of Python applications until a signal stops it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("applications", metavar="APPLICATION", nargs="+", help="such as shop.tasks:app")
    add("--queues", metavar="NAMES", help="served in this order [default: those of the tasks]")
    add("--concurrency", type=int, metavar="N", help="tasks at once in a process, of all kinds [default: 100]")
    add("--threads", type=int, metavar="N", help="def tasks at once in a process [default: as --concurrency]")
    add("--task-processes", type=int, metavar="N", help="process=True tasks at once [default: one per processor]")
    add("--grace", type=float, metavar="SECONDS", help="time for tasks to end at a stop [default: 30]")
    add("--name", help="in results and events; with :1, :2 … if there are several processes [default: host:pid]")
    add("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop")
    add("--processes", type=int, metavar="N", help="processes at work, kept by a supervisor [default: this one alone]")
    add("--max-tasks", type=int, metavar="N", help="replace a process after about N tasks [default: never]")
    add("--max-memory", metavar="SIZE", help="replace a process above this, such as 512M or 2G [default: never]")
    add("--reload", action="store_true", help="start anew when a Python file below this folder changes")
    add(
        "--log-level",
        default=os.environ.get("OMNIQ_LOG_LEVEL") or "info",
        help="of OmniQ: off, error, warning, info, debug or trace [default: info]",
    )
    add("--log-format", choices=("text", "json"), default="text", help="a line of text or of JSON for each record")
    add(
        "--log-errors",
        choices=("type", "message", "trace"),
        help="what is shown of a task's exception [default: message; at the level info or lower trace]",
    )
    add("--supervised", type=int, help=argparse.SUPPRESS)
    return parser


def _meant(unknown: Sequence[str]) -> list[str]:
    """A sentence for each argument that has an equivalent."""
    names = dict.fromkeys(one.partition("=")[0] if one.startswith("--") else one[:2] for one in unknown)
    return [f"the equivalent of {name} is {WORKER[name]}" for name in names if name in WORKER]


def _worker_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ("concurrency", "threads", "task_processes", "grace", "name", "max_tasks", "log_errors")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.queues is not None:
        given["queues"] = [name.strip() for name in options.queues.split(",")]
    return given


def load(name: str) -> AsyncOmniQ | OmniQ:
    """The application of this name: ``module:attribute``, or ``module`` if the module has only one.

    Raises:
        ConfigError: If there is none, or if ``module`` has several.
    """
    module_name, _, attribute = name.partition(":")
    if "/" in module_name or module_name.startswith(".") or not module_name:
        raise ConfigError(f"{name!r} is refused: give the name of a module as an import has it, such as shop.tasks:app")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        remedy = f"give {error.name[:-3]}" if error.name.endswith(".py") else "call this where it can be imported"
        raise ConfigError(f"there is no module {error.name}: {remedy}") from None
    if attribute:
        found: Any = module
        for part in attribute.split("."):
            found = getattr(found, part, None)
        if isinstance(found, AsyncOmniQ | OmniQ):
            return found
        raise ConfigError(f"{module_name} has no AsyncOmniQ or OmniQ named {attribute}")
    apps = {name: one for name, one in vars(module).items() if isinstance(one, AsyncOmniQ | OmniQ)}
    if len({id(one) for one in apps.values()}) == 1:
        return next(iter(apps.values()))
    message = (
        f"{module_name} holds {len(apps)} applications ({', '.join(apps)})" if apps else f"{module_name} holds none"
    )
    raise ConfigError(f"{message}: name one, such as {module_name}:app")
