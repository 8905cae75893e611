"""Who leads what, kept up to date at the cost of what moves.

Theory of operation: a ranking changes only with a service, with a node's static facts, or with its own word
on how well it serves that one. A verdict changes nothing but who leads, and only where the node leads now (it
went), stands before the leader or holds the lead (it came back). Both sets are indexed by node, so a death
costs as many steps as services move.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import takewhile
from types import MappingProxyType
from typing import Final

from roost.model.address import IPAddress
from roost.model.fitness import FIT, Fitness
from roost.model.lead import Lead, lead
from roost.model.node import Candidate, Node, willing
from roost.model.ranking import Ranking, rank
from roost.model.service import Service
from roost.model.sharing import table

__all__ = ["Election", "Fitnesses", "Move", "Prepared"]


Fitnesses = Mapping[str, Mapping[str, Fitness]]  # service -> node -> how well it serves
_ALL_FIT: Final[Mapping[str, Fitness]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Move:
    """A service whose lead went from one node to another; None stands for nobody.

    Of a shared service also who shares it no more, and who does from now on.
    """

    service: str
    old_leader: str | None
    new_leader: str | None
    left: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rankings of services over `nodes`, worked out beforehand."""

    nodes: tuple[Node, ...]
    rankings: Mapping[str, Ranking]


