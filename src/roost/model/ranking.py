"""The order of nodes for one service: MetalLB's, so that both elect the same leader.

Higher preference score first; equal scores by the SHA-256 of node and first address, ascending. Where nodes
check whether they can serve, those that are unfit come after all others, and weights count in the score.
Computed when inputs change, not when a node dies: a node that the detector holds for dead keeps its
place, so its successor is known beforehand.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Final

from roost.model.address import canonical
from roost.model.eligibility import Credit, Exclusion, credits_of, exclusion_of
from roost.model.fitness import FIT, Fitness
from roost.model.node import Node
from roost.model.service import Service
from roost.model.sharing import Weights, table

__all__ = ["Place", "Ranking", "digest", "place_digest", "rank"]

_INVERSE: Final = bytes(range(255, -1, -1))
_DIGESTS_KEPT: Final = 1 << 14  # some 4 MB: 1,600 addresses on 10 nodes survive a reload unhashed


@dataclass(frozen=True, slots=True)
class Place:
    """A node that may lead a service, with all that its position follows from.

    `digest` is 32 bytes; `credits` say where a score other than 0 comes from. A `preferred` one goes before
    others of its score, a `shunned` one after them. `fitness` is its own word on how well it can serve.
    """

    node: str
    digest: bytes
    credits: tuple[Credit, ...] = ()
    preferred: bool = False
    shunned: bool = False
    fitness: Fitness = FIT

    @property
    def score(self) -> int:
        """The sum of the weights: of preferences, and of the node's own checks."""
        return sum(credit.weight for credit in self.credits) + self.fitness.weight

    @property
    def key(self) -> tuple[bool, int, bool, bool, bytes]:
        """What nodes are sorted by, ascending."""
        return not self.fitness.fit, -self.score, not self.preferred, self.shunned, self.digest

    @property
    def lasting_key(self) -> tuple[int, bool, bool, bytes]:
        """The same without what the node says of itself, of which others may not have heard."""
        return self.fitness.weight - self.score, not self.preferred, self.shunned, self.digest


