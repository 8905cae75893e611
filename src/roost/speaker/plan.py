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

    Of what it would lead, it leads `only` these addresses when they are given.
    """
    leading: dict[IPAddress, tuple[str, ...] | None] = {}
    passed_on: set[IPAddress] = set()
    known: set[IPAddress] = set()
    local: set[IPAddress] = set()
    for ranking in rankings:
        service = ranking.service
        if service.name in refused:
            continue
        known.update(service.addresses)
        if service.deliver == "local":
            local.update(service.addresses)
        if ranking.leader == me:
            patterns = interfaces_of(service, candidates[me].node)
            wanted = (each for each in service.addresses if only is None or each in only)
            leading.update(dict.fromkeys(wanted, patterns))
        elif ranking.leader is not None:
            passed_on.update(service.addresses)
    return Plan(leading, frozenset(passed_on), frozenset(known), frozenset(local))
