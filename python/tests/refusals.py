"""What tests of refusals share: a message is looked for, and what kind of error says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omniq import OmniQError

#: Nothing is sent there.
NOWHERE = "postgresql://localhost:1/x"
INF, NAN = float("inf"), float("nan")
#: What messages say of spans, ids and times.
SPAN = "give seconds, 0 to 100 years, or a timedelta"
POSITIVE = "give seconds, more than 0 and at most 100 years, or a timedelta"
IDS = r"give a UUID; of a text, uuid\.UUID\(text\) makes one"
AWARE = r"give a datetime with a time zone, such as datetime\.now\(timezone\.utc\)"


def refused(words: str, make: Callable[[], Any], kind: str = "invalid") -> None:
    """The call is refused with these words."""
    with pytest.raises(OmniQError, match=words) as caught:
        make()
    assert caught.value.kind == kind


async def answered(words: str, verb: Callable[..., Any], *args: Any, kind: str = "invalid", **options: Any) -> None:
    """The same for a verb that is awaited."""
    with pytest.raises(OmniQError, match=words) as caught:
        await verb(*args, **options)
    assert caught.value.kind == kind
