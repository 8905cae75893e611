"""Telling the nodes that may have to take over which clients use the addresses that this node leads.

Peers hear broadcast requests themselves; unicast ones, and those from before their start, only the leader
knows. Pure: what is to be sent comes out.
"""

from collections.abc import Callable, Iterable
from typing import Final

from roost.decide.effects import Tell
from roost.protocols.words.sightings import News, Sighting, Sightings

__all__ = ["ClientGossip"]

_LIMIT: Final = 4096  # sightings waiting; as many as the table of clients holds
_PER_ROUND: Final = 200  # sightings: 8 packets for each successor


class ClientGossip:
    """Sightings on their way to those who would answer in this node's place (`successors`: names)."""

    def __init__(self, successors: Callable[[Sighting], Iterable[str]]) -> None:
        self._successors = successors
        self._untold: dict[Sighting, None] = {}

    @property
    def waiting(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._untold)

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Take clients that the successors may not know; what is too much is let go."""
        for sighting in sightings:
            if len(self._untold) >= _LIMIT:
                return
            self._untold[sighting] = None

    def round(self) -> list[Tell]:
        """Return a bounded number of words, each for the node that it goes to."""
        batch = list(self._untold)[:_PER_ROUND]
        by_node: dict[str, list[Sighting]] = {}
        for sighting in batch:
            del self._untold[sighting]
            for name in self._successors(sighting):
                by_node.setdefault(name, []).append(sighting)
        return [
            Tell((name,), word)
            for name, told in by_node.items()
            for word in Sightings.batches(News.KNOWN, told)
        ]
