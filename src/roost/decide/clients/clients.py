"""What a node does for the clients when addresses move to it or away from it.

new client   -> this host's kernel learns where it is, the successors hear of it
address won  -> the kernel learns of its clients (they are told by unicast, see `announcing`)
address lost -> whoever still sends here is counted, and reported to the new leader, who tells it
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from roost.decide.clients.followed import Followed
from roost.decide.clients.gossip import ClientGossip
from roost.decide.clients.table import ClientTable
from roost.decide.effects import Follow, Teach, Tell
from roost.model.address import IPAddress, in_order
from roost.model.link import Link, reaches
from roost.protocols.bounded import remember
from roost.protocols.machine import Effect
from roost.protocols.words.sightings import News, Sighting, Sightings

__all__ = ["Clients"]

_ROUND: Final = 0.5  # seconds between two rounds of gossip about clients
_HEARD: Final = 4  # remembered: whoever spoke last may prove that this node's own link works
_HOSTS: Final = 12  # others that are known from before, or from peers
_SUCCESSORS: Final = 2  # nodes that are told of the clients of an address


class Clients:
    """Sees to clients of node `me`. Times are seconds.

    `answerers(address, mac)` tells who answers the client at that MAC, and then who would in its place.
    """

    def __init__(
        self,
        me: str,
        answerers: Callable[[IPAddress, bytes], Sequence[str]],
        macs_of_peers: Callable[[], frozenset[bytes]] = frozenset,
    ) -> None:
        self.table = ClientTable()
        self.followed = Followed()
        self._heard: dict[tuple[IPAddress, bytes], None] = {}  # who asked of late, the latest last
        self._me = me
        self._answerers = answerers
        self._macs_of_peers = macs_of_peers
        self._gossip = ClientGossip(self._successors)
        self._links: Sequence[Link] = ()
        self._leading: frozenset[IPAddress] = frozenset()
        self._passed_on: frozenset[IPAddress] = frozenset()
        self._peers: frozenset[str] = frozenset()
        self._round: float | None = None
        self._reported: Follow | None = None

    def known_hosts(self) -> tuple[tuple[IPAddress, bytes], ...]:
        """Return some hosts that are no nodes, (address, MAC), who was heard last first."""
        told = ((each.client, each.mac) for each in self.table.of(self.table.addresses))
        return tuple(dict.fromkeys((*reversed(self._heard), *itertools.islice(told, _HOSTS))))

    def new(self, sighting: Sighting) -> list[Effect]:
        """Take a client that was seen; what it changes is to be done."""
        remember(self._heard, (sighting.client, sighting.mac), None, _HEARD)
        if not self.table.note(sighting) or sighting.vip not in self._leading:
            return []
        self._gossip.add([sighting])
        return self._teach([sighting])

    def told(self, sightings: Iterable[Sighting]) -> None:
        """Take what a leader says of its clients."""
        for sighting in sightings:
            if sighting.vip in self._leading or sighting.vip in self._passed_on:
                self.table.note(sighting)

    def stale(self, sightings: Iterable[Sighting]) -> list[Effect]:
        """Take what a peer says of clients that still send to it."""
        for sighting in sightings:
            self.table.note(sighting)
        return self._teach(sightings)

    def follow(
        self,
        leading: Collection[IPAddress],
        passed_on: Collection[IPAddress],
        peers: frozenset[str],
        links: Sequence[Link],
        now: float,
    ) -> list[Effect]:
        """Follow what this node leads, what others lead, who else is there, and the links that announce."""
        self._links = links
        effects = self._place(frozenset(leading), frozenset(passed_on), now)
        if peers - self._peers:
            self._gossip.add(self.table.of(in_order(self._leading)))
        self._peers = peers
        return [*effects, *self._follow()]

    def left(
        self,
        addresses: Iterable[IPAddress],
        leading: Collection[IPAddress],
        passed_on: Collection[IPAddress],
        now: float,
    ) -> list[Effect]:
        """Take `addresses` that are not answered here any more: whoever was told so still sends here.

        `leading` and `passed_on` are as in `follow`.
        """
        effects = self._place(frozenset(leading), frozenset(passed_on), now)
        self.followed.lost((each for each in addresses if each in self._passed_on), now)
        return [*effects, *self._follow()]

    def _place(
        self, leading: frozenset[IPAddress], passed_on: frozenset[IPAddress], now: float
    ) -> list[Effect]:
        """Take what this node leads, and what others do."""
        effects = self._teach(self.table.of(in_order(leading - self._leading)))
        # Led here until now, or unknown: clients may remember from before that it was here.
        self.followed.lost(passed_on - self._passed_on, now)
        self._leading, self._passed_on = leading, passed_on
        self.followed.keep(passed_on, now)
        if self._round is None:
            self._round = now + _ROUND
        return effects

    def came(self, packets: int, seen: Iterable[Sighting], now: float) -> list[Effect]:
        """Take packets that came here for addresses that others lead; their leaders tell the senders."""
        by_leader: dict[str, list[Sighting]] = {}
        for sighting in self.followed.came(packets, seen, now):
            leader = next(iter(self._answerers(sighting.vip, sighting.mac)), self._me)
            if leader != self._me:
                by_leader.setdefault(leader, []).append(sighting)
        return [
            Tell((leader,), word)
            for leader, sightings in by_leader.items()
            for word in Sightings.batches(News.STALE, sightings)
        ]

    def wake(self, now: float) -> list[Effect]:
        """Gossip, and look after time limits."""
        if self._round is None or now < self._round:
            return []
        self._round = now + _ROUND
        self.followed.keep(self._passed_on, now)
        return [*self._gossip.round(), *self._follow()]

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None before the start and while there is nothing to do."""
        return self._round if self._gossip.waiting or self.followed.addresses else None

    def _follow(self) -> list[Effect]:
        addresses = self.followed.addresses
        follow = Follow(addresses, self._macs_of_peers() if addresses else frozenset())
        if follow == self._reported:
            return []
        self._reported = follow
        return [follow]

    def _successors(self, sighting: Sighting) -> list[str]:
        names = self._answerers(sighting.vip, sighting.mac)
        return [name for name in names if name != self._me and name in self._peers][:_SUCCESSORS]

    def _teach(self, sightings: Iterable[Sighting]) -> list[Effect]:
        return [
            Teach(link.index, sighting.client, sighting.mac)
            for sighting in sightings
            for link in self._links
            if reaches(link, sighting.client)
        ]
