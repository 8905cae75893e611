"""Clients that still send to a node that had their address: where to look, and whom to tell. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.sightings import Sighting

__all__ = ["Backoff", "Followed"]

_WATCH: Final = 60.0  # seconds after an address was lost in which packets for it are looked for
_WATCH_ON: Final = 10.0  # seconds after the last such packet, too
_FIRST: Final = 0.04  # seconds before a client that sends on is told again, doubled each time up to:
_LAST: Final = 5.0
_REMEMBERED: Final = 1024


class Followed:
    """The addresses that other nodes lead now and packets may still come here for; times are seconds."""

    def __init__(self) -> None:
        self.packets = 0  # since the start, as the kernel counts
        self.last_packet = float("-inf")
        self._until: dict[IPAddress, float] = {}
        self._backoff = Backoff()

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """What to look at."""
        return frozenset(self._until)

    def lost(self, addresses: Iterable[IPAddress], now: float) -> None:
        """Look at these from now on."""
        self._until.update(dict.fromkeys(addresses, now + _WATCH))

    def keep(self, passed_on: Collection[IPAddress], now: float) -> bool:
        """Look only at what others lead, and not for ever; tells whether that left out any."""
        busy = now - self.last_packet < _WATCH_ON
        kept = {
            address: until
            for address, until in self._until.items()
            if address in passed_on and (busy or now < until)
        }
        changed = len(kept) != len(self._until)
        self._until = kept
        return changed

    def came(self, packets: int, seen: Iterable[Sighting], now: float) -> list[Sighting]:
        """Take packets counted and some of their senders; return those that have to be told now."""
        if packets:
            self.packets += packets
            self.last_packet = now
        return [each for each in seen if each.vip in self._until and self._backoff.due(each, now)]


class Backoff:
    """How often each client is told: at once, then at doubled distances."""

    def __init__(self) -> None:
        self._next: dict[Sighting, tuple[float, float]] = {}  # -> when, and the distance after that

    def due(self, sighting: Sighting, now: float) -> bool:
        """Tell whether the client is to be told at `now`, and count it as done."""
        when, distance = self._next.get(sighting, (now, _FIRST))
        if now < when:
            return False
        if sighting not in self._next and len(self._next) >= _REMEMBERED:
            del self._next[next(iter(self._next))]
        self._next[sighting] = (now + distance, min(2 * distance, _LAST))
        return True
