"""From rankings to what this node does: which addresses it leads, passes on, knows and terminates."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from roost.model.address import IPAddress
from roost.model.eligibility import interfaces_of
from roost.model.node import Candidate
from roost.model.ranking import Ranking

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one node does about all addresses. `leading` maps to interface patterns, None for all."""

    leading: Mapping[IPAddress, tuple[str, ...] | None] = field(default_factory=dict)
    passed_on: frozenset[IPAddress] = frozenset()  # led by another node that is active
    known: frozenset[IPAddress] = frozenset()
    local: frozenset[IPAddress] = frozenset()  # to be terminated on this host


def plan(
    me: str,
    rankings: Iterable[Ranking],
    candidates: Mapping[str, Candidate],
    refused: Collection[str],
    only: Collection[IPAddress] | None = None,
) -> Plan:
    """Return what node `me` does; services in `refused` cannot run on this host and are left alone.

    Of what it would lead, it leads `only` these addresses when they are given. An address of several
    services is answered by one node, on the interfaces of any of them that this node leads.
    """
    leading: dict[IPAddress, tuple[str, ...] | None] = {}
    known: set[IPAddress] = set()
    local: set[IPAddress] = set()
    wanted = [ranking for ranking in rankings if ranking.service.name not in refused]
    leaders = _leaders(wanted)
    for ranking in wanted:
        service = ranking.service
        known.update(service.addresses)
        if service.deliver == "local":
            local.update(service.addresses)
        if ranking.leader != me:
            continue
        patterns = interfaces_of(service, candidates[me].node)
        for address in service.addresses:
            if leaders[address] == me and (only is None or address in only):
                leading[address] = _union(leading[address], patterns) if address in leading else patterns
    passed_on = frozenset(address for address, leader in leaders.items() if leader != me)
    return Plan(leading, passed_on, frozenset(known), frozenset(local))


def _leaders(rankings: Iterable[Ranking]) -> dict[IPAddress, str]:
    """Return who leads each address: of services that share one, the first by name that has a leader says."""
    found: dict[IPAddress, tuple[str, str]] = {}
    for ranking in rankings:
        if ranking.leader is None:
            continue
        mine = (ranking.service.name, ranking.leader)
        for address in ranking.service.addresses:
            found[address] = min(found.get(address, mine), mine)
    return {address: leader for address, (_, leader) in found.items()}


def _union(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if one is None or other is None else tuple(dict.fromkeys((*one, *other)))
