"""Databases and schemas of tests: Django's test database as a URL, and schemas that are dropped once no transaction is in them."""

from __future__ import annotations

import atexit
from typing import Any
from urllib.parse import quote, urlencode

from omniq import _omniq
from omniq._loop import wait
from omniq.errors import ConfigError, OmniQError
from omniq.settings import Settings

#: What libpq calls the entries of Django's settings.
_PARAMETERS = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}

#: Seconds that a drop waits for those who hold the tables.
_PATIENCE = 0.1

#: Schemas that a transaction was in when they were to be dropped.
_left: list[Settings] = []


def url_of(connection: Any) -> str:
    """The URL of the database that this connection of Django leads to, which in a test is the test's own."""
    settings: dict[str, Any] = connection.settings_dict
    if connection.vendor != "postgresql":
        message = f"connection {connection.alias!r} of Django leads to {connection.vendor}"
        raise ConfigError(f"{message}: give one on PostgreSQL")
    given = {name: settings[key] for key, name in _PARAMETERS.items() if settings.get(key)}
    options: dict[str, Any] = settings.get("OPTIONS") or {}
    more = {name: value for name, value in options.items() if name.startswith("ssl")}
    return f"postgresql:///?{urlencode({**given, **more}, quote_via=quote)}"


def leave(settings: Settings) -> None:
    """Drops the schema, now if no transaction holds its tables, else later."""
    _drop_those_left()
    if not wait(_omniq.drop_schema(settings._core, _PATIENCE)):
        _left.append(settings)


@atexit.register
def _drop_those_left() -> None:
    for settings in _left.copy():
        try:
            dropped = wait(_omniq.drop_schema(settings._core, _PATIENCE))
        except OmniQError:
            # The database is gone, as Django's is at the end of its tests.
            dropped = True
        if dropped:
            _left.remove(settings)
