"""Packets that still come here for addresses that another node answers for, counted by the kernel.

links, addresses -> a meter per link -> packets and some of their senders, looked at now and then
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols import ethernet
from roost.protocols.errors import PacketError
from roost.protocols.words.sightings import Sighting
from roost.runtime.traffic_meter import TrafficMeter
from roost.runtime.unhurried import Unhurried

__all__ = ["LinkMeters", "Meters", "sender"]

_LOOK: Final = 0.02  # seconds between two looks at the meters while packets come or may come
_LOOK_RARELY: Final = 0.25  # seconds, otherwise
_EAGER: Final = 2.0  # seconds after an address was lost or a packet came


class LinkMeters:
    """A meter on each of some links; `on_packet` gets the first bytes of some packets, during `read`."""

    def __init__(self, on_packet: Callable[[bytes], None]) -> None:
        self.addresses: frozenset[IPAddress] = frozenset()
        self.beside: frozenset[bytes] = frozenset()
        self._on_packet = on_packet
        self._meters: dict[Link, TrafficMeter] = {}

    def __len__(self) -> int:
        return len(self._meters)

    def follow(
        self, addresses: Collection[IPAddress], links: Collection[Link], beside: Collection[bytes] = ()
    ) -> bool:
        """Count packets to exactly `addresses` that come in on `links`, but from the MACs `beside`.

        Tells whether others are counted than before. Raises CapabilityError.
        """
        changed = frozenset(addresses) != self.addresses or frozenset(beside) != self.beside
        self.addresses, self.beside = frozenset(addresses), frozenset(beside)
        wanted = set(links) if addresses else set()
        for link in self._meters.keys() - wanted:
            self._meters.pop(link).close()
        if changed:
            for meter in self._meters.values():
                meter.set_addresses(addresses, beside)
        for link in wanted - self._meters.keys():
            try:
                self._meters[link] = TrafficMeter(link, addresses, self._on_packet, beside)
            except OSError:  # gone since netlink told of it; it will tell that too
                continue
        return changed

    def read(self) -> Iterator[int]:
        """Yield how many packets came on each link since the last time, after some of them were shown."""
        for meter in self._meters.values():
            yield meter.read()

    def close(self) -> None:
        """Count nothing any more."""
        for meter in self._meters.values():
            meter.close()
        self._meters.clear()


class Meters:
    """Follows packets for some addresses; `on_packets(count, senders)` is called at each look.

    Looks that nobody waits for come with wakes that are for something else (`unhurried`).
    """

    def __init__(self, on_packets: Callable[[int, Iterable[Sighting]], None], unhurried: Unhurried) -> None:
        self._on_packets = on_packets
        self._unhurried = unhurried
        self._meters = LinkMeters(self._on_packet)
        self._seen: dict[Sighting, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks = False  # whether the next look is planned
        self._eager_until = float("-inf")

    @property
    def beside(self) -> frozenset[bytes]:
        """The hardware addresses from which packets are not counted."""
        return self._meters.beside

    def watch(
        self, addresses: Collection[IPAddress], links: Collection[Link], beside: Collection[bytes] = ()
    ) -> None:
        """Watch for packets to exactly `addresses` that come in on `links`, but from the MACs `beside`.

        Raises CapabilityError.
        """
        if self._meters.follow(addresses, links, beside):
            self._eager_until = asyncio.get_running_loop().time() + _EAGER
            self._rest()
        if self._meters and not self._looks:
            self._look()

    def close(self) -> None:
        """Stop watching."""
        self._rest()
        self._meters.close()

    def _look(self) -> None:
        self._rest()
        if not self._meters:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        count = sum(self._meters.read())
        if count:
            self._eager_until = now + _EAGER
        self._looks = True
        if now < self._eager_until:
            self._timer = loop.call_later(_LOOK, self._look)
        else:
            self._unhurried.later(_LOOK_RARELY, self._look)
        if count or self._seen:
            seen, self._seen = self._seen, {}
            self._on_packets(count, seen)

    def _rest(self) -> None:
        self._looks = False
        self._unhurried.cancel(self._look)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_packet(self, data: bytes) -> None:
        try:
            found = sender(data)
        except PacketError:
            return
        if found.vip in self._meters.addresses:
            self._seen[found] = None


def sender(data: bytes) -> Sighting:
    """Return who sent an IP packet to which address, from its first bytes; raises PacketError."""
    frame = ethernet.parse(data)
    packet = frame.payload
    if frame.ethertype == ethernet.IPV4 and len(packet) >= 20:
        return Sighting(IPv4Address(packet[16:20]), IPv4Address(packet[12:16]), frame.source)
    if frame.ethertype == ethernet.IPV6 and len(packet) >= 40:
        return Sighting(IPv6Address(packet[24:40]), IPv6Address(packet[8:24]), frame.source)
    raise PacketError("no IP packet")
