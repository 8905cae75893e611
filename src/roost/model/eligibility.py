"""Who may announce a service, with which preference, on which interfaces; every "no" says why.

What lives here: questions about one service and one node. What this module must not know: other
nodes, order, verdicts' history. The rules are MetalLB's, so both elect the same leader.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from roost.model.node import Candidate, Node
from roost.model.service import Advertisement, Service

__all__ = [
    "Credit",
    "Exclusion",
    "Reason",
    "credits_of",
    "exclusion_of",
    "impediment",
    "interface_allowed",
    "interfaces_of",
]


class Reason(Enum):
    """Why a node cannot lead a service; the value is the text that programs may rely on."""

    WITHHELD = "withheld"
    NOT_REGISTERED = "not registered"
    NOT_ADVERTISED = "not advertised"
    NETWORK_UNAVAILABLE = "network unavailable"
    EXCLUDED_BY_LABEL = "excluded by label"
    NO_ENDPOINT = "no endpoint"
    NO_SPEAKER = "no speaker"
    CANNOT_SHARE = "cannot share"
    NO_INTERFACE = "no interface"
    NOT_ON_SUBNET = "not on subnet"
    UNABLE = "unable"
    NOT_ACTIVE = "not active"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A node that may not lead a service, and why; `detail` is one clause for people."""

    node: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Credit:
    """The weight that one advertisement's preferences give to a node."""

    advertisement: str
    weight: int


def exclusion_of(service: Service, node: Node) -> Exclusion | None:
    """Return the first static fact that keeps `node` out of the order for `service`, or None.

    Verdicts are not looked at: a dead node keeps its place (see `impediment`).
    """
    local = service.endpoint_nodes
    rules = (
        (bool(service.withheld), Reason.WITHHELD, service.withheld),
        (not node.registered, Reason.NOT_REGISTERED, "there is no Node object of that name"),
        (not _covering(service, node), Reason.NOT_ADVERTISED, _not_covered(service)),
        (node.network_unavailable, Reason.NETWORK_UNAVAILABLE, "its network is marked unavailable"),
        (node.excluded, Reason.EXCLUDED_BY_LABEL, "a label excludes it from load balancers"),
        (not node.speaker, Reason.NO_SPEAKER, "it gossips, but no Roost speaker runs there"),
        (
            service.sharing is not None and not node.shares,
            Reason.CANNOT_SHARE,
            "another speaker runs there, which cannot share an address",
        ),
        (not node.can_announce, Reason.NO_INTERFACE, "no interface there can announce now"),
        (
            not _has_interface(service, node),
            Reason.NO_INTERFACE,
            "no interface that may announce it works there now",
        ),
        (
            service.on_subnet and not _is_on_subnet(service, node),
            Reason.NOT_ON_SUBNET,
            "none of its links is in the subnet of the address",
        ),
        (
            local is not None and node.name not in local,
            Reason.NO_ENDPOINT,
            "no endpoint there can serve and traffic must stay local",
        ),
        (
            not node.unable.isdisjoint(service.addresses),
            Reason.UNABLE,
            "that host cannot hold the address",
        ),
    )
    return next((Exclusion(node.name, reason, detail) for holds, reason, detail in rules if holds), None)


def impediment(candidate: Candidate) -> Exclusion | None:
    """Return why the detector's verdict keeps a placed node from leading right now, or None."""
    if candidate.verdict.active:
        return None
    evidence = f" ({candidate.evidence})" if candidate.evidence else ""
    return Exclusion(candidate.node.name, Reason.NOT_ACTIVE, f"{candidate.verdict.value}{evidence}")


def credits_of(service: Service, node: Node) -> tuple[Credit, ...]:
    """Return what each advertisement that covers `node` adds to its score, without the zeros."""
    found = []
    for advertisement in _covering(service, node):
        weights = (each.weight for each in advertisement.preferences if each.selector.matches(node.labels))
        if weight := sum(weights):
            found.append(Credit(advertisement.name, weight))
    return tuple(found)


def interfaces_of(service: Service, node: Node) -> tuple[str, ...] | None:
    """Return the patterns of interfaces on which `node` may announce `service`; None allows all.

    The union over the advertisements that cover the node; one without interfaces allows all. Empty
    when none covers it.
    """
    patterns: dict[str, None] = {}
    for advertisement in _covering(service, node):
        if advertisement.interfaces is None:
            return None
        patterns.update(dict.fromkeys(advertisement.interfaces))
    return tuple(patterns)


def interface_allowed(patterns: Iterable[str] | None, name: str) -> bool:
    """Tell whether the whole of `name` matches one of the regular expressions; None allows all."""
    return patterns is None or any(re.fullmatch(pattern, name) for pattern in patterns)


def _has_interface(service: Service, node: Node) -> bool:
    if node.interfaces is None:
        return True
    patterns = interfaces_of(service, node)
    return any(interface_allowed(patterns, name) for name in node.interfaces)


def _is_on_subnet(service: Service, node: Node) -> bool:
    """Tell whether each address is in the subnet of a link there; unknown subnets may be the right ones."""
    return node.networks is None or all(
        any(address.version == network.version and address in network for network in node.networks)
        for address in service.addresses
    )


def _covering(service: Service, node: Node) -> list[Advertisement]:
    return [each for each in service.advertisements if each.covers(node.name, node.labels)]


def _not_covered(service: Service) -> str:
    if not service.advertisements:
        return "nothing advertises this service"
    return f"not covered by {', '.join(each.name for each in service.advertisements)}"
