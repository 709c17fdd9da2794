"""Assembles a backend from its parts, and gives access to them."""

from __future__ import annotations

import types
from typing import Any, TypeVar

from omniq import _omniq, logging
from omniq._given import refused
from omniq.errors import ConfigError
from omniq.settings import Settings, check_writing

P = TypeVar("P")

#: The parts by the names of their settings, each with its class on the Rust side.
PARTS: dict[str, type[Any]] = {"tasks": _omniq.Queue, "results": _omniq.Results, "events": _omniq.Events}
#: The values that each of these settings allows.
_PLACES = {
    "tasks": "postgres, memory, the postgresql:// URL of another database",
    "results": "postgres, memory, off, the postgresql:// URL of another database",
    "events": "postgres, memory, off, the postgresql:// URL of another database",
}


class Parts:
    """The parts of a backend: those that were passed in, and those that its settings name."""

    _core: _omniq.Backend
    #: The settings that it was opened with.
    settings: Settings
    _given: dict[str, Any]

    def _assemble(self, settings: Settings, given: dict[str, Any], codec: str, allow_pickle: bool) -> None:
        self.settings = settings
        check_writing(codec, allow_pickle)
        logging.follow()
        self._given = {name: part for name, part in given.items() if part is not None}
        cores = {name: getattr(part, "_core", None) for name, part in self._given.items()}
        for name, core in cores.items():
            if not isinstance(core, PARTS[name]):
                error = refused(name, self._given[name], f"give {_PLACES[name]}, or a storage for it")
                raise ConfigError(error.message)
        self._core = _omniq.Backend(
            settings._core, codec, allow_pickle, cores.get("tasks"), cores.get("results"), cores.get("events")
        )

    def _part(self, name: str, kind: type[P]) -> P:
        given = self._given.get(name)
        if given is not None:
            if isinstance(given, kind):
                return given
            core = given._core
        elif getattr(self.settings, name) == "off":
            raise ConfigError(f"{name} are off: configure a storage for {name} to use it")
        else:
            core = getattr(self._core, "queue" if name == "tasks" else name)()
        return _native(kind, core)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.settings}>"


def _native(kind: type[P], core: Any) -> P:
    """An object with this interface for a storage of the Rust side."""
    native = _NATIVE.get(kind)
    if native is None:
        native = _NATIVE[kind] = types.new_class(kind.__name__, (kind,), {"native": True})
    part: P = object.__new__(native)
    part._core = core  # type: ignore[attr-defined]
    return part


_NATIVE: dict[Any, Any] = {}
