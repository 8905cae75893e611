"""Virtual time: things that happen, in order. Seconds on one scale; nothing here is random."""

import heapq
from collections.abc import Callable
from typing import Final

__all__ = ["START", "Clock"]

START: Final = 1000.0  # seconds: time zero would hide what forgets to start from `now`


class Clock:
    """The time and what is to happen; of two things at one time the one that was planned first is first."""

    __slots__ = ("_events", "_serial", "now")

    def __init__(self) -> None:
        self.now = START
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Let `action` happen at `time`, or now if that has passed."""
        self._serial += 1
        heapq.heappush(self._events, (max(time, self.now), self._serial, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let `action` happen in `seconds`."""
        self._serial += 1
        heapq.heappush(self._events, (self.now + seconds, self._serial, action))

    def run_until(self, time: float) -> None:
        """Let everything happen that is due by `time`, and let it be that time."""
        events, pop = self._events, heapq.heappop
        while events and events[0][0] <= time:
            self.now, _, action = pop(events)
            action()
        self.now = time
