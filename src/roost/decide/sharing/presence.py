"""Nodes that gossip has lost and that may answer their share of an address all the same. Pure.

Where gossip alone has lost a node, its askers are its own until nobody has heard it answer for a moment: else
each side of a split gossip would take the askers of the other, all at once.
"""

from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["Presence"]

_PATIENCE: Final = 0.1  # seconds, as for an address that gossip alone has lost the leader of
_AT: Final = 0.055  # seconds between the first two questions: one frame may be lost
_HEARD: Final = 0.4  # seconds that an answer counts
_INTERVAL: Final = 0.15  # seconds between two questions from then on


class Presence:
    """The lost nodes that count as there, and when to ask for them; times are seconds."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._presumed: set[str] = set()  # who was not heard yet
        self._ask: float | None = None

    @property
    def nodes(self) -> AbstractSet[str]:
        """Who counts as there."""
        return self._until.keys()

    def doubt(self, name: str, now: float) -> None:
        """Take that gossip alone has lost `name`: it counts as there until it was asked for."""
        if name not in self._until:
            self._until[name] = now + _PATIENCE
            self._presumed.add(name)
            self._ask = now

    def heard(self, name: str, now: float) -> bool:
        """Take that a lost node answers; tells whether that is news."""
        news = name not in self._until
        self._until[name] = now + _HEARD
        self._presumed.discard(name)
        if self._ask is None:
            self._ask = now + _INTERVAL
        return news

    def witnessed(self, name: str) -> bool:
        """Take that `name` was found gone on the wire; tells whether it counts no more for that."""
        return name in self._presumed and self.back(name)

    def back(self, name: str) -> bool:
        """Take that gossip sees `name` again; tells whether it counted as there."""
        self._presumed.discard(name)
        return self._until.pop(name, None) is not None

    def wake(self, now: float) -> tuple[frozenset[str], bool]:
        """Return (who does not count any more, whether to ask now)."""
        over = frozenset(name for name, until in self._until.items() if until <= now)
        for name in over:
            self.back(name)
        if not self._until:
            self._ask = None
        if self._ask is None or now < self._ask:
            return over, False
        self._ask = now + (_AT if self._presumed else _INTERVAL)
        return over, True

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody counts."""
        if self._ask is None:
            return None
        return min([self._ask, *self._until.values()])
