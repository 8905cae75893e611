"""Signals in a process's first moments.

Importing a whole speaker takes longer than a script waits before it sends SIGHUP, whose default is
to kill. So the process catches signals before it imports anything else, and remembers a SIGHUP until somebody
can act on it (`roost.runtime.signals`). This module imports nothing slow: not even `typing`.
"""

import os
import signal
from types import FrameType

__all__ = ["catch", "catch_the_end", "remembered"]

remembered: set[int] = set()  # what came and waits for a handler


def catch() -> None:
    """Survive SIGHUP from now on, and end with exit code 0 at SIGTERM or SIGINT, until others take over."""
    signal.signal(signal.SIGHUP, lambda number, _frame: remembered.add(number))
    catch_the_end(0, b"")


def catch_the_end(code: int, words: bytes) -> None:
    """End with exit code `code`, and `words` on stderr, at SIGTERM or SIGINT, until others take over."""

    def end(_number: int, _frame: FrameType | None) -> None:
        # Nothing was begun, so nothing is to be undone; an exception could be lost in an import.
        os.write(2, words)
        os._exit(code)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
