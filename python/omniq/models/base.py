"""The base of all models: they are immutable, compare by value, and convert to and from dicts."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final, TypeVar

import msgspec

from omniq.errors import InvalidError

M = TypeVar("M", bound="Model")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Model(msgspec.Struct, frozen=True):
    """A value with named fields. Equality compares all fields; `replace` makes a changed copy."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict that JSON can represent: times and spans as ISO 8601 text, bytes as base64."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_dict(cls: type[M], values: dict[str, Any]) -> M:
        """The model with these fields, in the form that `to_dict` returns.

        Raises:
            InvalidError: For a field that is missing or has a wrong value.
        """
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise InvalidError(f"the dict is no {cls.__name__}: {error}") from error

    def replace(self: M, **changes: Any) -> M:
        """A copy with these fields changed."""
        return msgspec.structs.replace(self, **changes)
