"""Helpers for tests of refusals: they check the message and the kind of the error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omniq import OmniQError

#: A URL to which nothing is sent.
NOWHERE = "postgresql://localhost:1/x"
INF, NAN = float("inf"), float("nan")
#: The remedies of messages about spans, ids and times.
SPAN = "give seconds, 0 to 100 years, or a timedelta"
POSITIVE = "give seconds, more than 0 and at most 100 years, or a timedelta"
IDS = r"give a UUID; of a text, uuid\.UUID\(text\) makes one"
AWARE = r"give a datetime with a time zone, such as datetime\.now\(timezone\.utc\)"


def refused(words: str, make: Callable[[], Any], kind: str = "invalid") -> None:
    """Asserts that the call is refused with these words and this kind of error."""
    with pytest.raises(OmniQError, match=words) as caught:
        make()
    assert caught.value.kind == kind


async def answered(words: str, verb: Callable[..., Any], *args: Any, kind: str = "invalid", **options: Any) -> None:
    """The same as `refused` for a verb that is awaited."""
    with pytest.raises(OmniQError, match=words) as caught:
        await verb(*args, **options)
    assert caught.value.kind == kind
