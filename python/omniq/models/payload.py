"""Bytes with the name of the codec that wrote them."""

from __future__ import annotations

from typing import Any, ClassVar

from omniq import codecs
from omniq.models.base import Model

__all__ = ["Payload"]


class Payload(Model, frozen=True, eq=False):
    """A task's arguments or a result's value as they are stored. Equal if codec and bytes are."""

    #: How the bytes were made, such as ``"json"``.
    codec: str
    #: The bytes.
    data: bytes

    _allow_pickle: ClassVar[bool] = False

    @classmethod
    def of(cls, value: Any, codec: str = "json", *, allow_pickle: bool = False) -> Payload:
        """Encodes a value. Raises `CodecError` for what the codec cannot hold."""
        made = TrustedPayload if allow_pickle else Payload
        return made(codec, codecs.encode(value, codec, allow_pickle))

    def decode(self, type: Any = Any) -> Any:
        """Decodes the value, as this type if one is given, such as ``datetime`` or ``list[UUID]``.

        Raises `CodecError` if the bytes do not fit, or for pickle and dill where the storage that the
        payload comes from was not opened with ``allow_pickle=True``.
        """
        return codecs.decode(self.data, self.codec, type, self._allow_pickle)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Payload):
            return NotImplemented
        return self.codec == other.codec and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.codec, self.data))

    def __repr__(self) -> str:
        # The content may be a secret.
        return f"Payload({self.codec}, {len(self.data)} bytes)"


class TrustedPayload(Payload, frozen=True, eq=False):
    """Of a storage that was opened with ``allow_pickle=True``. No dict and no database can say that it is one."""

    _allow_pickle: ClassVar[bool] = True
