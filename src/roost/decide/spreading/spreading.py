"""Over which nodes the connections of an address are spread, and what this host is told of it. Pure.

    who may lead, what it weighs -> table of slots \
    who says that it takes some  -> who is in it    -> the same on all nodes, whoever leads: `Spread`
    who holds some, and has left -> looked at last /

All nodes have the table in force, those that do not lead as well: what clients send to a former leader goes
the same way. A node that is not in it any more keeps the connections that it has, until they end.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

from roost.decide import census
from roost.decide.connections.passing_on import PassingOn
from roost.decide.effects import SpreadOut, Tell
from roost.decide.members import ClusterMember
from roost.decide.state import State
from roost.model.address import IPAddress
from roost.model.lead import Lead
from roost.model.link import Link, reaches
from roost.model.sharing import Table, Weights, table
from roost.model.spreading import ME, NODES_LIMIT, VISITS, Spread, Station, numbered

__all__ = ["Spreading"]

_TABLES: Final = 64  # kept


class Spreading:
    """Sees to addresses whose connections are spread."""

    def __init__(self, state: State, passing_on: PassingOn) -> None:
        self.now = SpreadOut()
        self._state = state
        self._passing_on = passing_on
        self._numbers: dict[str, int] = {state.me: ME}
        self._takers: dict[IPAddress, tuple[tuple[str, ...], Weights]] = {}
        self._leaders: dict[IPAddress, str | None] = {}  # where a proxy has the connections
        self._dropped = 0
        self._doubted: float | None = None  # since when everything has to be worked out anew

    def follow(self, lead: Lead, now: float) -> None:
        """Follow over whom connections of an address are spread: who had some keeps those."""
        before, weights = self._takers.pop(lead.address, ((), ()))
        if lead.takers:
            self._takers[lead.address] = lead.takers, lead.weights
        moved = self._leader_moved(lead)
        if moved or (before, weights) != (lead.takers, lead.weights if lead.takers else ()):
            self._passing_on.takers_moved(lead.address, before, lead.takers, now)
        self.look_again(now)

    def _leader_moved(self, lead: Lead) -> bool:
        """Tell whether who leads now has to be told who has connections: nobody sends back a proxy's."""
        before = self._leaders.pop(lead.address, None)
        if not lead.takers or self._state.plan.is_delivered(lead.address):
            return False
        self._leaders[lead.address] = lead.node
        return lead.node != before

    def look_again(self, now: float) -> None:
        """Work everything out anew before the next effects leave."""
        if self._takers or self.now.spreads:
            self._doubted = now

    def flush(self) -> None:
        """Say what has changed."""
        now, self._doubted = self._doubted, None
        if now is None:
            return
        if self._state.taking.own(self._own(), now):
            self._tell(self._peers())
        others = self._others()
        spreads = {each: self._spread(self._state.plan.lead(each), names) for each, names in others.items()}
        names = {name for each in others.values() for name in each}
        places = self._places(names) if spreads else {}
        wanted = SpreadOut(spreads, places)
        if wanted != self.now:
            self.now = wanted
            self._state.spread_here = frozenset(a for a, each in spreads.items() if each.returns)
            self._state.outbox.put(wanted)

    def wake(self, now: float) -> None:
        """Say again what is taken, and follow who holds no connections any more."""
        if self._state.taking.wake(now):
            self._tell(self._peers())
        if self._state.holders.dropped != self._dropped:
            self._dropped = self._state.holders.dropped
            self.look_again(now)

    def tell(self, names: Iterable[str]) -> None:
        """Tell nodes that have come what this one takes."""
        self._tell(tuple(name for name in names if name != self._state.me))

    def table(self, lead: Lead) -> Table:
        """Return who takes which connection, of those that say that they take some."""
        there = (name for name in lead.takers if self._state.taking.takes(name, lead.address))
        return table(lead.weights, frozenset(there))

    def parts(self, lead: Lead) -> Mapping[str, float]:
        """Return which part of all new connections each node gets."""
        found = self.table(lead).parts if lead.address in self.now.spreads else {}
        return found or ({lead.node: 1.0} if lead.node else {})

    def _own(self) -> frozenset[IPAddress]:
        """Return what this node takes: what it has, where its kernel sends on what it does not know."""
        state = self._state
        if not state.spreads or state.leaving:
            return frozenset()
        return frozenset(
            address
            for address in self._takers
            if not state.plan.is_delivered(address) or address in state.delivery.ready
        )

    def _others(self) -> dict[IPAddress, list[str]]:
        """Return the addresses that this host spreads, with whoever else takes some, or has some.

        One that is alone spreads to itself: when another comes, what began before is known to be here.
        """
        return {each: self._may_have(each) for each in self._takers} if self._state.spreads else {}

    def _spread(self, lead: Lead, others: list[str]) -> Spread:
        full = self.table(lead)
        for name in (*sorted(full.there), *others):
            self._number(name)
        visits = bytes(self._numbers[name] for name in others if name in self._numbers)
        numbers = _numbered(lead.weights, full.there, tuple(sorted(self._numbers.items())))
        returns = lead.address in self._state.plan.local
        return Spread(numbers, visits[:VISITS], returns, not returns and self._passes_on(lead.address))

    def _passes_on(self, address: IPAddress) -> bool:
        """Tell whether this host asks others, by passing on, for what it does not know of an address."""
        state = self._state
        begins = address in state.answers.now or address in state.own_connections.addresses
        return state.passes_on and begins and bool(state.holders.of(address))

    def _may_have(self, address: IPAddress) -> list[str]:
        """Return who may have connections: who sends back what it does not know, then who refuses that.

        These have left and serve what they have, or are just starting.
        """
        state = self._state
        live = [name for name in self._peers() if state.taking.takes(name, address)]
        return [*live, *sorted(state.holders.of(address).keys() - {*live, state.me})]

    def _number(self, name: str) -> None:
        """Number a node, as long as there are numbers; who is long gone gives its one back."""
        if name in self._numbers:
            return
        known = {each.name for each in self._state.members} | self._state.holders.nodes
        self._numbers = {each: at for each, at in self._numbers.items() if each in known or at == ME}
        free = set(range(ME + 1, NODES_LIMIT + 1)) - set(self._numbers.values())
        if free:
            self._numbers[name] = min(free)

    def _places(self, names: Collection[str]) -> dict[tuple[int, int], Station]:
        """Return where nodes are, by (link, number)."""
        links = self._state.announcing_links
        met = (self._passing_on.met(name) for name in sorted(names & self._numbers.keys()))
        live = census.peers(self._state.members, self._state.me)
        return {
            (link, self._numbers[member.name]): Station(mac, has_left=member.name not in live)
            for member in met
            if member is not None
            for link, mac in _links_to(member, links)
        }

    def _peers(self) -> tuple[str, ...]:
        return tuple(sorted(census.peers(self._state.members, self._state.me)))

    def _tell(self, names: tuple[str, ...]) -> None:
        for word in self._state.taking.words() if names else ():
            self._state.outbox.put(Tell(names, word))


def _links_to(member: ClusterMember, links: Iterable[Link]) -> Iterable[tuple[int, bytes]]:
    """Return by which links a node is reached, and where there."""
    told = tuple(zip(member.metadata.macs, member.metadata.addresses, strict=False))
    for link in links:
        for mac, address in told:
            if address is not None and reaches(link, address):
                yield link.index, mac
                break


@lru_cache(maxsize=_TABLES)
def _numbered(weights: Weights, there: frozenset[str], numbers: tuple[tuple[str, int], ...]) -> bytes:
    return numbered(table(weights, there), dict(numbers))
