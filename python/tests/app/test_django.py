"""A view that enqueues in Django's transaction, tested by Django's own runner and by pytest-django."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import psycopg
import pytest

SITE = """
import os
from urllib.parse import urlsplit
from django.db import connection, transaction
from django.http import HttpResponse
from django.urls import path
from omniq import OmniQ

SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS, USE_TZ = "x", "site_of_test", ["*"], True
STATIC_URL, MEDIA_URL = "static/", "media/"
at = urlsplit(os.environ["SHOP_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:], "HOST": at.hostname, "PORT": at.port,
    "USER": at.username, "PASSWORD": at.password,
}}
app = OmniQ(os.environ["SHOP_URL"])

@app.task
def greet(name: str) -> str:
    return f"Hello {name}"

@app.task
def sees_table() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('pg_temp.of_the_test') is not null")
        return cursor.fetchone()[0]

def create(request):
    with transaction.atomic():
        handle = greet.with_options(connection=connection).enqueue("Ann")
    return HttpResponse(str(handle.id), status=201)

urlpatterns = [path("", create)]
"""

# The checks of each kind of test: `post` calls the view, `committed` says whether its changes are visible to others.
CHECKS = """
from uuid import UUID
from django.db import connection, transaction
from omniq import OmniQError
from omniq.testing import assert_enqueued, eager, in_memory, on_database
from site_of_test import app, greet, sees_table

def in_the_test_database(post, committed):
    handle = greet.handle(UUID(post()))
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {app.settings.schema}.tasks")
        assert cursor.fetchone() == (1,)
    assert_enqueued(greet, "Ann", count=int(committed))
    app.drain()
    if committed:
        assert handle.result(5) == "Hello Ann"

def in_this_process(post):
    with in_memory(app):
        handle = greet.handle(UUID(post()))
        assert_enqueued(greet, "Ann", count=1)
        app.drain()
        assert handle.result(1) == "Hello Ann"
        its_own = greet.with_options(connection=connection)
        with transaction.atomic():
            its_own.enqueue("Bob")
            with transaction.atomic():
                its_own.enqueue("Bill")
            try:
                with transaction.atomic():
                    with transaction.atomic():
                        its_own.enqueue("rolled back within")
                    raise KeyError
            except KeyError:
                pass
            assert_enqueued(greet, count=0)
        assert_enqueued(greet, "Bob", count=1)
        assert_enqueued(greet, "Bill", count=1)
        assert_enqueued(greet, count=2)
        try:
            with transaction.atomic():
                its_own.enqueue("rolled back")
                raise KeyError
        except KeyError:
            pass
        its_own.enqueue("without a transaction")
        assert_enqueued(greet, count=3)
    with eager(app):
        assert greet.handle(UUID(post())).result(1) == "Hello Ann"
        with connection.cursor() as cursor:
            cursor.execute("create temporary table of_the_test (n int)")
        with transaction.atomic():
            handle = sees_table.with_options(connection=connection).enqueue()
            assert handle.status() is None
        assert handle.result(1) is True
        with connection.cursor() as cursor:
            cursor.execute("drop table of_the_test")
"""

OWN_RUNNER = """
from urllib.request import urlopen
from django.test import LiveServerTestCase, TestCase, TransactionTestCase
from checks import *

class Checks:
    committed = True

    def post(self):
        answer = self.client.get("/")
        assert answer.status_code == 201
        return answer.content.decode()

    def test_database(self):
        with on_database(app, connection):
            in_the_test_database(self.post, self.committed)

    def test_memory(self):
        in_this_process(self.post)

    def test_no_mode(self):
        with self.assertRaisesRegex(OmniQError, "on_database.app, connection."):
            self.client.get("/")

class InOneTransaction(Checks, TestCase):
    committed = False

class InTransactions(Checks, TransactionTestCase):
    pass

class Live(Checks, LiveServerTestCase):
    def post(self):
        with urlopen(self.live_server_url) as answer:
            return answer.read().decode()
"""

PYTEST_DJANGO = """
import pytest
from django.test import TestCase, TransactionTestCase
from checks import *

def call(client):
    answer = client.get("/")
    assert answer.status_code == 201
    return answer.content.decode()

def test_db(db, client, omniq_on_database):
    omniq_on_database(app, connection)
    in_the_test_database(lambda: call(client), False)

def test_the_same_again(omniq_on_database, db, client):
    omniq_on_database(app, connection)
    in_the_test_database(lambda: call(client), False)

def test_transactional_db(transactional_db, client, omniq_on_database):
    omniq_on_database(app, connection)
    in_the_test_database(lambda: call(client), True)

def test_memory(db, client):
    in_this_process(lambda: call(client))

def test_memory_transactional(transactional_db, client):
    in_this_process(lambda: call(client))

class OfPytest:
    @pytest.fixture(autouse=True)
    def mode(self, omniq_on_database):
        omniq_on_database(app, connection)

    def test(self):
        in_the_test_database(lambda: call(self.client), self.committed)

class InOneTransaction(OfPytest, TestCase):
    committed = False

class InTransactions(OfPytest, TransactionTestCase):
    committed = True

@pytest.mark.django_db
def test_no_mode(client):
    with pytest.raises(OmniQError, match="on_database.app, connection."):
        client.get("/")
"""


@pytest.fixture
def run(url: str, tmp_path: Path) -> Callable[..., str]:
    """Runs a program in the site's folder, which must succeed in time. The site's own database must stay without tasks."""

    def run(name: str, text: str, *command: str) -> str:
        (tmp_path / "site_of_test.py").write_text(SITE)
        (tmp_path / "checks.py").write_text(CHECKS)
        (tmp_path / name).write_text(text)
        env = {**os.environ, "SHOP_URL": url, "DJANGO_SETTINGS_MODULE": "site_of_test"}
        env |= {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with psycopg.connect(url) as connection:
            schemas = "select count(*) from pg_namespace where nspname like 'omniq%'"
            assert connection.execute(schemas).fetchone() == (1,), (
                "the application's own, which a call without a mode makes"
            )
            assert connection.execute("select count(*) from omniq.tasks").fetchone() == (0,)
        return done.stdout + done.stderr

    return run


# Issue 12, E9: the view failed in each kind of test, and the drop of a schema waited for ever for the test's own
# transaction.
def test_with_the_runner_of_django(run: Callable[..., str]) -> None:
    assert "Ran 9 tests" in run("test_own.py", OWN_RUNNER, "-m", "django", "test", "--noinput", "test_own")


def test_with_pytest_django(run: Callable[..., str]) -> None:
    # The installed package registers its plugin by an entry point; the source tree cannot.
    announced = any(entry.value == "omniq.testing.plugin" for entry in entry_points(group="pytest11"))
    plugins = ["-p", "no:cacheprovider", *([] if announced else ["-p", "omniq.testing.plugin"])]
    assert "8 passed" in run("test_mine.py", PYTEST_DJANGO, "-m", "pytest", "-q", *plugins, "test_mine.py")
