"""Peers that answer for what others lead, and when to look whether they still do. Pure.

Nobody watches a node by what it answers in another one's place. It may die right after its first claim, and
gossip may not reach whoever is next: so one address shows now and then that it is there.
"""

from collections.abc import Collection
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.machine import soonest

__all__ = ["StandIns"]

_FIRST: Final = 0.2  # seconds from its first claim to the first look at a stand-in, doubled each time up to:
_LAST: Final = 5.0


class StandIns:
    """Who is heard to answer for which address in place of its leader; times are seconds."""

    def __init__(self) -> None:
        self.by_address: dict[IPAddress, str] = {}
        self._looks: dict[str, tuple[float, float]] = {}  # -> when, and the distance after that

    def note(self, address: IPAddress, peer: str, now: float) -> None:
        """Take that `peer` is heard to stand in."""
        self.by_address[address] = peer
        self._looks.setdefault(peer, (now + _FIRST, 2 * _FIRST))

    def pop(self, address: IPAddress) -> str | None:
        """Take that nobody does any more; return who did."""
        return self.by_address.pop(address, None)

    def keep(self, addresses: Collection[IPAddress]) -> None:
        """Forget all other addresses."""
        self.by_address = {each: peer for each, peer in self.by_address.items() if each in addresses}

    def answered_by(self, peers: Collection[str]) -> list[IPAddress]:
        """Return what any of `peers` answers."""
        return [each for each, peer in self.by_address.items() if peer in peers]

    def to_look_at(self, now: float) -> list[IPAddress]:
        """Return one address for each peer that it is time to look at."""
        found = []
        for peer, (when, distance) in list(self._looks.items()):
            if when > now:
                continue
            if answered := self.answered_by([peer]):
                found.append(answered[0])
                self._looks[peer] = now + distance, min(2 * distance, _LAST)
            else:
                del self._looks[peer]
        return found

    def next_wake(self) -> float | None:
        """When `to_look_at` is wanted next, or None while nobody stands in."""
        return soonest(when for when, _ in self._looks.values())
