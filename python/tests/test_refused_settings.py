"""Issue 12, errors: settings and backoffs. A message names the value as it was given, the limit and the remedy."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from refusals import INF, NAN, NOWHERE, SPAN, refused

from omniq import (
    AsyncOmniQ,
    AsyncPostgresBackend,
    Backoff,
    OmniQ,
    PostgresBackend,
    Settings,
)
from omniq.codecs import register
from omniq.storage.memory import AsyncMemoryQueue, MemoryQueue, MemoryResultStorage
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue

# Settings: messages showed the value as null, as 0.0 or as a quoted number, and named no limit.

_SPANS = "give more than 0 seconds and at most 100 years, as a number such as 10 or 0.5$"
SETTINGS: list[tuple[str, Any, str]] = [
    ("lease", INF, "^lease = inf is refused: give at least 0.1 seconds and at most 100 years"),
    ("lease", -INF, "^lease = -inf is refused"),
    ("lease", NAN, "^lease = nan is refused: give at least 0.1 seconds"),
    (
        "lease",
        0,
        "^lease = 0 is refused: give at least 0.1 seconds and at most 100 years, as a number such as 10 or 0.5$",
    ),
    ("lease", None, "^lease = none is refused: give at least 0.1 seconds"),
    ("lease", 10**30, f"^lease = {10**30} is refused: give at least 0.1 seconds"),
    ("lease", timedelta.max, "^lease = 86400000000000 is refused: .* at most 100 years"),
    # These were accepted as "no limit".
    ("result_ttl", NAN, "^result_ttl = nan is refused: .*, or none for no limit$"),
    ("event_ttl", INF, "^event_ttl = inf is refused: .*, or none for no limit$"),
    ("acquire_timeout", -1, f"^acquire_timeout = -1 is refused: {_SPANS}"),
    ("acquire_timeout", NAN, f"^acquire_timeout = nan is refused: {_SPANS}"),
    ("idle_timeout", 0, f"^idle_timeout = 0 is refused: {_SPANS}"),
    ("pool_max", 10**30, f"^pool_max = {10**30} is refused: give a whole number, 1 to 10000$"),
    ("pool_max", 10**5000, r"^pool_max = \(16610 bits\) is refused: give a whole number, 1 to 10000$"),
    ("pool_max", -(10**30), f"^pool_max = -{10**30} is refused: give a whole number, 1 to 10000$"),
    ("pool_max", INF, "^pool_max = inf is refused: give a whole number, 1 to 10000$"),
    ("pool_max", 0, "^pool_max = 0 is refused: give a whole number, 1 to 10000$"),
    ("pool_min", 10**30, f"^pool_min = {10**30} is refused: give a whole number, 0 to pool_max$"),
    ("max_payload", 10**30, f"^max_payload = {10**30} is refused: give a whole number, 1 to 1000000000 bytes$"),
]


@pytest.mark.parametrize(
    ("name", "value", "words"), SETTINGS, ids=[f"{name}{place}" for place, (name, *_) in enumerate(SETTINGS)]
)
def test_settings(name: str, value: Any, words: str) -> None:
    given: Any = {name: value}
    makers: list[Callable[..., Any]] = [Settings, PostgresQueue, AsyncPostgresBackend, OmniQ]
    for make in makers:
        refused(words, lambda make=make: make(NOWHERE, **given), "config")  # type: ignore[misc]
    refused(words, lambda: Settings(NOWHERE).over(**given), "config")
    refused(words, lambda: Settings.from_dict({"url": NOWHERE, **given}), "config")


def test_settings_of_a_queue_in_memory() -> None:
    refused("^lease = nan is refused: give at least 0.1 seconds", lambda: MemoryQueue(lease=NAN), "config")
    refused("^dead_ttl = inf is refused: ", lambda: MemoryQueue(dead_ttl=INF), "config")
    refused("^codec = 'jsn' is refused: ", lambda: MemoryQueue(codec="jsn"), "config")
    wrong: Any = "no"
    refused("^allow_pickle = 'no' is refused, being", lambda: AsyncMemoryQueue(allow_pickle=wrong), "config")
    refused("^allow_pickle = 'no' is refused, being", lambda: MemoryResultStorage(allow_pickle=wrong), "config")


def test_settings_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    for line, words in [
        ("lease = inf", "lease = inf is refused: give at"),
        ("result_ttl = nan", "result_ttl = nan is refused"),
    ]:
        file.write_text(line)
        refused(words, lambda: Settings.from_file(file), "config")


def test_where_the_parts_are_kept() -> None:
    given: Any
    for given, words in [
        ({"tasks": 5}, "^tasks = 5 is refused, being of type int: give postgres, memory, the .* URL .*, or a storage"),
        ({"tasks": "off"}, '^tasks = "off" is refused: give postgres, memory, or the postgresql:// URL'),
        ({"tasks": "redis"}, '^tasks = "redis" is refused: give postgres, memory, or the postgresql:// URL'),
        ({"results": 5}, "^results = 5 is refused, being of type int: give postgres, memory, off, the .* URL"),
        ({"results": "redis"}, '^results = "redis" is refused: give postgres, memory, off, or the'),
        ({"events": True}, "^events = True is refused, being of type bool: give postgres, memory, off, the"),
        ({"events": MemoryQueue()}, "^events is refused, being of type MemoryQueue: give postgres, memory, off, the"),
    ]:
        for open_one in (OmniQ, AsyncOmniQ, PostgresBackend, AsyncPostgresBackend):
            refused(words, lambda make=open_one, given=given: make(NOWHERE, **given), "config")  # type: ignore[misc]
    # `queue` is the name of the property, not of the setting.
    words = "^Settings has no option queue: known are url, .*, tasks, results, events$"
    makers: list[Callable[..., Any]] = [OmniQ, AsyncPostgresBackend, PostgresQueue, Settings]
    for given in ({"queue": "memory"}, {"queue": MemoryQueue()}):
        for make in makers:
            refused(words, lambda make=make, given=given: make(NOWHERE, **given), "config")  # type: ignore[misc]


def test_codecs() -> None:
    known = "give json, msgpack, raw, pickle, dill, .*or the name of one of your own, which begins with x-$"
    makers: list[Any] = [OmniQ, AsyncOmniQ, AsyncPostgresQueue, PostgresQueue, PostgresBackend]
    for make in makers:
        for codec in ("jsn", "", "JSON", "x-", "x-ÄÖ"):
            refused(f"^codec = '{codec}' is refused: {known}", lambda: make(NOWHERE, codec=codec), "config")  # noqa: B023
        refused("^codec = 'dill' is refused: give allow_pickle=True", lambda: make(NOWHERE, codec="dill"), "config")  # noqa: B023
        assert make(NOWHERE, codec="dill", allow_pickle=True)
        # A custom codec may be registered later, as is usual if modules import each other.
        assert make(NOWHERE, codec="x-later")
    register("x-messages", repr, repr)  # type: ignore[arg-type]
    refused("^codec = 'jsn' is refused: .*, x-messages, ", lambda: OmniQ(NOWHERE, codec="jsn"), "config")


# Backoff: impossible values were accepted, and refused only at the enqueue.

BACKOFFS: list[tuple[str, Any, str]] = [
    ("initial", -1, f"^backoff initial = -1 is refused: {SPAN}$"),
    ("initial", NAN, f"^backoff initial = nan is refused: {SPAN}$"),
    ("initial", "x", f"^backoff initial = 'x' is refused, being of type str: {SPAN}$"),
    ("initial", None, "^backoff initial = None is refused"),
    ("initial", 10**400, "^backoff initial = 10{59}… is refused"),
    ("initial", timedelta(-1), "^backoff initial = -1 day, 0:00:00 is refused"),
    ("initial", 4e9, "^backoff initial = 4000000000 seconds is refused: give at most 100 years$"),
    ("max", -0.5, f"^backoff max = -0.5 is refused: {SPAN}$"),
    ("max", INF, "^backoff max = inf is refused"),
    ("factor", 0.5, "^backoff factor = 0.5 is refused: give a number, 1 to 1000$"),
    ("factor", NAN, "^backoff factor = nan is refused: give a number, 1 to 1000$"),
    ("factor", 1001, "^backoff factor = 1001 is refused: give a number, 1 to 1000$"),
    ("factor", 10**400, "^backoff factor = 10{59}… is refused"),
    ("factor", "2", "^backoff factor = '2' is refused, being of type str: give a number, 1 to 1000$"),
    ("jitter", -0.1, "^backoff jitter = -0.1 is refused: give a number, 0 to 1$"),
    ("jitter", 1.5, "^backoff jitter = 1.5 is refused: give a number, 0 to 1$"),
    ("jitter", INF, "^backoff jitter = inf is refused"),
    ("jitter", None, "^backoff jitter = None is refused, being of type NoneType"),
]


@pytest.mark.parametrize(
    ("name", "value", "words"), BACKOFFS, ids=[f"{name}{place}" for place, (name, *_) in enumerate(BACKOFFS)]
)
def test_a_backoff_is_checked_when_it_is_made(name: str, value: Any, words: str) -> None:
    given: Any = {name: value}
    refused(words, lambda: Backoff(**given))
    refused(words, lambda: Backoff().replace(**given))


def test_other_ways_to_a_backoff() -> None:
    refused("^backoff initial = -1 is refused", lambda: Backoff.fixed(-1))
    refused("^the dict is no Backoff: backoff factor = 0.5 is refused", lambda: Backoff.from_dict({"factor": 0.5}))
    # Values on the bounds are accepted.
    for made in (Backoff(initial=0, factor=1, max=0, jitter=0), Backoff(factor=1000, jitter=1), Backoff.fixed(5)):
        assert copy.copy(made) == pickle.loads(pickle.dumps(made)) == Backoff.from_dict(made.to_dict()) == made
