"""Peers that gossip holds for dead and the LAN proves alive.

When only gossip is cut (a firewall rule on its port), both sides elect a leader for every address
and both would answer. The claims that they hear from each other settle it: the worse-ranked node
yields an address to a better-ranked peer as long as that peer is heard answering for it. While it
yields, it keeps asking for the address; when no answer comes any more, it takes over. Pure: time
comes in, addresses to ask for come out.
"""

from typing import Final

from roost.model.address import IPAddress

__all__ = ["WireTruth"]

PATIENCE: Final = 1.5  # seconds without an answer after which the peer's hold on an address ends
ASK_INTERVAL: Final = 0.4  # seconds between two asks for one address


class WireTruth:
    """The addresses that this node leads by gossip and yields to what it hears; bounded by what it leads."""

    def __init__(self, patience: float = PATIENCE, interval: float = ASK_INTERVAL) -> None:
        self._patience = patience
        self._interval = interval
        self._holders: dict[IPAddress, tuple[str, float]] = {}  # address -> (peer, until)
        self._next_ask: float | None = None

    def heard(self, address: IPAddress, peer: str, now: float) -> bool:
        """Take note that `peer`, ranked better, answers for `address`; tells whether that is news."""
        known = self._holders.get(address)
        self._holders[address] = (peer, now + self._patience)
        if self._next_ask is None:
            self._next_ask = now + self._interval
        return known is None or known[0] != peer

    def holder(self, address: IPAddress) -> str | None:
        """Return the peer that `address` is yielded to, or None."""
        holder = self._holders.get(address)
        return holder[0] if holder else None

    def forget(self, peers: frozenset[str]) -> None:
        """Drop what is yielded to `peers`: gossip sees them again and decides by itself."""
        self._holders = {address: held for address, held in self._holders.items() if held[0] not in peers}

    def wake(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        """Return (addresses whose holder has fallen silent, addresses to ask for now)."""
        silent = frozenset(address for address, (_, until) in self._holders.items() if until <= now)
        for address in silent:
            del self._holders[address]
        due = self._next_ask is not None and self._next_ask <= now
        if due or not self._holders:
            self._next_ask = now + self._interval if self._holders else None
        return silent, frozenset(self._holders) if due else frozenset()

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is yielded."""
        if not self._holders:
            return None
        first = min(until for _, until in self._holders.values())
        return first if self._next_ask is None else min(first, self._next_ask)
