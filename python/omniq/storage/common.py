"""What all storages share: to connect, to close, and, for the blocking ones, two names for each verb."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any

from omniq._loop import run, wait

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncStorage", "Storage"]


class AsyncStorage(ABC):
    """A storage for event loops. Its subclasses are the interfaces of queues, results, events and schedules."""

    #: The Rust side's handle of this storage.
    _core: Any

    async def connect(self) -> Self:
        """Connects unless it is connected, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        await run(self._core.connect())
        return self

    @abstractmethod
    async def close(self) -> None:
        """Frees the connections.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Storage(ABC):
    """A blocking storage. Each verb has two names, ``verb`` and ``verb_sync``; a subclass defines either."""

    #: The Rust side's handle of this storage.
    _core: Any

    def __init_subclass__(cls, **options: Any) -> None:
        # A subclass that defines a verb under one of its names must have it under the other too.
        super().__init_subclass__(**options)
        for name in dir(cls):
            other = f"{name}_sync"
            if hasattr(cls, other):
                defined = next(vars(one) for one in cls.__mro__ if vars(one).keys() & {name, other})
                if other not in defined:
                    setattr(cls, other, defined[name])
                elif name not in defined:
                    setattr(cls, name, defined[other])

    def connect(self) -> Self:
        """Connects unless it is connected, and returns the storage itself.

        Raises:
            UnavailableError: If the server cannot be reached.
            ClosedError: After `close`.
        """
        wait(self._core.connect())
        return self

    @abstractmethod
    def close(self) -> None:
        """Frees the connections.

        A second call does nothing; any other verb afterwards raises `ClosedError`.
        """

    connect_sync = connect
    close_sync = close

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
