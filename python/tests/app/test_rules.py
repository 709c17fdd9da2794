"""Retry rules: which exceptions of a run are followed by a retry, and when.

Issue 14, number 4.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from omniq import AsyncOmniQ, AsyncTaskGroup, Backoff, Context, Discard, OmniQError, Retry, SoftTimeout
from omniq.models import ResultStatus, TaskState

pytestmark = pytest.mark.anyio

#: What becomes of a task whose run has raised something.
RETRIED, DEAD = TaskState.SCHEDULED, TaskState.DEAD


@pytest.fixture
async def app() -> AsyncIterator[AsyncOmniQ]:
    later = {"backoff": Backoff.fixed(3600), "dead_on": KeyError}
    async with AsyncOmniQ(tasks="memory", results="memory", defaults=later) as app:  # type: ignore[arg-type]
        yield app


async def states(app: AsyncOmniQ, task: Any, errors: Sequence[BaseException]) -> list[TaskState | ResultStatus | None]:
    """What becomes of a run that raises each of these."""
    handles = [await task.enqueue(place) for place in range(len(errors))]
    await app.drain()
    return [await handle.status() for handle in handles]


async def test_the_nearest_type_in_the_two_lists_decides(app: AsyncOmniQ) -> None:
    errors = [
        OSError("any"),
        ConnectionError("near"),
        FileNotFoundError("dead"),
        BrokenPipeError("x"),
        ValueError("no"),
    ]

    @app.task(retry_on=(OSError, BrokenPipeError), dead_on=[FileNotFoundError, ConnectionError])
    async def both(place: int) -> None:
        raise errors[place]

    @app.task(retry_on=ConnectionError)
    def some(place: int) -> None:
        raise errors[place]

    @app.task(dead_on=OSError)
    def others(place: int) -> None:
        raise errors[place]

    @app.task(retry_on=())
    def none(place: int) -> None:
        raise errors[place]

    soft: list[BaseException] = [SoftTimeout()]

    @app.task(retry_on=())
    def timeouts(place: int) -> None:
        raise soft[place]

    @app.task(dead_on=SoftTimeout)
    def dead_timeouts(place: int) -> None:
        raise soft[place]

    # It is retried as other timeouts are, unless a list names it.
    assert await states(app, timeouts, soft) == [RETRIED]
    assert await states(app, dead_timeouts, soft) == [DEAD]

    assert await states(app, both, errors) == [RETRIED, DEAD, DEAD, RETRIED, DEAD]
    assert await states(app, some, errors) == [DEAD, RETRIED, DEAD, RETRIED, DEAD]
    assert await states(app, others, errors) == [DEAD, DEAD, DEAD, DEAD, RETRIED]
    assert await states(app, none, errors) == [DEAD] * 5


async def test_rules_of_application_and_group_hold_unless_the_function_has_its_own(app: AsyncOmniQ) -> None:
    group = AsyncTaskGroup("group", dead_on=(ValueError,))
    errors = [KeyError("k"), ValueError("v")]

    @app.task
    def plain(place: int) -> None:
        raise errors[place]

    @group.task
    def grouped(place: int) -> None:
        raise errors[place]

    @group.task(dead_on=None)
    def free(place: int) -> None:
        raise errors[place]

    app.include(group)
    assert await states(app, plain, errors) == [DEAD, RETRIED]
    assert await states(app, grouped, errors) == [RETRIED, DEAD]
    assert await states(app, free, errors) == [RETRIED, RETRIED]


async def test_a_function_decides_what_types_cannot(app: AsyncOmniQ) -> None:
    class TooMany(Exception):
        def __init__(self, wait: Any) -> None:
            super().__init__(wait)
            self.wait = wait

    answers: list[Any] = [True, False, None, 60, timedelta(hours=2), 0.0, "soon"]
    asked: list[tuple[str, int]] = []

    def rule(error: BaseException, context: Context) -> Any:
        asked.append((context.func, context.attempt))
        if isinstance(error, TooMany):
            return error.wait
        raise LookupError("the rule itself fails")

    @app.task(retry_when=rule, dead_on=TooMany, max_retries=1)
    async def limited(place: int) -> None:
        raise TooMany(answers[place]) if place < len(answers) else KeyError("other")

    handles = [await limited.enqueue(place) for place in range(len(answers) + 1)]
    await app.drain()
    found = [await app.backend.queue.get(handle.id) for handle in handles]
    # An answer of 0 runs the task again at once, and its one retry is used up.
    assert [task.state for task in found if task] == [RETRIED, DEAD, DEAD, RETRIED, RETRIED, DEAD, RETRIED, RETRIED]
    assert asked.count(("limited", 1)) == len(handles)
    assert asked.count(("limited", 2)) == 1
    now = datetime.now(timezone.utc)
    waits = [(task.run_at - now).total_seconds() for task in found if task]
    for place, seconds in ((0, 3600), (3, 60), (4, 7200), (6, 3600)):
        assert seconds - 30 < waits[place] <= seconds
    assert found[3] is not None
    assert found[3].error is not None
    assert found[3].error.type.endswith("TooMany")
    assert "raise TooMany" in (found[3].error.trace or "")
    assert found[6] is not None
    assert found[6].error is not None
    assert "the answer of retry_when = 'soon'" in found[6].error.message
    assert found[7] is not None
    assert found[7].error is not None
    assert (found[7].error.type, found[7].error.message) == ("LookupError", "the rule itself fails")
    assert "KeyError: 'other'" in (found[7].error.trace or "")


async def test_rules_leave_the_exceptions_that_say_it_themselves(app: AsyncOmniQ) -> None:
    @app.task(retry_on=(), max_retries=1)
    def again(place: int) -> None:
        raise Retry("not yet", delay=3600) if place == 0 else Discard("no")

    assert await states(app, again, [Retry(), Discard()]) == [RETRIED, ResultStatus.DISCARDED]


async def test_bad_rules_are_refused_at_the_definition(app: AsyncOmniQ) -> None:
    async def later(error: BaseException, context: Context) -> bool:
        return True

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"retry_on": "OSError"}, "retry_on.*give an exception type"),
        ({"dead_on": (OSError, 5)}, "dead_on.*give an exception type"),
        ({"retry_on": OSError, "dead_on": (OSError,)}, "OSError is in retry_on and in dead_on"),
        ({"retry_on": Retry}, "retry_on with Retry"),
        ({"retry_when": 5}, "retry_when.*def function"),
        ({"retry_when": later}, "retry_when.*def function"),
        ({"retry_when": lambda error: True}, "retry_when.*def function of the exception and the Context"),
        ({"soft_timeout": 0}, "soft_timeout = 0"),
        ({"soft_timeout": float("nan")}, "soft_timeout = nan"),
        ({"soft_timeout": "5"}, "soft_timeout = '5'"),
        ({"soft_timeout": 5, "timeout": timedelta(seconds=5)}, "soft_timeout = 5 .* less than the timeout, 0:00:05"),
    ]
    for options, words in wrong:
        with pytest.raises(OmniQError, match=words):
            app.task(name="wrong", **options)(lambda: None)
        with pytest.raises(OmniQError, match=words):
            AsyncTaskGroup("wrong", **options)
        with pytest.raises(OmniQError, match=words):
            AsyncOmniQ(tasks="memory", results="memory", defaults=options)  # type: ignore[arg-type]
    assert "wrong" not in app.functions
