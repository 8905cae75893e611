"""The order of probing: every other member once per round, each round shuffled (SWIM, section 4.3).

So the time until a dead member is probed is bounded, and a newcomer is not always the last.
"""

from collections.abc import Set as AbstractSet

from roost.protocols.machine import Randomness

__all__ = ["ProbeRing"]


class ProbeRing:
    """Names in the order in which they are probed."""

    def __init__(self, random: Randomness) -> None:
        self._random = random
        self._names: list[str] = []
        self._at = 0

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str) -> None:
        """Put a new name at a random place."""
        self._names.append(name)
        place = self._random.randrange(len(self._names))
        self._names[place], self._names[-1] = self._names[-1], self._names[place]

    def step(self) -> str | None:
        """Return the next name, or None at the end of a round."""
        if self._at >= len(self._names):
            return None
        self._at += 1
        return self._names[self._at - 1]

    def restart(self, gone: AbstractSet[str]) -> None:
        """Begin a new round without the names in `gone`."""
        if gone:
            self._names = [name for name in self._names if name not in gone]
        self._random.shuffle(self._names)
        self._at = 0
