"""The tasks that another one runs after, with their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar, overload
from uuid import UUID

import msgspec

from omniq._texts import text_of
from omniq.errors import CodecError, ConflictError, NotFoundError
from omniq.models.enums import ResultStatus
from omniq.models.result import TaskResult

__all__ = ["Predecessor", "Predecessors"]

T = TypeVar("T")

#: Reads the value of a result.
Read: TypeAlias = Callable[[TaskResult], Any]


def _plain(result: TaskResult) -> Any:
    return result.value


class Predecessor:
    """A task that another one runs after, with its result."""

    __slots__ = ("_read", "result", "task_id")

    def __init__(self, task_id: UUID, result: TaskResult | None = None, read: Read = _plain) -> None:
        """A task with its result.

        Args:
            task_id: Its id.
            result: Its result. Default: none is kept.
            read: How the value of a result is read. Default: as its codec does.
        """
        #: Its id.
        self.task_id = task_id
        #: Its result; ``None``: none is kept (any more).
        self.result = result
        self._read = read

    @property
    def value(self) -> Any:
        """The value that it has returned, decoded at each access. Inside a task, as the function that has returned it is
        annotated, if the application knows that function.

        Raises:
            NotFoundError: If no result is kept: results are off, or its `result_ttl` is over.
            ConflictError: If it has not completed: see the status and the error of `result`.
            CodecError: If the value cannot be read.
        """
        return self._read(self._completed())

    def decode(self, kind: type[T]) -> T:
        """The value, read as this type. Errors are those of `value`.

        Args:
            kind: The type, such as ``int``.
        """
        payload = self._completed().payload
        try:
            value: T = msgspec.convert(None, kind) if payload is None else payload.decode(kind)
        except (CodecError, msgspec.ValidationError) as error:
            raise CodecError(f"the value of task {self.task_id} cannot be read as {kind}: {text_of(error)}") from error
        return value

    def _completed(self) -> TaskResult:
        if self.result is None:
            raise NotFoundError(
                f"no result of task {self.task_id}, which this one runs after, is kept: keep results for longer, by result_ttl"
            )
        if self.result.status is not ResultStatus.COMPLETED:
            raise ConflictError(
                f"task {self.task_id}, which this one runs after, has the status {self.result.status} and no value"
            )
        return self.result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predecessor):
            return NotImplemented
        return (self.task_id, self.result) == (other.task_id, other.result)

    def __hash__(self) -> int:
        return hash(self.task_id)

    def __repr__(self) -> str:
        status = "no result" if self.result is None else str(self.result.status)
        return f"<Predecessor {self.task_id} {status}>"


class Predecessors(Sequence[Predecessor]):
    """The tasks that another one runs after, in the order in which they were given."""

    __slots__ = ("_all",)

    def __init__(self, predecessors: Iterable[Predecessor] = ()) -> None:
        """These tasks.

        Args:
            predecessors: The tasks. Default: none.
        """
        self._all = tuple(predecessors)

    @classmethod
    def of(cls, found: Iterable[tuple[UUID, TaskResult | None]], read: Read = _plain) -> Predecessors:
        """Of ids with their results.

        Args:
            found: The ids with their results.
            read: How the value of a result is read. Default: as its codec does.
        """
        return cls(Predecessor(id, result, read) for id, result in found)

    @overload
    def values(self) -> list[Any]: ...
    @overload
    def values(self, kind: type[T]) -> list[T]: ...
    def values(self, kind: type[Any] | None = None) -> list[Any]:
        """The values that they have returned, in this order. Errors are those of `Predecessor.value`.

        Args:
            kind: The type that all of them are read as, such as ``int``. Default: as `Predecessor.value` reads them.
        """
        return [one.value if kind is None else one.decode(kind) for one in self._all]

    @overload
    def __getitem__(self, place: int) -> Predecessor: ...
    @overload
    def __getitem__(self, place: slice) -> Predecessors: ...
    def __getitem__(self, place: int | slice) -> Predecessor | Predecessors:
        return Predecessors(self._all[place]) if isinstance(place, slice) else self._all[place]

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == other._all if isinstance(other, Predecessors) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return f"Predecessors({list(self._all)!r})"
