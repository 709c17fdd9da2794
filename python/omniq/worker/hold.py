"""Holds back what a signal handler would raise, while the main thread does something that must not be parted."""

from __future__ import annotations

import threading

__all__ = ["hold"]


class _Hold:
    """``with hold:`` surrounds what must not be parted; in other threads than the main one it does nothing. Blocking the
    signal would not do: it would come to another thread, and its handler runs in the main thread all the same."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending: type[BaseException] | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self._depth -= 1
            if self._depth == 0 and self._pending is not None:
                kind, self._pending = self._pending, None
                raise kind

    def raise_soon(self, kind: type[BaseException]) -> None:
        """Raises this, at the end of the block if there is one. For signal handlers."""
        if self._depth:
            self._pending = kind
        else:
            raise kind


#: The one of this process.
hold = _Hold()
