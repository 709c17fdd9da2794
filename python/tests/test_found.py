"""Where the database is found if no setting of OmniQ names one: as other programs find it, and as libpq does."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from omniq import AsyncOmniQ, ConfigError, OmniQ, PermissionDeniedError, PostgresBackend, Settings
from omniq.storage.postgres import PostgresQueue


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable or file of the machine counts, and a private server is forbidden."""
    for name in [name for name in os.environ if name.startswith(("OMNIQ_", "PG")) or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OMNIQ_EMBEDDED", "off")


def test_the_nearest_source_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "omniq.toml"
    file.write_text("url = 'postgresql://file/c'")
    for source in (None, "pg", "common", "ours"):
        if source == "pg":
            monkeypatch.setenv("PGHOST", "pg")
        elif source == "common":
            monkeypatch.setenv("DATABASE_URL", "postgresql://common/a")
        elif source == "ours":
            monkeypatch.setenv("OMNIQ_URL", "postgresql://ours/a")
        found = {None: None, "pg": "postgresql://pg", "common": "postgresql://common/a", "ours": "postgresql://ours/a"}
        for settings in (
            Settings.from_env(),
            Settings.load(),
            AsyncOmniQ().settings,
            OmniQ(schema="jobs").settings,
            OmniQ.from_config().settings,
            PostgresBackend().settings,
            PostgresQueue.from_env().settings,
        ):
            assert settings.url == found[source]
        near = found[source] if source == "ours" else "postgresql://file/c"
        assert Settings.load(file=file).url == near
        assert Settings.load(file=file, url="postgresql://given/d").url == "postgresql://given/d"
        assert AsyncOmniQ("postgresql://given/d").settings.url == "postgresql://given/d"
        assert AsyncOmniQ({"schema": "x"}).settings.url is None


def test_files_and_variables_of_libpq(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = urlsplit(url)
    database = there.path.removeprefix("/")
    bare = f"postgresql://{there.username}@{there.hostname}:{there.port}/{database}"

    def connects(*arguments: str) -> None:
        with PostgresQueue(*arguments) as queue:
            assert queue.list() == []

    with pytest.raises(ConfigError, match=f"no connection to {there.hostname}:{there.port}: password missing"):
        connects(bare)
    monkeypatch.setenv("PGPASSWORD", str(there.password))
    connects(bare)
    monkeypatch.setenv("PGPASSWORD", "sesame-open")
    refused = f"no connection to {there.hostname}:{there.port}: password authentication failed"
    with pytest.raises(PermissionDeniedError, match=refused) as caught:
        connects(bare)
    assert "sesame" not in repr(caught.value)
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "passwords").write_text(f"{there.hostname}:*:{database}:*:{there.password}\n")
    (tmp_path / "passwords").chmod(0o600)
    connects(f"{bare}?passfile={tmp_path}/passwords")
    (tmp_path / "passwords").rename(tmp_path / ".pgpass")
    connects(bare)
    (tmp_path / "services").write_text(
        f"[shop]\nhost={there.hostname}\nport={there.port}\nuser={there.username}\ndbname={database}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    connects("service=shop")
    monkeypatch.setenv("PGSERVICE", "shop")
    connects()
    monkeypatch.setenv("PGREQUIREAUTH", "scram-sha-256")
    with pytest.raises(ConfigError, match="PGREQUIREAUTH: require_auth is refused, because OmniQ cannot honour it"):
        connects()


def test_a_refused_connection_names_the_host(url: str) -> None:
    with pytest.raises(ConfigError, match=r"no connection to 127\.0\.0\.1:\d+: database \"none\" does not exist"):
        PostgresQueue(url.rsplit("/", 1)[0] + "/none").connect()


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        ("postgresql+asyncpg://me:sesame@db/app", r"postgresql://me:\*\*\*@db/app, with the secret in place of"),
        ("postgresql://db/app?ssl=true", r"postgresql://db/app\?sslmode=require$"),
        ('"postgresql://db/app"', "postgresql://db/app$"),
    ],
)
def test_an_address_for_another_library_is_refused_with_the_mended_form(
    given: str, mended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"the address is written for another library .*: write {mended}"
    for make in (Settings, PostgresBackend, PostgresQueue, AsyncOmniQ):
        with pytest.raises(ConfigError, match=words) as caught:
            make(given)
        assert "sesame" not in repr(caught.value)
    monkeypatch.setenv("DATABASE_URL", given)
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: .* set OMNIQ_URL, which is read first"):
        AsyncOmniQ()
    monkeypatch.setenv("DATABASE_URL", "sqlite:///db.sqlite3")
    assert AsyncOmniQ().settings.url is None
