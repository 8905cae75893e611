"""Local health: how well this node itself keeps up (Lifeguard; memberlist `awareness.go`).

A node that misses answers may be the one that is slow. Its score rises with its own failures, and the
higher it is, the longer a failing probe may take before anybody is blamed.
"""

__all__ = ["Awareness"]


class Awareness:
    """A score from 0, healthy, to `limit` - 1."""

    def __init__(self, limit: int) -> None:
        self._highest = max(limit - 1, 0)
        self._score = 0

    @property
    def score(self) -> int:
        """The current score; 0 is healthy."""
        return self._score

    def apply(self, delta: int) -> None:
        """Add `delta`, within the bounds."""
        self._score = min(max(self._score + delta, 0), self._highest)

    def scale(self, seconds: float) -> float:
        """Return `seconds` times (score + 1)."""
        return seconds * (self._score + 1)
