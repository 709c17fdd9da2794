"""Databases and schemas of tests: the URL of the database of Django or SQLAlchemy, and the drop of schemas that a transaction still
uses."""

from __future__ import annotations

import atexit
import logging
import time
from typing import Any
from urllib.parse import quote, urlencode

from omniq import _omniq
from omniq._loop import wait
from omniq.errors import ConfigError, OmniQError
from omniq.settings import Settings

_log = logging.getLogger("omniq.testing")

#: libpq's names for the entries of Django's settings.
_PARAMETERS = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}

#: How long the end of a mode waits for transactions that lock the tables, in seconds. Most of them are the test's own, which
#: goes on after this.
_LOCK_TIMEOUT = 0.1

#: How long the end of the program waits for such transactions, for all schemas together, in seconds.
_LAST_WAIT = 5.0

#: The settings of schemas that could not be dropped, because a transaction was using them.
_remaining: list[Settings] = []


def url_of(database: Any) -> str:
    """The URL of a database: of the one that a connection of Django leads to, which in a test is the test database, or of
    that of an engine of SQLAlchemy. A URL stays as it is.

    Raises:
        ConfigError: If it is not on PostgreSQL.
    """
    if hasattr(database, "settings_dict"):
        return _url_of_django(database)
    if not hasattr(database, "dialect"):
        return str(database)
    if database.dialect.name != "postgresql":
        raise ConfigError(f"{database!r} leads to {database.dialect.name}: give an engine on PostgreSQL")
    url: str = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return url


def _url_of_django(connection: Any) -> str:
    settings: dict[str, Any] = connection.settings_dict
    if connection.vendor != "postgresql":
        message = f"connection {connection.alias!r} of Django leads to {connection.vendor}"
        raise ConfigError(f"{message}: give one on PostgreSQL")
    given = {name: settings[key] for key, name in _PARAMETERS.items() if settings.get(key)}
    options: dict[str, Any] = settings.get("OPTIONS") or {}
    more = {name: value for name, value in options.items() if name.startswith("ssl")}
    return f"postgresql:///?{urlencode({**given, **more}, quote_via=quote)}"


def drop(settings: Settings) -> None:
    """Drops the schema now, or later if a transaction locks its tables."""
    for other in _remaining.copy():
        _drop_later(other, _LOCK_TIMEOUT)
    holders = wait(_omniq.drop_schema(settings._core, _LOCK_TIMEOUT))
    if holders is not None:
        _remaining.append(settings)
        _log.info("%s", _told(settings, holders, "it is dropped later"))


def drop_remaining() -> list[str]:
    """Drops the schemas that are left, and waits at most five seconds for transactions that lock their tables. Returns a
    text for each schema that cannot be dropped, which says who holds it."""
    end, left = time.monotonic() + _LAST_WAIT, []
    for settings in _remaining.copy():
        holders = _drop_later(settings, max(_LOCK_TIMEOUT, end - time.monotonic()))
        if holders is not None:
            left.append(_told(settings, holders, "end that transaction, and drop the schema by hand"))
            _remaining.remove(settings)
    return left


def _drop_later(settings: Settings, patience: float) -> str | None:
    """Drops a schema that was left; if transactions lock its tables for longer than this, returns who they are."""
    try:
        holders = wait(_omniq.drop_schema(settings._core, patience))
    except OmniQError:
        # The database was dropped, as Django's test database is at the end of its tests.
        holders = None
    if holders is None:
        _remaining.remove(settings)
    return holders


def _told(settings: Settings, holders: str, remedy: str) -> str:
    by = holders or "by a transaction that has ended by now"
    return f"schema {settings.schema} of a test was not dropped, as its tables are used by {by}: {remedy}"


@atexit.register
def _at_exit() -> None:
    for text in drop_remaining():
        _log.warning("%s", text)
