"""Errors: the same kinds, message, SQLSTATE and cause on both sides; a class and an `is_…` property for each kind."""

from __future__ import annotations

import builtins
import copy
import multiprocessing
import pickle
import uuid
from typing import Any

import asyncpg
import pytest
import written
from refusals import NOWHERE

import omniq
from omniq import (
    AsyncPostgresBackend,
    ClaimLostError,
    ClosedError,
    CodecError,
    ConfigError,
    ConflictError,
    DuplicateError,
    InvalidError,
    NewTask,
    NotFoundError,
    OmniQError,
    PoolTimeoutError,
    PostgresBackend,
    UnavailableError,
    _omniq,
    errors,
)
from omniq.errors import of_kind
from omniq.storage.postgres import PostgresQueue

KINDS = _omniq.ERROR_KINDS
#: The kinds whose class has a built-in exception as a base.
BUILTIN: dict[str, type[Exception]] = {
    "invalid": ValueError,
    "not_found": LookupError,
    "unavailable": ConnectionError,
    "timeout": builtins.TimeoutError,
    "permission_denied": PermissionError,
    "blocking_in_async": RuntimeError,
    "closed": RuntimeError,
    "codec": ValueError,
}
OTHERS: list[type[Exception]] = [ArithmeticError, *BUILTIN.values(), OSError]


def class_of(kind: str) -> type[OmniQError]:
    """The class of a kind, whose name is derived from the kind's."""
    name = "OmniQ" if kind == "internal" else kind.title().replace("_", "")
    made: type[OmniQError] = getattr(errors, f"{name}Error")
    return made


def test_every_kind_of_the_rust_side_has_its_class_and_its_question_and_no_other() -> None:
    questions = {name for name in vars(OmniQError) if name.startswith("is_")} - {"is_transient"}
    assert questions == {f"is_{kind}" for kind in KINDS}
    assert {OmniQError.kind, *(made.kind for made in OmniQError.__subclasses__())} == set(KINDS)
    for kind in KINDS:
        error = of_kind(kind, "words", "OQ004")
        assert type(error) is class_of(kind)
        assert getattr(omniq, type(error).__name__) is type(error)
        assert [name for name in questions if getattr(error, name)] == [f"is_{kind}"]
        # Property and class agree. All are of the base class, whose `is_internal` is false for the other kinds.
        for other in set(KINDS) - {"internal"}:
            assert isinstance(error, class_of(other)) == getattr(error, f"is_{other}")
        assert isinstance(error, OmniQError)
        for builtin in OTHERS:
            assert isinstance(error, builtin) == issubclass(BUILTIN.get(kind, OmniQError), builtin), kind
        assert error.is_transient == (kind in ("unavailable", "pool_timeout"))
        assert (error.message, str(error), error.args, error.sqlstate) == ("words", "words", ("words",), "OQ004")
    assert type(of_kind("of_a_later_version", "words")) is OmniQError


def test_what_the_server_undid_is_transient_whatever_its_kind() -> None:
    for state in ("57014", "55P03", "40001", "40P01"):
        assert OmniQError("words", sqlstate=state).is_transient, state
    assert not OmniQError("words", sqlstate="42P01").is_transient
    assert not OmniQError("words").is_transient


def test_a_kind_is_said_by_its_class_alone() -> None:
    with pytest.raises(TypeError):
        OmniQError("words", "conflict")  # type: ignore[call-arg]


def test_what_goes_wrong_is_caught_by_its_class() -> None:
    missing = uuid.uuid4()
    with PostgresBackend(tasks="memory", results="memory") as backend:
        queue = backend.queue
        with pytest.raises(InvalidError, match="queue name"):
            queue.enqueue("f", queue="")
        with pytest.raises(CodecError):
            queue.enqueue("f", object())
        id = queue.enqueue("f")
        with pytest.raises(DuplicateError):
            queue.enqueue("f", id=id)
        with pytest.raises(NotFoundError):
            queue.delete(missing)
        task = queue.dequeue()
        assert task is not None
        with pytest.raises(ConflictError):
            queue.delete(id)
        queue.complete(task)
        with pytest.raises(ClaimLostError):
            queue.complete(task)
        with pytest.raises(omniq.TimeoutError):
            backend.wait(missing, timeout=0.01)
        with pytest.raises(ConfigError):
            _ = backend.events
    with pytest.raises(ClosedError):
        backend.enqueue("f")
    with pytest.raises(UnavailableError):
        PostgresQueue(NOWHERE, acquire_timeout=0.1).connect()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written_results", [written.DictResults, written.BlockingDictResults])
async def test_errors_of_a_written_storage_cross_with_their_kind(kind: str, written_results: Any) -> None:
    given = of_kind(kind, "the shelf fell down", "OQ004")

    class Broken(written_results):  # type: ignore[misc]
        def get_many(self, ids: Any) -> Any:
            raise given

    async with AsyncPostgresBackend(tasks="memory", results=Broken()) as backend:
        with pytest.raises(OmniQError) as caught:
            await backend.result(uuid.uuid4())
    error = caught.value
    assert type(error) is class_of(kind)
    assert (error.message, error.sqlstate, error.__cause__) == ("the shelf fell down", "OQ004", given)


@pytest.mark.anyio
async def test_a_class_of_the_users_own_crosses_as_the_kind_that_it_is_of() -> None:
    class NoShelf(NotFoundError):
        def __init__(self, number: int) -> None:
            super().__init__(f"there is no shelf {number}")

    class Broken(written.DictResults):
        async def get_many(self, ids: Any) -> Any:
            raise NoShelf(7)

    async with AsyncPostgresBackend(tasks="memory", results=Broken()) as backend:
        with pytest.raises(NotFoundError, match="there is no shelf 7") as caught:
            await backend.result(uuid.uuid4())
    assert isinstance(caught.value.__cause__, NoShelf)


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
    # The server's message.
    assert f"Key (id)=({id}) already exists" in str(error.__cause__)


def test_a_missing_database_and_a_bad_password_get_different_errors(url: str) -> None:
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
            assert isinstance(caught.value, PoolTimeoutError)
            assert caught.value.is_transient
            assert "pool_max" in str(caught.value)
            await blocker.close()
            assert await stuck == []

    asyncio.run(main())


def test_errors_can_be_copied_and_pickled() -> None:
    for kind in KINDS:
        error = of_kind(kind, "words", "OQ004")
        for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(twin) is type(error)
            assert (twin.message, twin.args, twin.sqlstate) == ("words", ("words",), "OQ004")
    assert repr(ConflictError("words", sqlstate="OQ004")) == "ConflictError('words', sqlstate='OQ004')"
    assert repr(NotFoundError("words")) == "NotFoundError('words')"


def test_errors_come_back_from_other_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for error in pool.starmap(of_kind, [(kind, "words", "OQ004") for kind in KINDS]):
            assert (type(error), error.message, error.sqlstate) == (class_of(error.kind), "words", "OQ004")
        with pytest.raises(ConfigError, match="pool_max = 0"):
            pool.apply(_omniq.Settings, ({"pool_max": 0},))
