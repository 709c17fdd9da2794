"""The models and codecs by themselves."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from omniq import Backoff, ConflictError, NewTask, OmniQError, Payload, Task, TaskError, TaskEvent, TaskResult, codecs
from omniq.models import (
    At,
    Claim,
    Cron,
    EventKind,
    Every,
    Outcome,
    QueueStats,
    ResultStatus,
    SavedSchedule,
    Schedule,
    Settlement,
    TaskState,
    TaskUpdate,
    Tick,
)
from omniq.storage.postgres import PostgresQueue

AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=timezone.utc)
ID = uuid.UUID("01234567-89ab-7def-8123-456789abcdef")
TASK = Task(
    ID, 1, "q", "f", Payload.of([1]), 2, TaskState.RUNNING, AT, None, 1, 3, Backoff(), timedelta(seconds=90),
    {"a": [1]}, TaskError("T", "m"), AT, AT, Claim(1, 2),
)  # fmt: skip
RESULT = TaskResult(ID, ResultStatus.COMPLETED, Payload.of("x"), finished_at=AT, ttl=timedelta(days=2))


@pytest.mark.parametrize(
    "model",
    [
        TASK,
        RESULT,
        TaskEvent(EventKind.STARTED, ID, data={"n": 1}, at=AT),
        TaskEvent("own", at=AT),
        NewTask("f", [1, {"a": None}], queue="q", delay=3, run_at=AT),
        TaskUpdate(priority=3),
        QueueStats("q", True, 1, 2, 3, 4, 5),
        Schedule(
            "nightly", Cron("0 3 * * 1-5", "Europe/Berlin"), NewTask("f", [1], delay=3), 7, 90, 2.5, False, 3, AT, AT
        ),
        Schedule("often", Every(timedelta(minutes=5)), NewTask("f")),
        Schedule("once", At(AT), NewTask("f")),
        SavedSchedule(
            "saved",
            Every(5),
            NewTask("f"),
            "all",
            app="shop",
            version=2,
            created_at=AT,
            next_at=AT,
            last_at=None,
            last_task=ID,
            runs=1,
            paused_at=None,
        ),
        Tick("nightly", AT, False, ID, None),
        Settlement(ID, Claim(1, 2), Outcome("retry_later", timedelta(seconds=1), TaskError("T", "m")), RESULT),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_go_to_dicts_and_come_back(model: Any) -> None:
    as_json = json.loads(json.dumps(model.to_dict()))
    assert type(model).from_dict(as_json) == model
    assert copy.deepcopy(model) == model
    assert pickle.loads(pickle.dumps(model)) == model
    assert type(model).__name__ in repr(model)
    with pytest.raises(AttributeError):
        model.whatever = 1
    with pytest.raises(OmniQError) as caught:
        type(model).from_dict({"id": [], "kind": 5, "priority": {}, "task_id": 1, "func": 1, "name": 2})
    assert caught.value.is_invalid


def test_equality_is_by_value() -> None:
    assert TASK.replace() == TASK
    assert TASK.replace(attempt=2) != TASK
    assert len({TASK, TASK.replace(), TASK.replace(attempt=2)}) == 2
    assert Payload.of(1) == Payload.of(1, allow_pickle=True)
    assert Payload.of(1) != Payload.of(1, "msgpack")
    assert Payload.of(1) != 1


def test_a_schedule_says_when_in_its_dict() -> None:
    made = Schedule("often", Every(1.5), NewTask("f"))
    assert made.to_dict()["timing"] == {"type": "every", "interval": 1.5}
    assert made == made.replace()
    assert made != made.replace(overlap=False)
    assert (made.missed, made.grace, made.jitter, made.overlap, made.max_runs) == ("once", 60.0, None, True, None)
    assert made.to_dict()["missed"] == "once"
    assert made.replace(missed=7).to_dict()["missed"] == 7
    assert Cron("0 3 * * *") == Cron("0 3 * * *", "UTC")
    assert Cron("* * * * * *").to_dict() == {"type": "cron", "expression": "* * * * * *", "time_zone": "UTC"}
    assert made != made.replace(timing=At(AT))
    assert len({made, made.replace(), made.replace(name="x")}) == 2
    with pytest.raises(OmniQError, match="no Schedule"):
        Schedule.from_dict({**made.to_dict(), "timing": {"type": "never"}})


@pytest.mark.parametrize(
    ("name", "timing", "message"),
    [
        ("", Every(1), "schedule name"),
        ("x" * 300, Every(1), "schedule name"),
        ("n", Every(0), "interval = 0 seconds"),
        ("n", Every(-1), "interval = -1"),
        ("n", Every(timedelta(seconds=-1)), "interval = -1 day, 23:59:59 is refused: give seconds, more than 0"),
        ("n", Cron("* * * *", "UTC"), "five fields"),
        ("n", Cron("0 25 * * *", "UTC"), "cannot be read"),
        ("n", Cron("@daily", "UTC"), "five fields"),
        ("n", Cron("0 3 * * *", "Europe/Nowhere"), "time zone"),
        ("n", At(datetime(2024, 1, 1)), "no time zone"),
        ("n", "daily", "Cron, Every or At"),
        ("n", Every(0.05), "interval = 0.05 seconds is refused: give at least 0.1 seconds"),
        ("n", Cron("0 0 30 2 *"), "never fires: give a date that exists"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(name: str, timing: Any, message: str) -> None:
    with pytest.raises(OmniQError, match=message) as caught:
        Schedule(name, timing, NewTask("f"))
    assert caught.value.is_invalid
    if not isinstance(timing, str):
        values = Schedule("n", Every(1), NewTask("f")).to_dict()
        with pytest.raises(OmniQError) as caught:
            Schedule.from_dict({**values, "name": name, "timing": timing.to_dict()})
        assert caught.value.is_invalid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"missed": "often"},
            'missed = .often. is refused: give "skip", "once", "all", or how many of the latest: 1 to 10000',
        ),
        ({"missed": 0}, "missed = 0 is refused: give"),
        ({"missed": 10_001}, "missed = 10001 is refused: give"),
        ({"missed": True}, "missed = True is refused, being of type bool"),
        ({"grace": 0.999}, "grace = 0.999 seconds is refused: give at least 1 second"),
        ({"grace": None}, "grace = None is refused"),
        ({"jitter": 0}, "jitter = 0 seconds"),
        ({"overlap": 1}, "overlap = 1 is refused, being of type int: give True or False"),
        ({"max_runs": 0}, "max_runs = 0 is refused: give 1 to"),
        ({"starts_at": datetime(2024, 1, 1)}, "starts_at = .* no time zone"),
        ({"starts_at": AT, "ends_at": AT - timedelta(seconds=1)}, "give an end that is not before the start"),
        ({"task": "f"}, "task is refused|task = 'f' is refused"),
        ({"task": NewTask("f", id=ID)}, "its task has the id"),
        ({"task": NewTask("f", run_at=AT)}, "its task has run_at"),
        ({"task": NewTask("f", metadata={"schedule": 1})}, 'the metadata "schedule", which each tick sets'),
        ({"task": NewTask("f", queue="")}, "its task cannot be enqueued"),
    ],
)
def test_options_of_a_schedule_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OmniQError, match=message) as caught:
        Schedule(**{"name": "n", "timing": Every(60), "task": NewTask("f"), **options})
    assert caught.value.is_invalid


def test_what_is_saved_is_seen_whatever_it_is() -> None:
    known: dict[str, Any] = {
        "app": None,
        "version": 1,
        "created_at": AT,
        "next_at": None,
        "last_at": None,
        "last_task": None,
    }
    zone = Cron("0 3 * * *", "Europe/Newly_Founded")
    saved = SavedSchedule("n", zone, NewTask("f"), **known, runs=0, paused_at=None)
    assert saved.timing == zone
    assert len({saved, saved.replace(version=2)}) == 2
    with pytest.raises(OmniQError, match="time zone"):
        Schedule("n", zone, NewTask("f"))


def test_a_payload_hides_its_content() -> None:
    assert "secret" not in repr(TASK.replace(payload=Payload.of("secret")))


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (AT, datetime),
        (timedelta(hours=2, microseconds=3), timedelta),
        (Decimal("1.10"), Decimal),
        (ID, uuid.UUID),
        (b"\0\xff", bytes),
        ({3, 4}, set[int]),
        ((1, "a"), tuple[int, str]),
        ({1: "a"}, dict[int, str]),
        (Point(1, Decimal("2.5")), Point),
        ([Point(1, Decimal(2))], list[Point]),
        (TaskState.DEAD, TaskState),
    ],
)
def test_a_value_comes_back_with_the_type_that_is_named(codec: str, value: Any, kind: Any) -> None:
    assert Payload.of(value, codec).decode(kind) == value


def test_what_does_not_fit_is_refused() -> None:
    for value, codec in [
        (object(), "json"),
        (2**70, "msgpack"),
        (lambda: 1, "msgpack"),
        ("text", "raw"),
        ({(1, 2): 3}, "json"),
    ]:
        with pytest.raises(OmniQError) as caught:
            Payload.of(value, codec)
        assert caught.value.is_codec
        assert caught.value.__cause__ is not None
    for payload, kind in [(Payload("json", b"{"), Any), (Payload("json", b'"x"'), int), (Payload("x-none", b""), Any)]:
        with pytest.raises(OmniQError) as caught:
            payload.decode(kind)
        assert caught.value.is_codec


def test_pickle_is_for_those_who_opted_in_and_no_data_can_say_so(url: str) -> None:
    value = {("tuple", 1): Point(1, Decimal(2))}
    with PostgresQueue(url, codec="pickle", allow_pickle=True) as open_queue, PostgresQueue(url) as careful:
        id = open_queue.enqueue("f", value)
        assert open_queue.get(id).args == value  # type: ignore[union-attr]
        seen = careful.get(id)
        assert seen is not None
        assert seen.payload.codec == "pickle"
        with pytest.raises(OmniQError, match="allow_pickle"):
            _ = seen.args
        trusted = open_queue.get(id)
        assert trusted is not None
        again = Task.from_dict({**trusted.to_dict(), "payload": {**trusted.payload.to_dict(), "_allow_pickle": True}})
        with pytest.raises(OmniQError, match="allow_pickle"):
            _ = again.args
        dilled = open_queue.enqueue("f", lambda x: x + 1, codec="dill")
        assert open_queue.get(dilled).args(1) == 2  # type: ignore[union-attr]


def test_a_codec_of_ones_own(url: str) -> None:
    codecs.register("x-reversed", lambda text: text[::-1].encode(), lambda data: data.decode()[::-1])
    with PostgresQueue(url) as queue:
        task = queue.get(queue.enqueue("f", "abc", codec="x-reversed"))
        assert task is not None
        assert (task.payload.data, task.args) == (b"cba", "abc")
    with pytest.raises(OmniQError, match="refused"):
        codecs.register("Mine", str.encode, bytes.decode)


def test_an_exception_becomes_an_error_with_its_traceback() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        made = TaskError.of(error)
    assert (made.type, made.message) == ("ValueError", "no")
    assert "test_models.py" in str(made.trace)
    assert TaskError.of(ConflictError("x")).type == "omniq.errors.ConflictError"
