"""What the arguments of a call may lose on their way: the checks of a function's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omniq.app.fitting import is_rounded
from omniq.app.values import ROUNDED

if TYPE_CHECKING:
    from omniq._lossless import Check
    from omniq.app.signature import TaskParameter
    from omniq.app.values import Value

__all__ = ["Losses"]

#: The argument, and the reason why it is refused.
Loss = tuple[str, str]


class Losses:
    """The checks of the parameters that may lose something. `rest` and `names` are those for further arguments."""

    def __init__(
        self,
        values: Mapping[str, Value],
        places: Sequence[TaskParameter],
        rest: TaskParameter | None,
        names: TaskParameter | None,
    ) -> None:
        self._rest, self._names = rest, names
        self._by_name: dict[str, Check] = {
            name: value.loses for name, value in values.items() if value.loses is not None
        }
        #: Those of the parameters by position.
        self.by_place: list[tuple[int, str, Check]] = [
            (place, one.name, self._by_name[one.name]) for place, one in enumerate(places) if one.name in self._by_name
        ]

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def of_places(self, given: Sequence[Any], back: Sequence[Any]) -> Loss | None:
        """The first loss of a call by position."""
        for place, name, loses in self.by_place:
            if place < len(given):
                reason = loses(given[place], back[place] if place < len(back) else None)
                if reason is not None:
                    return name, reason
        return None

    def of_names(self, given: Mapping[str, Any], back: Mapping[str, Any]) -> Loss | None:
        """The first loss of a call by name."""
        back = self._with_further(back)
        for name, one in given.items():
            loses = self._by_name.get(name)
            if loses is None and self._names is not None:
                loses = self._by_name.get(self._names.name)
            if loses is None or name not in back:
                continue
            is_rest = self._rest is not None and name == self._rest.name
            pairs = zip(one, back[name], strict=False) if is_rest else [(one, back[name])]
            for pair in pairs:
                reason = loses(*pair)
                if reason is not None:
                    return name, reason
        return None

    def of_numbers(self, given: Mapping[str, Any], back: Mapping[str, Any]) -> Loss | None:
        """The first argument in which an integer has become a float of another value."""
        back = self._with_further(back)
        return next(
            ((name, ROUNDED) for name, one in given.items() if name in back and is_rounded(one, back[name])), None
        )

    def _with_further(self, back: Mapping[str, Any]) -> Mapping[str, Any]:
        return back if self._names is None else {**back, **back.get(self._names.name, {})}