class Election:
    """The rankings of all services over all known nodes; updates say what moved.

    Names of services are unique, and so are names of nodes; of several with one name the last counts.
    """

    def __init__(self, services: Iterable[Service] = (), candidates: Iterable[Candidate] = ()) -> None:
        self._holders: Mapping[IPAddress, str] = {}
        self._kept: dict[IPAddress, tuple[str, ...]] = {}
        self._candidates: dict[str, Candidate] = {}
        self._rankings: dict[str, Ranking] = {}
        self._fitness: dict[str, dict[str, Fitness]] = {}  # service -> node -> its own word, if it is not fit
        self.ranked_anew = False  # whether the last update changed more than who leads
        self._by_address: dict[IPAddress, tuple[str, ...]] = {}
        self._leads: dict[IPAddress, tuple[tuple[Ranking, ...], Lead]] = {}  # of which rankings, and that
        self._masters: dict[str, str] = {}  # of services that VRRP decides about
        self._led: defaultdict[str, set[str]] = defaultdict(set)
        self._passed_over: defaultdict[str, set[str]] = defaultdict(set)
        self._shared: set[str] = set()
        self.update_candidates(candidates)
        self.update_services(services)

    @property
    def kept(self) -> Mapping[IPAddress, tuple[str, ...]]:
        """The services whose lead stays with its holder: their names, by their first address; a live view."""
        return MappingProxyType(self._kept)

    @property
    def holders(self) -> Mapping[IPAddress, str]:
        """Who has the lead of services that stay, by their first address, as far as anybody has."""
        return MappingProxyType(dict(self._holders))

    @property
    def rankings(self) -> Mapping[str, Ranking]:
        """The ranking of every service, by its name; a live view."""
        return MappingProxyType(self._rankings)

    @property
    def candidates(self) -> Mapping[str, Candidate]:
        """Every known node, by its name; a live view."""
        return MappingProxyType(self._candidates)

    @property
    def fitness(self) -> Fitnesses:
        """What nodes have said of how well they serve each service: service -> node -> that; a live view."""
        return MappingProxyType(self._fitness)

    def led_by(self, node: str) -> frozenset[str]:
        """Return the names of the services that `node` leads, or shares."""
        return frozenset(self._led.get(node, ()))

    def find(self, key: str) -> Ranking | None:
        """Return the ranking of the service with the name, or with the address, `key`.

        Of services that share an address, it is the one that decides who leads it.
        """
        if key in self._rankings:
            return self._rankings[key]
        try:
            address = ip_address(key)
        except ValueError:
            return None
        return self.ranking_of(address)

    def ranking_of(self, address: IPAddress) -> Ranking | None:
        """Return the ranking of the service with `address`; of several, of the one that decides."""
        return self._rankings.get(self.lead_of(address).service)

    def rankings_of(self, address: IPAddress) -> tuple[Ranking, ...]:
        """Return the rankings of all services that have `address`, by name."""
        return tuple(self._rankings[name] for name in self._by_address.get(address, ()))

    def lead_of(self, address: IPAddress, without: Collection[str] = ()) -> Lead:
        """Return who leads `address`; the services named in `without` have no say."""
        rankings = self.rankings_of(address)
        if without:
            rankings = tuple(each for each in rankings if each.service.name not in without)
        if not rankings:
            return lead(address, ())
        known = self._leads.get(address)
        if known is None or known[0] != rankings:  # the same objects are not compared
            known = self._leads[address] = rankings, lead(address, rankings)
        return known[1]

    def prepare(self, services: Iterable[Service]) -> Prepared:
        """Rank what `update_services` would have to, and change nothing: any thread may do that."""
        nodes, known = self._nodes(), dict(self._rankings)
        new = [each for each in services if each.name not in known or known[each.name].service != each]
        rankings = {service.name: rank(service, nodes) for service in new}
        for ranking in rankings.values():
            if ranking.weights:
                table(ranking.weights, frozenset(name for name, _ in ranking.weights))  # remembered
        return Prepared(nodes, rankings)

    def update_services(
        self,
        services: Iterable[Service],
        prepared: Prepared | None = None,
        fitness: Fitnesses | None = None,
    ) -> tuple[Move, ...]:
        """Take the wanted services, all of them; rank the new and the changed ones; return the moves.

        A service that is gone moves to nobody. One whose addresses changed under the same leader is
        no move. What was `prepared` is ranked already, unless the nodes are others by now. Changes of
        `fitness` count at once.
        """
        for name, told in (fitness or {}).items():
            self._take_fitness(name, told)
        wanted = {service.name: service for service in services}
        by_address: defaultdict[IPAddress, list[str]] = defaultdict(list)
        for name in sorted(wanted):
            for address in wanted[name].addresses:
                by_address[address].append(name)
        self._by_address = {address: tuple(names) for address, names in by_address.items()}
        self._leads.clear()
        self._kept = _kept(wanted.values())
        self.ranked_anew = True
        moves = [self._drop(name) for name in self._rankings.keys() - wanted.keys()]
        nodes = self._nodes()
        ready = prepared.rankings if prepared is not None and prepared.nodes == nodes else {}
        for name, service in wanted.items():
            known = self._rankings.get(name)
            if known is None or known.service != service:
                ranking = ready.get(name)
                if ranking is None or ranking.service != service:
                    ranking = rank(service, nodes)
                moves.append(self._install(ranking))
            elif fitness and name in fitness:
                moves.append(self._install(known))
        return _real(moves)

    def update_candidates(
        self,
        candidates: Iterable[Candidate],
        fitness: Fitnesses | None = None,
        holders: Mapping[IPAddress, str] | None = None,
    ) -> tuple[Move, ...]:
        """Take all known nodes with their verdicts, and changes of `fitness`; return the moves.

        Changed static facts, a new node or a forgotten one rank that node anew in every service; a
        changed verdict touches only the services that the node led or would lead, changed fitness only those
        that it is about. `holders` say who has the lead of a service that stays, by its first address.
        """
        self._holders = holders or {}
        for service, nodes in (fitness or {}).items():
            self._take_fitness(service, nodes)
        old, self._candidates = self._candidates, {each.node.name: each for each in candidates}
        changed = {
            name: self._candidates[name].node if name in self._candidates else None
            for name in old.keys() | self._candidates.keys()
            if name not in old
            or name not in self._candidates
            or old[name].node != self._candidates[name].node
        }
        self.ranked_anew = bool(changed)
        if changed:
            moves = [self._install(ranking.with_nodes(changed)) for ranking in tuple(self._rankings.values())]
        else:
            unsettled = self._unsettled(old) | ((fitness or {}).keys() & self._rankings.keys())
            moves = [self._install(self._rankings[name]) for name in unsettled | self._held_by_others()]
        return _real(moves)

    def follow_masters(self, masters: Mapping[str, str | None]) -> tuple[Move, ...]:
        """Take who leads some services that VRRP decides about (name -> node), and return the moves."""
        self.ranked_anew = False
        changed = [name for name, node in masters.items() if self._masters.get(name) != node]
        for name in changed:
            if (node := masters[name]) is None:
                self._masters.pop(name, None)
            else:
                self._masters[name] = node
        return _real(self._install(self._rankings[name]) for name in changed if name in self._rankings)

    def _take_fitness(self, service: str, nodes: Mapping[str, Fitness]) -> None:
        known = {**self._fitness.get(service, {}), **nodes}
        self._fitness[service] = known = {node: each for node, each in known.items() if each != FIT}
        if not known:
            del self._fitness[service]

    def _nodes(self) -> tuple[Node, ...]:
        return tuple(candidate.node for candidate in self._candidates.values())

    def _unsettled(self, old: Mapping[str, Candidate]) -> set[str]:
        """Return the services whose leader may differ now that verdicts, and nothing else, changed."""
        names: set[str] = set()
        for node, candidate in self._candidates.items():
            before, after = old[node].verdict, candidate.verdict
            same = (before.active, before.reluctant) == (after.active, after.reluctant)
            if not same or candidate.deaf is not old[node].deaf:
                names |= self._passed_over.get(node, set()) | self._led.get(node, set())
                names |= {each for each in self._shared if self._rankings[each].position(node)}
            if after.reluctant:  # where it leads for want of a better one, any other node would do
                names |= self._led.get(node, set())
        return names

    def _held_by_others(self) -> set[str]:
        """Return the services whose lead is held by another node than it was."""
        return {
            name
            for address, names in self._kept.items()
            for name in names
            if self._holders.get(address) != self._rankings[name].holder
        }

    def _install(self, ranking: Ranking) -> Move:
        service, name = ranking.service, ranking.service.name
        before = self._forget(name)
        if service.vrrp is not None:
            ranking = replace(ranking, leader=self._masters.get(name))
        else:
            holder = self._holders.get(service.addresses[0]) if service.stays else None
            if holder != ranking.holder:
                ranking = replace(ranking, holder=holder)
            ranking = ranking.with_fitness(self._fitness.get(name, _ALL_FIT))
            ranking = ranking.led_by_first(*willing(self._candidates))
        self._rankings[name] = ranking
        for node in _would_lead(ranking):
            self._passed_over[node].add(name)
        for node in ranking.answerers:
            self._led[node].add(name)
        if ranking.service.sharing is not None:
            self._shared.add(name)
        return _move(name, before, ranking)

    def _drop(self, name: str) -> Move:
        before = self._forget(name)
        del self._rankings[name]
        return _move(name, before, None)

    def _forget(self, name: str) -> Ranking | None:
        """Take the service out of the indexes; return what was known of it."""
        known = self._rankings.get(name)
        if known is None:
            return None
        for node in _would_lead(known):
            _discard(self._passed_over, node, name)
        for node in known.answerers:
            _discard(self._led, node, name)
        self._shared.discard(name)
        return known


