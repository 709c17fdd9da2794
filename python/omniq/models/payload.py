"""Bytes with the name of the codec that wrote them."""

from __future__ import annotations

from typing import Any, ClassVar

from omniq import codecs
from omniq.models.base import Model

__all__ = ["Payload"]


class Payload(Model, frozen=True, eq=False):
    """A task's arguments or a result's value as they are stored. Two are equal if their codecs and bytes are equal.

    Args:
        codec (str): The name of the codec that made the bytes, such as ``"json"``.
        data (bytes): The bytes.
    """

    #: The name of the codec that made the bytes, such as ``"json"``.
    codec: str
    #: The bytes.
    data: bytes

    _allow_pickle: ClassVar[bool] = False

    @classmethod
    def of(cls, value: Any, codec: str = "json", *, allow_pickle: bool = False) -> Payload:
        """Encodes a value.

        Args:
            value: The value.
            codec: The name of the codec. Default: ``"json"``.
            allow_pickle: Whether ``pickle`` and ``dill`` are allowed. Default: false.

        Raises:
            CodecError: For a value that the codec cannot represent, and for a codec that is unknown or not allowed.
        """
        made = TrustedPayload if allow_pickle else Payload
        return made(codec, codecs.encode(value, codec, allow_pickle))

    def decode(self, type: Any = Any) -> Any:
        """Decodes the value.

        Args:
            type: The type that the value gets, such as ``datetime`` or ``list[UUID]``. Default: as the codec gives it.

        Raises:
            CodecError: If the bytes do not fit the type or the codec is unknown; for pickle and dill, also if the
                storage that the payload comes from was not opened with ``allow_pickle=True``.
        """
        return codecs.decode(self.data, self.codec, type, self._allow_pickle)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Payload):
            return NotImplemented
        return self.codec == other.codec and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.codec, self.data))

    def __repr__(self) -> str:
        # Without the content, which may be secret.
        return f"Payload({self.codec}, {len(self.data)} bytes)"


class TrustedPayload(Payload, frozen=True, eq=False):
    """A payload of a storage that was opened with ``allow_pickle=True``. A dict or a database cannot mark a payload as
    trusted."""

    _allow_pickle: ClassVar[bool] = True
