"""When something is due, and whether anything can follow: worked out anew only after what may change it.

Most wakes are the witnesses', and most packets are answers to them: these have to be cheap.
"""

from collections.abc import Collection
from typing import Protocol

from roost.protocols.machine import soonest

__all__ = ["Agenda"]


class _Waking(Protocol):
    def next_wake(self) -> float | None: ...


class Agenda:
    """The agenda of a machine of parts: `witnessing` ones are busy, `others` rest most of the time."""

    def __init__(self, witnessing: Collection[_Waking], others: Collection[_Waking]) -> None:
        self._witnessing = tuple(part.next_wake for part in witnessing)
        self._others = tuple(part.next_wake for part in others)
        self.silent = False  # nothing has come in since the effects were taken
        self._changed = True  # more may follow from what came in than witnesses want
        self._planned = False  # whether `_first` is still right,
        self._stale = True  # and whether `_due` is not, which is of the others
        self._first: float | None = None
        self._due: float | None = None

    def touch(self) -> None:
        """Take that something has come in on which anything may depend."""
        self._stale = self._changed = True
        self.silent = self._planned = False

    def touch_witnesses(self) -> None:
        """Take that something has come in for the witnessing parts alone."""
        self.silent = self._planned = False

    def touch_plans(self) -> None:
        """Take that something has come in which may be due, and from which nothing else follows."""
        self._stale = True
        self.silent = self._planned = False

    def take(self) -> bool:
        """Take that all effects are taken now; tells whether more may have followed than witnesses want."""
        self.silent, self._planned = True, False
        changed, self._changed = self._changed, False
        return changed

    def next_wake(self) -> float | None:
        """Return when anything is due."""
        if not self._planned:
            witnessing = (next_wake() for next_wake in self._witnessing)
            self._first = soonest((self.next_of_others(), *witnessing))
            self._planned = True
        return self._first

    def next_of_others(self) -> float | None:
        """Return when anything but the witnessing parts is due."""
        if self._stale:
            self._due = soonest(next_wake() for next_wake in self._others)
            self._stale = False
        return self._due
