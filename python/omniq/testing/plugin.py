"""The pytest plugin of OmniQ.

| fixture | effect |
|---|---|
| ``omniq_url`` | the URL of a server for tests: ``--omniq-url``, else ``OMNIQ_TEST_URL``, else the embedded server |
| ``omniq_on_database`` | ``omniq_on_database(app)`` keeps everything in a fresh schema on that server until the test ends; with pytest-django ``omniq_on_database(app, connection)``, in Django's test database; with SQLAlchemy ``omniq_on_database(app, engine)`` |
| ``omniq_in_memory`` | ``omniq_in_memory(app)`` keeps everything in memory until the test ends |
| ``omniq_eager`` | ``omniq_eager(app)`` runs tasks at enqueue, in memory, until the test ends |

>>> @pytest.fixture  # doctest: +SKIP
... def app(omniq_on_database):
...     return omniq_on_database(shop.tasks.app)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from omniq._loop import wait
from omniq._omniq import embedded_url
from omniq.app.base import BaseApp, server_programs
from omniq.errors import ConfigError
from omniq.testing.modes import eager, in_memory, on_database
from omniq.testing.places import drop_remaining

A = TypeVar("A", bound=BaseApp)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--omniq-url``."""
    group = parser.getgroup("omniq")
    group.addoption("--omniq-url", metavar="URL", help="PostgreSQL for tests of OmniQ [default: the embedded server]")


_left = pytest.StashKey[list[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Drops the schemas that transactions still used at the end of their tests."""
    # A process of pytest-xdist has no summary: it says what is left when it exits.
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_left] = drop_remaining()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which schemas are left, and who holds them."""
    left = config.stash.get(_left, [])
    if left:
        terminalreporter.section("schemas of omniq_on_database that are left")
    for text in left:
        terminalreporter.line(text)


@pytest.fixture(scope="session")
def omniq_url(request: pytest.FixtureRequest) -> str:
    """The URL of a server for tests."""
    given = request.config.getoption("--omniq-url") or os.environ.get("OMNIQ_TEST_URL")
    if given:
        return str(given)
    try:
        return wait(embedded_url(server_programs()))
    except ConfigError as error:
        raise ConfigError(f"{error.message}; for tests: --omniq-url or OMNIQ_TEST_URL") from None


@pytest.fixture
def omniq_on_database(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Keeps everything of applications in fresh schemas until the test ends."""
    with ExitStack() as stack:

        def use(app: A, database: Any = None, **options: Any) -> A:
            where = request.getfixturevalue("omniq_url") if database is None else database
            return stack.enter_context(on_database(app, where, **options))

        yield use


@pytest.fixture
def omniq_in_memory() -> Iterator[Callable[..., Any]]:
    """Keeps everything of applications in memory until the test ends."""
    with ExitStack() as stack:

        def use(app: A) -> A:
            return stack.enter_context(in_memory(app))

        yield use


@pytest.fixture
def omniq_eager() -> Iterator[Callable[..., Any]]:
    """Runs tasks of applications at enqueue until the test ends."""
    with ExitStack() as stack:

        def use(app: A, **options: Any) -> A:
            return stack.enter_context(eager(app, **options))

        yield use
