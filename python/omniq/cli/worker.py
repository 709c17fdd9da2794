"""``omniq worker module:app``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

from omniq.app.application import AsyncOmniQ, OmniQ
from omniq.cli.reload import supervise
from omniq.errors import ConfigError, OmniQError
from omniq.logging import set_log_level
from omniq.worker import WorkerOptions
from omniq.worker.service import serve

_HELP = """\
APPLICATION names a module and, behind a colon, the AsyncOmniQ or OmniQ in it; the part behind the colon may
be left out where the module holds one only. Modules are looked for in the working folder first.

SIGTERM and Ctrl-C stop the worker gracefully: it claims no more, and what runs has the grace time. A second
signal stops it at once. Whatever was not finished goes back to the queue, and the process ends, whatever
hangs in it.

Examples:
  omniq worker shop.tasks:app
  omniq worker shop.tasks:app --queues mail,default --concurrency 200
  omniq worker shop.tasks:app --reload          starts anew when a file changes, for development

Exit codes: 0 stopped, 1 failed, 2 wrong usage or a bad application.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs a worker until a signal stops it; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.reload:
        return supervise([one for one in arguments if one != "--reload"])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        set_log_level(options.log_level)
        app = load(options.application)
        serve(app, cast(WorkerOptions, _worker_options(options)), options.loop, last=True)
    except OmniQError as error:
        print(f"omniq worker: {error}", file=sys.stderr)
        return 2 if error.is_config or error.is_invalid else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omniq worker",
        description="Runs the tasks of a Python application until a signal stops it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("application", metavar="APPLICATION", help="such as shop.tasks:app")
    parser.add_argument("--queues", metavar="NAMES", help="served in this order [default: those of the tasks]")
    parser.add_argument("--concurrency", type=int, metavar="N", help="tasks at once, of all kinds [default: 100]")
    parser.add_argument("--threads", type=int, metavar="N", help="def tasks at once [default: as --concurrency]")
    parser.add_argument(
        "--processes", type=int, metavar="N", help="tasks in processes at once [default: one per processor]"
    )
    parser.add_argument("--grace", type=float, metavar="SECONDS", help="time for tasks to end at a stop [default: 30]")
    parser.add_argument("--name", help="the worker's name in results and events [default: host:pid]")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop")
    parser.add_argument("--reload", action="store_true", help="start anew when a Python file below this folder changes")
    parser.add_argument(
        "--log-level",
        default=os.environ.get("OMNIQ_LOG_LEVEL") or "info",
        help="of OmniQ: off, error, warning, info, debug or trace",
    )
    return parser


def _worker_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ("concurrency", "threads", "processes", "grace", "name")
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
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise ConfigError(f"there is no module {error.name}: call this where it can be imported") from None
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
