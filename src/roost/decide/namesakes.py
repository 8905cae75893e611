"""Other hosts that bear this node's name: an operator copied a configuration. Pure: time comes in.

Gossip knows one member by the name, so whoever else bears it is a stranger to the peers, and its claims would
be fought over without end. Such a host answers only where nobody else does (`contention`).
"""

from collections.abc import Collection, Mapping
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.machine import Endpoint

__all__ = ["Namesakes"]

_MEMORY: Final = 60.0  # seconds: whole states, which tell of a namesake, are exchanged more often
_MOST: Final = 8  # remembered; the one heard longest ago gives way


class Namesakes:
    """Where gossip has found this node's name beside here, and the hardware addresses there (6 bytes)."""

    def __init__(self) -> None:
        self._heard: dict[Endpoint, tuple[frozenset[bytes], float]] = {}

    def hear(self, endpoint: Endpoint, macs: Collection[bytes], now: float) -> bool:
        """Take note of one; tells whether that is news."""
        news = endpoint not in self.known(now)
        remember(self._heard, endpoint, (frozenset(macs), now), _MOST)
        return news

    def known(self, now: float) -> Mapping[Endpoint, frozenset[bytes]]:
        """Return those that were heard of lately, with their hardware addresses."""
        return {endpoint: macs for endpoint, (macs, when) in self._heard.items() if now - when <= _MEMORY}

    def are_at(self, mac: bytes, now: float) -> bool:
        """Tell whether one of them has that hardware address."""
        return any(mac in macs for macs in self.known(now).values())
