"""What a supervisor decides: it keeps a number of processes at work, restarts those that die, and replaces those that ask
for it or are to be reloaded. It neither waits nor starts anything itself: `omniq.cli.supervise` does."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Child", "Supervisor"]

_log = logging.getLogger("omniq.supervisor")

#: The pause after the second death in a row, and the longest one, in seconds. Each further death doubles it; after the
#: first one there is none.
_FIRST, _LONGEST = 0.5, 30.0
#: How long a process must have been at work for its death to count as the first in a row, in seconds.
_STEADY = 10.0


class Child(Protocol):
    """A process with a worker."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None:
        """Its exit code once it has ended; that of a signal is negative."""
        ...

    def send_signal(self, number: int) -> None: ...
    def messages(self) -> list[str]:
        """What it has said since the last call: ``"ready"`` when its workers are there; when they stop by themselves
        ``"retiring"``, or ``"too large"`` if that is because of the memory."""
        ...


class _Place:
    """A process that is to be at work, and what replaces it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: Child | None = None
        #: Whether the child is at work, and since when.
        self.is_ready = False
        self.since = 0.0
        #: The process that replaces the child once it is ready.
        self.successor: Child | None = None
        #: When a process is to be started. ``None``: not.
        self.due: float | None = None
        self.deaths = 0


class Supervisor:
    """Keeps `count` processes at work.

    `start` starts a process for the place of this number. `lasting`: whether a process that fails as it starts is waited
    for to be mended, which a reload tries; otherwise, if none has ever been ready, its exit code is the supervisor's.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[int], Child],
        clock: Callable[[], float] = time.monotonic,
        lasting: bool = False,
    ) -> None:
        self._start = start
        self._clock = clock
        self._lasting = lasting
        self._places = [_Place(number) for number in range(count)]
        # The first one shows whether the others can start at all, so they wait for it.
        self._places[0].due = clock()
        self._was_ready = False
        self._leaving: list[Child] = []
        self._to_reload: list[_Place] = []
        self._stops = 0
        #: The exit code of the supervisor.
        self.code = 0

    @property
    def is_over(self) -> bool:
        """Whether it was stopped, and all processes have ended."""
        return self._stops > 0 and not self._all()

    def _all(self) -> list[Child]:
        kept = [child for place in self._places for child in (place.child, place.successor) if child is not None]
        return kept + self._leaving

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stops all processes gracefully. A second call, or one for SIGQUIT, stops them at once, a third one kills
        them."""
        self._stops += 1 if self._stops or number != signal.SIGQUIT else 2
        for place in self._places:
            place.due = None
        self._to_reload = []
        sent = {1: signal.SIGTERM, 2: signal.SIGQUIT}.get(self._stops, signal.SIGKILL)
        for child in self._all():
            if sent != signal.SIGTERM or child not in self._leaving:
                child.send_signal(sent)

    def reload(self) -> None:
        """Replaces all processes, one after the other: each goes on until its successor is ready. If one does not start,
        those that are there go on."""
        if self._stops:
            return
        for place in self._places:
            self._leave(place.successor)
            place.successor, place.deaths = None, 0
        if not self._was_ready:
            self._leave(self._places[0].child)
            self._places[0].child, self._places[0].due = None, self._clock()
            return
        self._to_reload = list(self._places)

    def step(self) -> float | None:
        """Does what is to be done now. Returns after how many seconds there is more, if nothing else happens."""
        for place in self._places:
            self._follow(place)
        for child in list(self._leaving):
            code = child.poll()
            if code is not None:
                self._leaving.remove(child)
                self._note(child, code)
        if not any(place.successor for place in self._places) and self._to_reload:
            self._replace(self._to_reload.pop(0))
        now = self._clock()
        for place in self._places:
            if place.due is not None and place.due <= now:
                self._begin(place)
        dues = [place.due for place in self._places if place.due is not None]
        return max(0.0, min(dues) - now) if dues else None

    def _begin(self, place: _Place) -> None:
        place.due, place.is_ready = None, False
        place.child = self._start(place.number)
        place.since = self._clock()

    def _replace(self, place: _Place) -> None:
        if place.child is None:
            place.due = self._clock()
        else:
            place.successor = self._start(place.number)

    def _leave(self, child: Child | None) -> None:
        if child is not None:
            child.send_signal(signal.SIGTERM)
            self._leaving.append(child)

    def _follow(self, place: _Place) -> None:
        if (successor := place.successor) is not None:
            said, code = successor.messages(), successor.poll()
            if code is not None:
                place.successor, self._to_reload = None, []
                _log.error("reload: the new process %s; those that are there go on", _end(code))
            elif "ready" in said:
                self._leave(place.child)
                place.child, place.successor = successor, None
                self._ready(place)
        if (child := place.child) is None:
            return
        code = child.poll()
        said = child.messages()
        if "ready" in said:
            self._ready(place)
        retires = bool({"retiring", "too large"} & {*said}) and place.is_ready and not self._stops
        if retires and not code:
            # It ends the runs that it has begun, while the new one is at work already.
            _log.info("process %d is replaced", child.pid)
            if code is None:
                self._leaving.append(child)
            place.child = None
            if not self._succeeded(place):
                # One that is too large before its first run would be replaced without end.
                place.due = self._clock() + (self._pause(place) if "too large" in said else 0.0)
        elif code is not None:
            place.child = None
            if self._stops:
                self._note(child, code)
            else:
                self._died(place, child, code)

    def _ready(self, place: _Place) -> None:
        place.is_ready, place.since = True, self._clock()
        if not self._was_ready and not self._stops:
            self._was_ready = True
            for other in self._places:
                if other.child is None:
                    other.due = self._clock()

    def _died(self, place: _Place, child: Child, code: int) -> None:
        if not self._was_ready and code > 0:
            if not self._lasting:
                self.code = code
                self._stops = 1
            return
        if self._succeeded(place):
            return
        pause = self._pause(place)
        place.due = self._clock() + pause
        when = f"in {pause:g} seconds" if pause else "now"
        _log.error("process %d %s; another one starts %s", child.pid, _end(code), when)

    def _succeeded(self, place: _Place) -> bool:
        """Puts the successor that is starting in the place of a process that is gone, if there is one."""
        if place.successor is None:
            return False
        place.child, place.successor, place.is_ready, place.since = place.successor, None, False, self._clock()
        return True

    def _pause(self, place: _Place) -> float:
        """How long to wait before another process is started in this place."""
        if place.is_ready and self._clock() - place.since >= _STEADY:
            place.deaths = 0
        place.deaths += 1
        return 0.0 if place.deaths == 1 else min(_FIRST * 2.0 ** min(place.deaths - 2, 10), _LONGEST)

    def _note(self, child: Child, code: int) -> None:
        """A process has ended that was to end."""
        # Before a process handles signals, and after it has done so, SIGTERM ends it as such.
        if code not in (0, -signal.SIGTERM, -signal.SIGINT):
            _log.error("process %d %s", child.pid, _end(code))
            if self._stops and not self.code:
                self.code = max(code, 1)


def _end(code: int) -> str:
    if code >= 0:
        return f"has ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
