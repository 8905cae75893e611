"""One address family of one service: an instance on a link, and what is known of its peers."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.model.link import Link
from roost.model.service import Service
from roost.model.virtual_router import VirtualRouter
from roost.protocols.vrrp.machine import Instance, Ruling
from roost.protocols.vrrp.packet import CENTISECONDS, RELEASE, Checksum, Flaw, virtual_mac
from roost.protocols.vrrp.table import State

__all__ = ["PEERS", "Part", "Peer", "own_address"]

PEERS: Final = 16  # remembered for each part
_NO_ADDRESS: Final[Mapping[int, IPAddress]] = {4: IPv4Address(0), 6: IPv6Address(0)}
_GONE_AFTER: Final = 4  # intervals without an advert


@dataclass(frozen=True, slots=True)
class Peer:
    """What the last valid advert of another machine said, at `at`; `interval` in centiseconds."""

    source: IPAddress
    mac: bytes | None
    priority: int
    interval: int
    version: int
    checksum: Checksum
    at: float

    @property
    def leads_until(self) -> float:
        """Until when this advert shows that its sender leads."""
        return self.at if self.priority == RELEASE else self.at + _GONE_AFTER * self.interval / CENTISECONDS


@dataclass(slots=True, eq=False)
class Part:
    """The part of `service` with its addresses of one `family`; `fault` is why it takes no part, or ""."""

    service: Service
    router: VirtualRouter
    family: int
    instance: Instance
    link: Link | None = None
    own: IPAddress | None = None
    fault: str = "not started yet"
    peers: dict[IPAddress, Peer] = field(default_factory=dict)
    flaws: Counter[Flaw] = field(default_factory=Counter)
    adverts: int = 0  # heard and believed
    sent: int = 0

    @classmethod
    def of(cls, service: Service, router: VirtualRouter, family: int, *, arbiter: bool) -> "Part":
        """Return the part in Initialize."""
        return cls(service, router, family, Instance(ruling(router, 0, arbiter=arbiter), _NO_ADDRESS[family]))

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """The addresses of this family, in the service's order."""
        return tuple(each for each in self.service.addresses if each.version == self.family)

    @property
    def mac(self) -> bytes | None:
        """The virtual router's hardware address, where it is to be used."""
        return virtual_mac(self.router.vrid, self.family) if self.router.virtual_mac else None

    @property
    def answered_on(self) -> tuple[str, ...]:
        """Patterns of the links to answer for the addresses on: that of the adverts, unless others are named.

        A virtual hardware address is on the adverts' link alone.
        """
        named = [each.interfaces or () for each in self.service.advertisements]
        patterns = tuple(dict.fromkeys(pattern for each in named for pattern in each))
        own = (re.escape(self.link.name),) if self.link else ()
        return patterns if patterns and not self.router.virtual_mac else own

    @property
    def unicast(self) -> tuple[IPAddress, ...]:
        """Whom adverts go to; nobody by name where they go to the group."""
        return tuple(each for each in self.router.peers if each.version == self.family)

    def master(self, now: float) -> Peer | None:
        """Return who leads, as far as it is heard here."""
        if self.instance.state is State.MASTER:
            return None
        if self.instance.master is not None:
            return self.peers.get(self.instance.master.source)
        heard = [peer for peer in self.peers.values() if peer.leads_until > now]
        return max(heard, key=lambda peer: peer.at, default=None)

    def next_wake(self, now: float) -> float | None:
        """When the instance is to be woken, or who is heard to lead has fallen silent."""
        if self.instance.state is not State.INITIALIZE:
            return self.instance.next_wake()
        ends = [peer.leads_until for peer in self.peers.values() if peer.leads_until > now]
        return min(ends, default=None)


def ruling(router: VirtualRouter, weight: int, *, arbiter: bool) -> Ruling:
    """Return what the instance goes by, with the `weight` of checks; an owner's priority stays."""
    priority = router.priority if router.priority == 255 else max(1, min(254, router.priority + weight))
    return Ruling(
        router.version, priority, router.interval, router.preempt, router.preempt_delay, arbiter=arbiter
    )


def own_address(
    link: Link, family: int, beside: frozenset[IPAddress], peer: IPAddress | None
) -> IPAddress | None:
    """Return the address that adverts come from: IPv6's is link-local, but to a `peer` of another scope.

    `beside` are addresses of services, which are nobody's own.
    """
    own = [each for each in link.addresses if each.version == family and each.ip not in beside]
    if family == 6:
        local = peer is None or peer.is_link_local
        own = [each for each in own if each.ip.is_link_local == local]
    near = [each for each in own if peer is not None and peer in each.network]
    return next((each.ip for each in (*near, *own)), None)
