"""What a node does for the clients when addresses move to it or away from it.

new client  -> this host's kernel learns where it is, the successors hear of it
address won -> the kernel learns of its clients (the announcer tells them)
address lost -> whoever still sends here is counted, and reported to the new leader, who tells it
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from roost.announce.announcer import Announcer
from roost.announce.stragglers import Stragglers
from roost.model.address import IPAddress
from roost.model.election import Election
from roost.protocols.words.codec import encode
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.runtime.neighbours import Neighbours
from roost.speaker.client_gossip import ClientGossip
from roost.speaker.plan import Plan

__all__ = ["Clients"]

_ROUND: Final = 0.5  # seconds between two rounds of gossip about clients
_WATCH: Final = 60.0  # seconds after an address was lost in which packets for it are looked for
_WATCH_ON: Final = 10.0  # seconds after the last such packet, too
_SUCCESSORS: Final = 2  # nodes that are told of the clients of an address

Tell = Callable[[Iterable[str], bytes], None]


class Clients:
    """Sees to clients of node `me`; `tell(names, payload)` sends a user message to peers."""

    def __init__(self, me: str, announcer: Announcer, election: Election, tell: Tell) -> None:
        self.stragglers = Stragglers(self._report)
        self._me = me
        self._announcer = announcer
        self._election = election
        self._tell = tell
        self._gossip = ClientGossip(self._successors)
        self._neighbours = Neighbours()
        self._leading: frozenset[IPAddress] = frozenset()
        self._lost: dict[IPAddress, float] = {}  # -> when this node stops looking for packets
        self._passed_on: frozenset[IPAddress] = frozenset()
        self._peers: frozenset[str] = frozenset()

    def new(self, sighting: Sighting) -> None:
        """Take a client that this node did not know, or whose hardware address has changed."""
        if sighting.vip in self._leading:
            self._teach([sighting])
            self._gossip.add([sighting])

    def receive(self, news: News, sightings: Sequence[Sighting]) -> None:
        """Take what a peer says of clients."""
        if news is News.STALE:
            self._announcer.correct(sightings)
            self._teach(sightings)
            return
        for sighting in sightings:
            if sighting.vip in self._leading or sighting.vip in self._passed_on:
                self._announcer.clients.note(sighting)

    def follow(self, plan: Plan, peers: frozenset[str]) -> None:
        """Follow what this node leads and who else is there. Raises CapabilityError."""
        now = asyncio.get_running_loop().time()
        table = self._announcer.clients
        leading = frozenset(plan.leading)
        self._teach(table.of(leading - self._leading))
        # Whoever is new here may be sent packets by clients from before its own start.
        lost = (self._leading | (frozenset() if self._passed_on else plan.passed_on)) & plan.passed_on
        self._lost.update(dict.fromkeys(lost, now + _WATCH))
        if peers - self._peers:
            self._gossip.add(table.of(leading))
        self._leading, self._passed_on, self._peers = leading, plan.passed_on, peers
        self._watch(now)

    async def run(self) -> None:
        """Gossip and look after time limits until cancelled."""
        self._neighbours.start()
        while True:
            await asyncio.sleep(_ROUND)
            for name, payload in self._gossip.round():
                self._tell([name], payload)
            if self._lost:
                self._watch(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Stop watching and teaching."""
        self.stragglers.close()
        self._neighbours.close()

    def _watch(self, now: float) -> None:
        busy = now - self.stragglers.last_packet < _WATCH_ON
        self._lost = {
            address: until
            for address, until in self._lost.items()
            if address in self._passed_on and (busy or now < until)
        }
        self.stragglers.watch(self._lost.keys(), self._announcer.announcing)

    def _report(self, stale: Sequence[Sighting]) -> None:
        by_leader: dict[str, list[Sighting]] = {}
        for sighting in stale:
            ranking = self._election.ranking_of(sighting.vip)
            if ranking is not None and ranking.leader not in (None, self._me):
                by_leader.setdefault(str(ranking.leader), []).append(sighting)
        for leader, sightings in by_leader.items():
            for word in Sightings.batches(News.STALE, sightings):
                self._tell([leader], encode(word))

    def _successors(self, vip: IPAddress) -> list[str]:
        ranking = self._election.ranking_of(vip)
        if ranking is None:
            return []
        others = (place.node for place in ranking.places if place.node != self._me)
        return [name for name in others if name in self._peers][:_SUCCESSORS]

    def _teach(self, sightings: Iterable[Sighting]) -> None:
        links = self._announcer.announcing
        for sighting in sightings:
            for link in links:
                if any(sighting.client in interface.network for interface in link.addresses):
                    self._neighbours.learn(link.index, sighting.client, sighting.mac)
