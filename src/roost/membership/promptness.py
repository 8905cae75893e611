"""Whose answers are worth a moment's wait: those that came a moment late the last time. Pure.

    at once -> nobody waits    a moment late -> waited for next time    in vain -> not for its next answers

To wait is to sleep, and a process on a busy host may get up late: who answers at once, and does not this
time, is not waited for.
"""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

__all__ = ["Promptness"]

_AGAIN: Final = 8  # late answers after a wait in vain, until somebody is waited for again

K = TypeVar("K", bound=Hashable)


class Promptness(Generic[K]):
    """Questions by their keys: `asked`, then `answered` or not, and what to wait for in between."""

    def __init__(self) -> None:
        self._asked: set[K] = set()  # just now
        self._open: set[K] = set()  # of these, who has not answered
        self._waited: set[K] = set()  # answered a moment late
        self._overdue: set[K] = set()  # not answered in the moment in which they were asked
        self._in_vain: dict[K, int] = {}  # late answers that are missing until it is waited for again

    def asked(self, key: K) -> None:
        """Take a question."""
        self._asked.add(key)
        self._open.add(key)

    def answered(self, key: K) -> None:
        """Take an answer."""
        if key in self._open:
            self._open.discard(key)
        elif key in self._overdue:
            self._overdue.discard(key)
            missing = self._in_vain.pop(key, 1) - 1
            if missing:
                self._in_vain[key] = missing
            else:
                self._waited.add(key)

    @property
    def open(self) -> bool:
        """Whether anything that was asked just now is not answered."""
        return bool(self._open)

    def wanted(self) -> bool:
        """Tell whether any of it is worth a wait; to be asked when all that is there was taken."""
        self._waited -= self._asked - self._open  # these have answered at once
        return bool(self._open & self._waited)

    def end(self) -> None:
        """End the moment."""
        for key in self._open & self._waited:
            self._in_vain[key] = _AGAIN
        self._waited -= self._open
        self._overdue |= self._open
        self._asked.clear()
        self._open.clear()
