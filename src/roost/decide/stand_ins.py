"""Peers that answer for what others lead, and when to look whether they still do. Pure.

Nobody watches a node by what it answers in another one's place. It may die right after its first claim, or
stand in for long, where a leader does not know an address; and gossip may not reach whoever is next. So one
address shows again and again that it is there.
"""

from collections.abc import Callable, Collection
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.machine import soonest

__all__ = ["StandIns"]

_DISTANCE: Final = 0.2  # seconds between two looks of who would stand in next
_LAST: Final = 5.0  # seconds that the distance is doubled up to for all others


class StandIns:
    """Who is heard to answer for which address in place of its leader; times are seconds."""

    def __init__(self) -> None:
        self.by_address: dict[IPAddress, str] = {}
        self._looks: dict[str, tuple[float, float]] = {}  # -> when, and the distance after that

    def note(self, address: IPAddress, peer: str, now: float) -> None:
        """Take that `peer` is heard to stand in."""
        self.by_address[address] = peer
        self._looks.setdefault(peer, (now + _DISTANCE, _DISTANCE))

    def pop(self, address: IPAddress) -> str | None:
        """Take that nobody does any more; return who did."""
        return self.by_address.pop(address, None)

    def keep(self, led_by_others: Callable[[IPAddress, str], bool]) -> None:
        """Forget what is not led by another node than this one and who is said to stand in."""
        self.by_address = {each: peer for each, peer in self.by_address.items() if led_by_others(each, peer)}

    def answered_by(self, peers: Collection[str]) -> list[IPAddress]:
        """Return what any of `peers` answers."""
        return [each for each, peer in self.by_address.items() if peer in peers]

    def to_look_at(self, now: float, often: Callable[[IPAddress], bool]) -> list[IPAddress]:
        """Return one address for each peer to look at now; `often` tells by which it is done often."""
        found = []
        for peer, (when, distance) in list(self._looks.items()):
            if when > now:
                continue
            if answered := self.answered_by([peer]):
                mine = next(filter(often, answered), None)
                found.append(answered[0] if mine is None else mine)
                after = min(2 * distance, _LAST) if mine is None else _DISTANCE
                self._looks[peer] = now + after, after
            else:
                del self._looks[peer]
        return found

    def next_wake(self) -> float | None:
        """When `to_look_at` is wanted next, or None while nobody stands in."""
        return soonest(when for when, _ in self._looks.values())
