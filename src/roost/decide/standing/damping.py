"""A node that keeps getting lost waits longer each time before it leads again. Pure: time comes in.

The node itself decides and gossips its wait, so that every election passes it over alike.
"""

from typing import Final

__all__ = ["Damping"]

_FIRST: Final = 2.0  # seconds of waiting after the second loss; doubled each time up to:
_LONGEST: Final = 60.0
_SAME: Final = 1.0  # seconds in which several signs are one loss,
_SERIES: Final = 2.0  # but signs that go on for longer than this (seconds) are of another one
_MEMORY: Final = 120.0  # seconds without a loss after which all is forgiven


class Damping:
    """Losses of this node, as far as it has learned of them, and how long it has to wait."""

    def __init__(self) -> None:
        self.losses = 0
        self.wait = 0.0  # seconds, of the last loss
        self._last = float("-inf")
        self._counted = float("-inf")
        self._until = float("-inf")

    def lost(self, now: float, *, anew: bool = False) -> bool:
        """Take note that this node was lost to the others; tells whether it has to wait now.

        `anew`: it is known that this is no other sign of the last loss.
        """
        if now - self._last > _MEMORY:
            self.losses = 0
        if anew or now - self._last > _SAME or now - self._counted > _SERIES:
            self.losses += 1
            self._counted = now
            self.wait = min(_FIRST * 2 ** (self.losses - 2), _LONGEST) if self.losses > 1 else 0.0
            self._until = now + self.wait
        self._last = now
        return self.waiting(now)

    def waiting(self, now: float) -> bool:
        """Tell whether this node may not lead yet, unless nobody else can."""
        return now < self._until

    @property
    def until(self) -> float:
        """When the wait is over."""
        return self._until
