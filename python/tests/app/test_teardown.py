"""`omniq_on_database` beside transactions that the test, or somebody else, has not ended: recipes, and who is named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psycopg
import pytest

from omniq import OmniQ
from omniq.testing import assert_enqueued, on_database, places

app = OmniQ("postgresql://nowhere.invalid/none")


@app.task
def greet(name: str) -> str:
    return f"Hello {name}"


# The recipe of the page on tests for sessions that are rolled back, by which no test sees what another has written.
RECIPE = """
import os
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from omniq import OmniQ
from omniq.testing import assert_enqueued, in_memory, places

places._LAST_WAIT = 0.2
app = OmniQ("postgresql://nowhere.invalid/none")

@app.task
def greet(name: str) -> str:
    return f"Hello {name}"

def order(session: Session, name: str) -> None:
    greet.with_options(connection=session).enqueue(name)
    session.execute(text("create temporary table order_of_test (n int)"))
    session.commit()

@pytest.fixture(scope="module")
def engine():
    engine = create_engine(os.environ["SHOP_URL"].replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()

@pytest.fixture
def session(engine):
    with engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()

@pytest.mark.parametrize("n", [1, 2])
def test_on_the_database(omniq_on_database, engine, session, n):
    omniq_on_database(app, engine)
    order(session, "Ann")
    # Only the test's own connection sees what is not committed.
    assert session.execute(text(f"select count(*) from {app.settings.schema}.tasks")).scalar() == 1
    assert_enqueued(greet, count=0)

@pytest.mark.parametrize("n", [1, 2])
def test_in_memory(omniq_in_memory, session, n):
    omniq_in_memory(app)
    order(session, "Ann")
    assert_enqueued(greet, "Ann", count=1)
    app.drain()

leaked = []

def test_that_leaks(omniq_on_database, engine):
    omniq_on_database(app, engine)
    leaked.append(create_engine(engine.url, connect_args={"application_name": "the culprit"}).connect())
    greet.with_options(connection=leaked[0]).enqueue("Ann")
"""


def test_recipe_and_report(url: str, tmp_path: Path, ask: Any) -> None:
    (tmp_path / "test_mine.py").write_text(RECIPE)
    announced = any(entry.value == "omniq.testing.plugin" for entry in entry_points(group="pytest11"))
    named = ["-p", "no:cacheprovider", *([] if announced else ["-p", "omniq.testing.plugin"])]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *named, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "SHOP_URL": url},
        capture_output=True,
        text=True,
    )
    assert "5 passed" in run.stdout, run.stdout + run.stderr
    left = [line for line in run.stdout.splitlines() if "was not dropped" in line]
    assert len(left) == 1, run.stdout
    assert "(the culprit) in a transaction since" in left[0]
    assert "end that transaction, and drop the schema by hand" in left[0]
    assert len(ask("select nspname from pg_namespace where nspname like 'omniq_test_%'")) == 1


def test_the_end_of_a_test_does_not_wait(url: str, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "omniq.testing")
    holder = psycopg.connect(url, application_name="holder")
    with on_database(app, url):
        greet.with_options(connection=holder).enqueue("Ann")
        assert_enqueued(greet, count=0)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert "(holder) in a transaction since" in caplog.text
    assert "it is dropped later" in caplog.text
    holder.close()
    assert places.drop_remaining() == []
    assert ask("select nspname from pg_namespace where nspname like 'omniq_test_%'") == []


def test_the_end_of_the_program_waits_for_five_seconds(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places._LAST_WAIT == 5
    monkeypatch.setattr(places, "_LAST_WAIT", 0.3)
    with psycopg.connect(url, application_name="holder") as holder:
        for _ in range(2):
            with on_database(app, url):
                greet.with_options(connection=holder).enqueue("Ann")
        begun = time.monotonic()
        places._at_exit()
        assert 0.3 < time.monotonic() - begun < 2
    told = [record.message for record in caplog.records if "was not dropped" in record.message]
    assert len(told) == 2
    assert all("(holder)" in text for text in told)
