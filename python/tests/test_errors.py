"""Errors: the same questions, message, SQLSTATE and cause on both sides."""

from __future__ import annotations

import copy
import pickle

import asyncpg
import pytest

from omniq import NewTask, OmniQError, _omniq
from omniq.storage.postgres import PostgresQueue


def test_every_kind_of_the_rust_side_has_its_question_and_no_other() -> None:
    questions = {name for name in vars(OmniQError) if name.startswith("is_")} - {"is_transient"}
    assert questions == {f"is_{kind}" for kind in _omniq.ERROR_KINDS}
    for kind in _omniq.ERROR_KINDS:
        error = OmniQError("words", kind)
        assert [name for name in questions if getattr(error, name)] == [f"is_{kind}"]
        assert error.is_transient == (kind in ("unavailable", "pool_timeout"))


def test_an_error_of_the_database_keeps_sqlstate_and_cause(url: str) -> None:
    with PostgresQueue(url) as queue:
        id = queue.enqueue("f")
        with pytest.raises(OmniQError) as caught:
            queue.enqueue_many([NewTask("f", id=id)])
    error = caught.value
    assert error.is_duplicate
    assert error.sqlstate == "23505"
    assert error.message == str(error)
    assert error.__cause__ is not None
    # What the server said.
    assert f"Key (id)=({id}) already exists" in str(error.__cause__)


def test_a_missing_database_and_a_bad_password_are_told_apart(url: str) -> None:
    with pytest.raises(OmniQError) as caught:
        PostgresQueue(url + "_none").connect()
    assert caught.value.sqlstate == "3D000"
    user, rest = url.split("@")
    with pytest.raises(OmniQError) as caught:
        PostgresQueue(user.rsplit(":", 1)[0] + ":sesame-open@" + rest).connect()
    assert caught.value.is_permission_denied or caught.value.is_unavailable
    assert "sesame" not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)


def test_a_full_pool_is_a_pool_timeout(url: str) -> None:
    import asyncio

    from omniq.storage.postgres import AsyncPostgresQueue

    async def main() -> None:
        async with AsyncPostgresQueue(url, pool_max=1, acquire_timeout=0.2) as queue:
            blocker = await asyncpg.connect(url)
            await blocker.execute("begin; lock table omniq.tasks in access exclusive mode")
            stuck = asyncio.create_task(queue.list())
            await asyncio.sleep(0.1)
            with pytest.raises(OmniQError) as caught:
                await queue.list()
            assert caught.value.is_pool_timeout
            assert caught.value.is_transient
            assert "pool_max" in str(caught.value)
            await blocker.close()
            assert await stuck == []

    asyncio.run(main())


def test_errors_can_be_copied_and_pickled() -> None:
    error = OmniQError("words", "conflict", "OQ004")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.message, twin.kind, twin.sqlstate, twin.is_conflict) == ("words", "conflict", "OQ004", True)
    assert repr(error) == "OmniQError('words', kind='conflict', sqlstate='OQ004')"
