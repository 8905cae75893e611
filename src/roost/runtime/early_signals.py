"""Signals in a process's first moments.

Importing a whole speaker takes longer than a script waits before it sends SIGHUP, whose default is
to kill. So the process catches signals before it imports anything else, and remembers a SIGHUP until somebody
can act on it (`roost.runtime.signals`). This module imports nothing slow: not even `typing`.
"""

import os
import signal
from types import FrameType

__all__ = ["catch", "remembered"]

remembered: set[int] = set()  # what came and waits for a handler


def catch() -> None:
    """Survive SIGHUP from now on, and end with exit code 0 at SIGTERM or SIGINT, until others take over."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _early)


def _early(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        remembered.add(number)
        return
    # Nothing was begun, so nothing is to be undone; an exception could be lost in the import that it hits.
    os._exit(0)
