"""Constraints in `Annotated`: those of msgspec, annotated-types and pydantic are checked at the enqueue and at the end of the
run, or refused at the definition.

Issue 14, number 5.
"""

from __future__ import annotations

from typing import Annotated, Any

import annotated_types
import msgspec
import pydantic
import pytest
from pydantic import Field, PositiveInt

from omniq import AsyncOmniQ, ConfigError, InvalidError, TaskFailed

pytestmark = pytest.mark.anyio

#: An annotation, a value that fits, one that does not, and what the error says.
CHECKED: list[tuple[Any, Any, Any, str]] = [
    (Annotated[int, "seconds"], -1, "x", "Expected `int`"),
    (Annotated[int, msgspec.Meta(gt=0)], 1, 0, "Expected `int` >= 1"),
    (PositiveInt, 1, 0, "Expected `int` >= 1"),
    (Annotated[int, Field(gt=0, description="how many")], 1, -3, "Expected `int` >= 1"),
    (Annotated[int, Field(strict=True, le=5), "of five"], 5, 6, "Expected `int` <= 5"),
    (Annotated[float, annotated_types.Interval(ge=0, lt=1)], 0.5, 1.0, "Expected `float` < 1.0"),
    (Annotated[str, Field(pattern="^a+$", max_length=3)], "aaa", "aaaa", "Expected `str` of length <= 3"),
    (Annotated[str, pydantic.StringConstraints(min_length=1)], "a", "", "Expected `str` of length >= 1"),
    (Annotated[list[int], annotated_types.Len(1, 2)], [1], [], "Expected `array` of length >= 1"),
    (list[Annotated[int, Field(multiple_of=2)]], [2, 4], [2, 3], "multiple of 2"),
    (Annotated[int, Field(gt=0)] | None, None, 0, "Expected `int` >= 1"),
    (dict[str, PositiveInt] | None, {"a": 1}, {"a": 0}, "Expected `int` >= 1"),
]

REFUSED: list[tuple[Any, str]] = [
    (Annotated[str, pydantic.StringConstraints(strip_whitespace=True)], "strip_whitespace=True.* would not be checked"),
    (Annotated[int, pydantic.AfterValidator(abs)], "AfterValidator.* leave it out, or take a pydantic model"),
    (list[Annotated[int, annotated_types.Predicate(bool)]], "Predicate.* would not be checked"),
    (Annotated[int, Field(gt=0, ge=1)], "Cannot specify both"),
]


async def test_constraints_are_checked() -> None:
    async with AsyncOmniQ(tasks="memory", results="memory", defaults={"max_retries": 0}) as app:
        for place, (kind, good, bad, words) in enumerate(CHECKED):

            async def give(value: Any) -> Any:
                return value

            async def make(fits: bool) -> Any:
                return good if fits else bad  # noqa: B023

            give.__annotations__ = {"value": kind, "return": kind}
            make.__annotations__ = {"fits": bool, "return": kind}
            task, maker = app.task(name=f"give {place}")(give), app.task(name=f"make {place}")(make)
            with pytest.raises(InvalidError, match=f"argument value: {words}|argument value: .*{words}"):
                await task.enqueue(bad)
            handles = [await task.enqueue(good), await maker.enqueue(True), await maker.enqueue(False)]
            await app.drain()
            assert [await handle.result(5) for handle in handles[:2]] == [good, good], kind
            with pytest.raises(TaskFailed, match="does not fit the annotation"):
                await handles[2].result(5)


def test_constraints_that_would_not_hold_are_refused_at_the_definition() -> None:
    app = AsyncOmniQ(tasks="memory", results="memory")
    for kind, words in REFUSED:

        def work(value: Any) -> None: ...

        def gives() -> Any: ...

        work.__annotations__["value"] = kind
        gives.__annotations__["return"] = kind
        for function in (work, gives):
            with pytest.raises(ConfigError, match=words):
                app.task(function)
    # No text is compared with a number.
    work.__annotations__["value"] = Annotated[str, Field(gt=0)]
    with pytest.raises(ConfigError, match=r"parameter value of task work: the type .* cannot be used here"):
        app.task(work)
    assert app.functions == {}
