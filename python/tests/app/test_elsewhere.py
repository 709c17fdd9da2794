"""Names of other task queues: the error says what they are called here."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from omniq import AsyncOmniQ, ConfigError, OmniQ, TaskGroup, _elsewhere
from omniq.app import CallOptions, TaskOptions

app = OmniQ(tasks="memory", results="memory")
asynchronous = AsyncOmniQ(tasks="memory", results="memory")


@app.task
def add(a: int, b: int = 1) -> int:
    return a + b


@asynchronous.task
async def send(to: str) -> None: ...


def test_options_of_other_queues_are_refused_with_those_of_this_one() -> None:
    for name, (option, _) in _elsewhere._OPTIONS.items():
        assert option in CallOptions.__annotations__ or option in TaskOptions.__annotations__, name
    with pytest.raises(ConfigError, match="an enqueue has no option countdown: here it is delay=; known are"):
        add.with_options(countdown=5)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="no option time_limit: here it is timeout=, in seconds; known are"):
        TaskGroup("mail", time_limit=5)  # type: ignore[call-arg]
    # An option that only tasks have replaces nothing here.
    with pytest.raises(ConfigError, match="no option throws: known are"):
        add.with_options(throws=ValueError)  # type: ignore[call-arg]


@pytest.mark.parametrize("one", [add, send, app.handle(uuid4()), asynchronous.handle(uuid4()), app, asynchronous])
def test_attributes_of_other_queues_are_missing_with_a_word_about_this_one(one: Any) -> None:
    for name, here in type(one)._here.items():
        with pytest.raises(AttributeError, match=f"no attribute '{name}': here it is {re.escape(here)}"):
            getattr(one, name)
        first = re.match(r"\w+(?=\(|$)", here)
        assert first is None or hasattr(one, first[0]), here
    with pytest.raises(AttributeError, match=r"no attribute 'frobnicate'$"):
        one.frobnicate  # noqa: B018
    assert not hasattr(one, "delay")
