"""Calls that may come a little late, so that they need no wake of their own: a process that wakes costs most.

later(seconds, call) -> with the first wake after that time, which is for something else, or soon after it
"""

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["Unhurried"]

_SLACK: Final = 0.05  # seconds that a call waits for somebody else's wake

Call = Callable[[], None]


class Unhurried:
    """Calls by what is called, each at most once; `failed` gets what one raises."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._waiting: dict[Call, tuple[float, asyncio.TimerHandle]] = {}

    def later(self, seconds: float, call: Call) -> None:
        """Call in `seconds` or a little later, instead of when it was wanted before."""
        self.cancel(call)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds + _SLACK, self._run, call)
        self._waiting[call] = loop.time() + seconds, timer

    def cancel(self, call: Call) -> None:
        """Call it no more."""
        if call in self._waiting:
            self._waiting.pop(call)[1].cancel()

    def wake(self, now: float) -> None:
        """Do what is due at `now` (the loop's time): this process is awake."""
        due = [call for call, (when, _) in self._waiting.items() if when <= now]
        for call in due:
            self._run(call)

    def close(self) -> None:
        """Call nothing any more."""
        for call in tuple(self._waiting):
            self.cancel(call)

    def _run(self, call: Call) -> None:
        self.cancel(call)
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whoever waits for it ends with it
            self._failed(error)