@dataclass(frozen=True, slots=True)
class Ranking:
    """All nodes for one service: those placed, best first, and those excluded, by name.

    `leader` is the first placed node that is active, else the first that is reluctant, else the first that is
    deaf, or None; of each kind the `holder` goes first, where the lead stays with whoever has it. `sharers`
    are all of those, where the service is shared by client, `takers` where the leader spreads its connections
    over them. A position counts from 1: the index in `places` plus one.
    """

    service: Service
    places: tuple[Place, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    leader: str | None = None
    holder: str | None = None
    sharers: tuple[str, ...] = ()
    takers: tuple[str, ...] = ()

    @property
    def answerers(self) -> tuple[str, ...]:
        """Who answers: the leader, or all that share."""
        return self.sharers or ((self.leader,) if self.leader is not None else ())

    @property
    def weights(self) -> Weights:
        """What the placed nodes weigh, by name; nothing where the service is not shared."""
        sharing = self.service.sharing
        return sharing.weights_of(place.node for place in self.places) if sharing is not None else ()

    @property
    def parts(self) -> dict[str, float]:
        """Which part of all askers, or connections, each node has of those that share them; else nothing."""
        there = frozenset(self.sharers or self.takers)
        return dict(table(self.weights, there).parts) if there else {}

    def position(self, node: str) -> int | None:
        """Return the position of `node` in the order, from 1, or None when it is not placed."""
        return next((at for at, place in enumerate(self.places, 1) if place.node == node), None)

    def is_before(self, one: str, other: str) -> bool:
        """Tell whether node `one` stands before `other`; by their hashes where one has no place.

        How fit they are does not count: two that gossip does not connect would judge by different words.
        """
        keys = {place.node: place.lasting_key for place in self.places if place.node in (one, other)}
        if one in keys and other in keys:
            return keys[one] < keys[other]
        return place_digest(self.service, one) < place_digest(self.service, other)

    def led_by_first(self, *groups: Callable[[str], bool]) -> "Ranking":
        """Return the same order, led by the holder, else by the first node in the first group that has one.

        Who is unfit leads only where none of the groups has anybody fit. A shared service is shared by all of
        the group.
        """
        found = (
            (group, [place for place in self.places if place.fitness.fit is fit and group(place.node)])
            for fit in (True, False)
            for group in groups
        )
        group, first = next(((group, places) for group, places in found if places), (None, []))
        leader = self._holder_or(first[0], group) if group is not None else None
        names, sharing = tuple(place.node for place in first), self.service.sharing
        sharers = names if sharing is not None and sharing.by == "client" else ()
        takers = names if sharing is not None and sharing.by == "connection" else ()
        if (leader, sharers, takers) == (self.leader, self.sharers, self.takers):
            return self
        return replace(self, leader=leader, sharers=sharers, takers=takers)

    def _holder_or(self, first: Place, group: Callable[[str], bool]) -> str:
        """Return the holder if it is in the group of `first` and as fit, and its own checks are no worse.

        A lead that stays goes to no better node that comes; a holder that gets worse gives it up.
        """
        held = next((place for place in self.places if place.node == self.holder), first)
        able = held.fitness.fit is first.fitness.fit and group(held.node)
        return held.node if able and held.fitness.weight >= min(0, first.fitness.weight) else first.node

    def with_fitness(self, fitness: Mapping[str, Fitness]) -> "Ranking":
        """Return the order with what nodes say of themselves; who says nothing is fit."""
        if not fitness and all(place.fitness is FIT for place in self.places):
            return self  # nobody checks anything: that is quick to see
        if all(place.fitness == fitness.get(place.node, FIT) for place in self.places):
            return self
        places = [replace(place, fitness=fitness.get(place.node, FIT)) for place in self.places]
        places.sort(key=lambda place: place.key)
        return replace(self, places=tuple(places))

    def with_nodes(self, changed: Mapping[str, Node | None]) -> "Ranking":
        """Return the order after `changed` nodes came, changed or (None) went; it has no leader yet.

        Where VRRP decides there is no order.
        """
        if self.service.vrrp is not None:
            return Ranking(self.service)
        places = [place for place in self.places if place.node not in changed]
        exclusions = [exclusion for exclusion in self.exclusions if exclusion.node not in changed]
        service = self.service
        apart = service.apart_from is not None
        for node in changed.values():
            if node is None:
                continue
            if exclusion := exclusion_of(service, node):
                exclusions.append(exclusion)
            else:
                places.append(
                    Place(
                        node.name,
                        place_digest(service, node.name),
                        credits_of(service, node),
                        preferred=node.name == service.preferred and not apart,
                        shunned=node.name == service.preferred and apart,
                    )
                )
        places.sort(key=lambda place: place.key)
        exclusions.sort(key=lambda exclusion: exclusion.node)
        return Ranking(self.service, tuple(places), tuple(exclusions))


def rank(service: Service, nodes: Iterable[Node]) -> Ranking:
    """Return the order of `nodes` for `service`, without a leader yet.

    Raises IndexError for a service without addresses: there is nothing to elect for.
    """
    return Ranking(service).with_nodes({node.name: node for node in nodes})


def place_digest(service: Service, node: str) -> bytes:
    """Return the 32 bytes that order `node` for `service`: a digest, inverted for the opposite order."""
    found = digest(node, canonical(service.elected_on))
    return found if service.apart_from is None else found.translate(_INVERSE)


@lru_cache(maxsize=_DIGESTS_KEPT)
def digest(node: str, address: str) -> bytes:
    """Return SHA-256 over the UTF-8 bytes of `node`, "#" and the canonical text of an address."""
    return sha256(f"{node}#{address}".encode()).digest()
