"""Configuration: five ways to set it with equal effect, and refusals that name the setting."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omniq import AsyncOmniQ, OmniQError, PostgresBackend, Settings, _omniq
from omniq.settings import NAMES
from omniq.storage.postgres import AsyncPostgresQueue, PostgresQueue

URL = "postgresql://me:p%40ss@db:5433/app"
WANTED = Settings(URL, schema="jobs", pool_max=5, acquire_timeout=1.5, result_ttl=None, tasks="memory", events="memory")


def test_equal_values_have_equal_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml, yaml = tmp_path / "a.toml", tmp_path / "a.yaml"
    toml.write_text(
        f'[omniq]\nurl = "{URL}"\nschema = "jobs"\npool_max = 5\nacquire_timeout = 1.5\nresult_ttl = "none"\ntasks = "memory"\nevents = "memory"\n'
    )
    yaml.write_text(
        f"omniq:\n  url: '{URL}'\n  schema: jobs\n  pool_max: 5\n  acquire_timeout: 1.5\n  result_ttl: none\n  tasks: memory\n  events: memory\n"
    )
    for name, value in {
        "URL": URL,
        "SCHEMA": "jobs",
        "POOL_MAX": "5",
        "ACQUIRE_TIMEOUT": "1.5",
        "RESULT_TTL": "none",
        "TASKS": "memory",
        "EVENTS": "memory",
    }.items():
        monkeypatch.setenv(f"OMNIQ_{name}", value)
    options: Any = {
        "schema": "jobs",
        "pool_max": 5,
        "acquire_timeout": timedelta(seconds=1.5),
        "result_ttl": None,
        "tasks": "memory",
        "events": "memory",
    }
    in_url = f"{URL}?schema=jobs&pool_max=5&acquire_timeout=1.5&result_ttl=none&tasks=memory&events=memory"
    for settings in (
        Settings.from_file(toml),
        Settings.from_file(str(yaml)),
        Settings.from_env(),
        Settings.load(file=toml),
        Settings.load(url=in_url),
        Settings(in_url),
        Settings.from_dict({"url": URL, **options}),
        PostgresQueue(URL, **options).settings,
        PostgresQueue({"url": URL, **options}).settings,
        PostgresQueue(WANTED).settings,
        PostgresQueue().settings,
        AsyncPostgresQueue.from_env().settings,
        PostgresBackend(url=URL, **options).settings,
        PostgresBackend.from_file(toml).settings,
        AsyncOmniQ(URL, **options).settings,
        AsyncOmniQ.from_config().settings,
        AsyncOmniQ.from_config({"url": URL, **options}).settings,
        Settings.from_dict(WANTED.to_dict()),
        pickle.loads(pickle.dumps(WANTED)),
    ):
        assert settings == WANTED, settings.to_dict()
        assert hash(settings) == hash(WANTED)
    assert Settings(URL) != WANTED
    assert WANTED.over(pool_max=6).pool_max == 6
    assert WANTED.tasks == "memory"
    assert WANTED.pool_max == 5


def test_every_setting_is_known_on_both_sides() -> None:
    assert set(NAMES) - {"url"} == set(Settings().to_dict())
    makers: list[Callable[[dict[str, Any]], Any]] = [_omniq.Settings, Settings.from_dict]
    for make in makers:
        with pytest.raises(OmniQError, match="known are") as caught:
            make({"pool_size": 1})
        known = str(caught.value).split("known are ")[1].split(", ")
        assert set(known) == set(NAMES)
    with pytest.raises(AttributeError, match="pool_size"):
        _ = Settings().pool_size


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool_max": 0}, "pool_max = 0"),
        ({"schema": ""}, "schema"),
        ({"acquire_timeout": -1}, "acquire_timeout"),
        ({"migrate": "perhaps"}, "migrate"),
        ({"results": "nowhere"}, "results"),
        ({"pool_min": object()}, "pool_min is refused"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_value_is_refused_with_its_name(options: Any, words: str) -> None:
    for make in (PostgresQueue, PostgresBackend):
        with pytest.raises(OmniQError) as caught:
            make(URL, **options)
        assert caught.value.is_config
        assert words in str(caught.value)
    with pytest.raises(OmniQError) as caught:
        PostgresQueue(7)  # type: ignore[arg-type]
    assert caught.value.is_config


def test_no_password_is_shown() -> None:
    for shown in (str(WANTED), repr(WANTED), repr(PostgresQueue(URL)), repr(PostgresBackend(URL))):
        assert "p@ss" not in shown
        assert "p%40ss" not in shown
        assert "db:5433/app" in shown
    assert WANTED.to_dict()["url"] == URL
    with pytest.raises(OmniQError) as caught:
        PostgresQueue("postgresql://me:se@cret@db/app?x")
    assert "cret" not in str(caught.value)


def test_without_a_url_a_connection_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNIQ_URL", raising=False)
    with pytest.raises(OmniQError) as caught:
        PostgresQueue().connect()
    assert caught.value.is_config
    assert "url" in str(caught.value)
