"""Databases and schemas of tests: Django's test database as a URL, and the drop of schemas that a transaction still
uses."""

from __future__ import annotations

import atexit
from typing import Any
from urllib.parse import quote, urlencode

from omniq import _omniq
from omniq._loop import wait
from omniq.errors import ConfigError, OmniQError
from omniq.settings import Settings

#: libpq's names for the entries of Django's settings.
_PARAMETERS = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}

#: How long a drop waits for transactions that lock the tables, in seconds.
_LOCK_TIMEOUT = 0.1

#: The settings of schemas that could not be dropped, because a transaction was using them.
_remaining: list[Settings] = []


def url_of(connection: Any) -> str:
    """The URL of the database that this connection of Django leads to, which in a test is the test database.

    Raises:
        ConfigError: If it is not on PostgreSQL.
    """
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
    _drop_remaining()
    if not wait(_omniq.drop_schema(settings._core, _LOCK_TIMEOUT)):
        _remaining.append(settings)


@atexit.register
def _drop_remaining() -> None:
    for settings in _remaining.copy():
        try:
            dropped = wait(_omniq.drop_schema(settings._core, _LOCK_TIMEOUT))
        except OmniQError:
            # The database was dropped, as Django's test database is at the end of its tests.
            dropped = True
        if dropped:
            _remaining.remove(settings)