def _kept(services: Iterable[Service]) -> dict[IPAddress, tuple[str, ...]]:
    names: defaultdict[IPAddress, list[str]] = defaultdict(list)
    for service in services:
        if service.stays:
            names[service.addresses[0]].append(service.name)
    return {address: tuple(each) for address, each in names.items()}


def _would_lead(ranking: Ranking) -> set[str]:
    """Return the nodes before the leader, and the holder: each may lead when its verdict changes."""
    ahead = takewhile(lambda node: node != ranking.leader, (place.node for place in ranking.places))
    return {*ahead, *([ranking.holder] if ranking.holder not in (None, ranking.leader) else [])}


def _discard(index: dict[str, set[str]], node: str, name: str) -> None:
    """Remove `name` under `node`, and the node with its last name: the index stays bounded."""
    names = index[node]
    names.discard(name)
    if not names:
        del index[node]


def _move(name: str, before: Ranking | None, after: Ranking | None) -> Move:
    old, new = before.leader if before else None, after.leader if after else None
    shared = (
        frozenset((*before.sharers, *before.takers) if before else ()),
        frozenset((*after.sharers, *after.takers) if after else ()),
    )
    return Move(name, old, new, shared[0] - shared[1], shared[1] - shared[0])


def _real(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Return the moves that change who leads or shares, sorted by service."""
    real = (move for move in moves if move.old_leader != move.new_leader or move.left or move.joined)
    return tuple(sorted(real, key=lambda move: move.service))
