"""Notices changes of Python files below the working folder; for development."""

from __future__ import annotations

import os
from pathlib import Path

_SKIPPED = {"__pycache__", "node_modules", "site-packages", "target", "venv"}


class Watch:
    """The files as they were at the last look."""

    def __init__(self) -> None:
        self._seen = _files()

    def changed(self) -> str | None:
        """A sentence about a file that has changed since the last look; ``None`` if none has."""
        now = _files()
        different, self._seen = now ^ self._seen, now
        return f"{min(str(path) for path, _ in different)} has changed" if different else None


def _files() -> set[tuple[Path, int]]:
    found: set[tuple[Path, int]] = set()
    for folder, inner, names in os.walk(Path.cwd()):
        inner[:] = [name for name in inner if name not in _SKIPPED and not name.startswith(".")]
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                try:
                    found.add((path, path.stat().st_mtime_ns))
                except OSError:
                    continue
    return found
