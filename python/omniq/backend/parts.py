"""Assembles a backend from its parts, and gives access to them."""

from __future__ import annotations

from typing import Any

from omniq import _omniq, logging
from omniq._checks import refused
from omniq.errors import ConfigError
from omniq.settings import Settings, check_writing
from omniq.transaction.send import InTest

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
    #: What stands for the user's transactions while a test keeps everything in memory.
    _test: InTest | None = None

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

    def _handle(self, name: str) -> Any:
        """The Rust side's handle of this part.

        Raises:
            ConfigError: If the part is off.
        """
        given = self._given.get(name)
        if given is not None:
            return given._core
        if getattr(self.settings, name) == "off":
            raise ConfigError(f"{name} are off: configure a storage for {name} to use it")
        return getattr(self._core, "queue" if name == "tasks" else name)()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.settings}>"
