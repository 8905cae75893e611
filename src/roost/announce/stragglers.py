"""Clients that still send here for addresses that another node answers for now.

links, addresses -> a meter per link -> packets counted, and the clients to be told, each less and less often
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.protocols import ethernet
from roost.protocols.errors import PacketError
from roost.protocols.words.sightings import Sighting
from roost.model.link import Link
from roost.runtime.traffic_meter import TrafficMeter

__all__ = ["Backoff", "Stragglers", "sender"]

_LOOK: Final = 0.02  # seconds between two looks at the meters while packets come or may come
_LOOK_RARELY: Final = 0.25  # seconds, otherwise
_EAGER: Final = 2.0  # seconds after an address was lost or a packet came
_FIRST: Final = 0.04  # seconds before a client that sends on is told again, doubled each time up to:
_LAST: Final = 5.0
_REMEMBERED: Final = 1024
_IPV4: Final = 0x0800


class Stragglers:
    """Follows packets for some addresses; `on_stale` gets clients that have to be told where to send."""

    def __init__(self, on_stale: Callable[[Sequence[Sighting]], None]) -> None:
        self.packets = 0  # since the start, as the kernel counts
        self.last_packet = float("-inf")  # the loop's time, seconds
        self._on_stale = on_stale
        self._addresses: frozenset[IPAddress] = frozenset()
        self._meters: dict[Link, TrafficMeter] = {}
        self._seen: dict[Sighting, None] = {}
        self._backoff = Backoff()
        self._timer: asyncio.TimerHandle | None = None
        self._eager_until = float("-inf")

    def watch(self, addresses: Collection[IPAddress], links: Collection[Link]) -> None:
        """Watch for packets to exactly `addresses` that come in on `links`. Raises CapabilityError."""
        changed = frozenset(addresses) != self._addresses
        self._addresses = frozenset(addresses)
        wanted = set(links) if addresses else set()
        for link in self._meters.keys() - wanted:
            self._meters.pop(link).close()
        for link in wanted - self._meters.keys():
            try:
                self._meters[link] = TrafficMeter(link, addresses, self._on_packet)
            except OSError:  # gone since netlink told of it; it will tell that too
                continue
        if changed:
            for meter in self._meters.values():
                meter.set_addresses(addresses)
            self._eager_until = asyncio.get_running_loop().time() + _EAGER
            self._rest()
        if self._meters and self._timer is None:
            self._look()

    def close(self) -> None:
        """Stop watching."""
        self._rest()
        for meter in self._meters.values():
            meter.close()
        self._meters.clear()

    def _look(self) -> None:
        self._timer = None
        if not self._meters:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        count = sum(meter.read() for meter in self._meters.values())
        if count:
            self.packets += count
            self.last_packet = now
            self._eager_until = now + _EAGER
        if stale := [each for each in self._seen if self._backoff.due(each, now)]:
            self._on_stale(stale)
        self._seen.clear()
        pause = _LOOK if now < self._eager_until else _LOOK_RARELY
        self._timer = loop.call_later(pause, self._look)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_packet(self, data: bytes) -> None:
        try:
            found = sender(data)
        except PacketError:
            return
        if found.vip in self._addresses:
            self._seen[found] = None


class Backoff:
    """How often each client is told: at once, then at doubled distances. Pure."""

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


def sender(data: bytes) -> Sighting:
    """Return who sent an IP packet to which address, from its first bytes; raises PacketError."""
    frame = ethernet.parse(data)
    packet = frame.payload
    if frame.ethertype == _IPV4 and len(packet) >= 20:
        return Sighting(IPv4Address(packet[16:20]), IPv4Address(packet[12:16]), frame.source)
    if frame.ethertype == ethernet.IPV6 and len(packet) >= 40:
        return Sighting(IPv6Address(packet[24:40]), IPv6Address(packet[8:24]), frame.source)
    raise PacketError("no IP packet")
