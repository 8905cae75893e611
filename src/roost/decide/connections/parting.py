"""Who leaves, and from when on all others know that. Pure.

Word of it reaches one node before the next. Until all have it, packets go the way that they went before.
"""

from collections.abc import Collection
from typing import Final

from roost.protocols.machine import soonest

__all__ = ["Parting"]

_TOLD: Final = 0.15  # seconds


class Parting:
    """The nodes that leave; `known` are those of whom all others know it. Times are seconds."""

    def __init__(self) -> None:
        self.known: frozenset[str] = frozenset()
        self._told: dict[str, float] = {}  # -> when all have heard of it

    def look(self, names: Collection[str], now: float) -> None:
        """Take that exactly these leave, as far as this node has heard."""
        self._told = {name: self._told.get(name, now + _TOLD) for name in names}
        self.known &= self._told.keys()

    def wake(self, now: float) -> bool:
        """Tell whether all know of somebody from now on."""
        before, self.known = self.known, frozenset(name for name, when in self._told.items() if when <= now)
        return self.known != before

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        return soonest(when for name, when in self._told.items() if name not in self.known)
