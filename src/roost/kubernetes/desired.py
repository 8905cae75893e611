"""From Services, their endpoints and MetalLB's configuration to what is to be announced. Pure.

The rules are those of MetalLB's speaker. A service that nobody may announce stays in sight, with the reason.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

from roost.kubernetes.config import L2Advertisement, collapse
from roost.kubernetes.failback import service_failback
from roost.kubernetes.resources import (
    APART_ANNOTATION,
    PREFERRED_ANNOTATION,
    Endpoints,
    KubeNode,
    KubeService,
    addresses_in,
)
from roost.kubernetes.sharing import sharing_of
from roost.model.address import IPAddress, canonical
from roost.model.node import Node
from roost.model.pool import Pool
from roost.model.service import Port, Service
from roost.model.tenure import ALWAYS, failback_text

__all__ = [
    "Policy",
    "agree",
    "desired_services",
    "fingerprint",
    "names_of_parts",
    "node_facts",
    "proxies_to_ask",
]

_SECOND: Final = "#2"  # no name of a Service has it, and none has three addresses
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class Policy:
    """The pools and advertisements in force, and the loadBalancerClass that is ours."""

    pools: tuple[Pool, ...] = ()
    advertisements: tuple[L2Advertisement, ...] = ()
    load_balancer_class: str = ""
    only_on_subnet: bool = False  # whether nodes need a link in an address's subnet
    failback: float = ALWAYS  # seconds, of Services that do not say

    def pool_of(self, addresses: Sequence[IPAddress]) -> Pool | None:
        """Return the pool whose networks hold all `addresses`, or None."""
        return next((pool for pool in self.pools if all(pool.covers(each) for each in addresses)), None)


def desired_services(
    service: KubeService, endpoints: Iterable[Endpoints], policy: Policy
) -> tuple[Service, ...]:
    """Return the service as the election takes it: nothing, one, or one for each address.

    Its annotation asks for the latter: each address has a node of its own then, where there are two.
    """
    whole = _desired_service(service, endpoints, policy)
    if whole is None:
        return ()
    if len(whole.addresses) == 1 or service.annotations.get(APART_ANNOTATION) != "true":
        return (whole,)
    first, *others = whole.addresses
    _, second = names_of_parts(whole.name)
    return (
        replace(whole, addresses=(first,)),
        replace(whole, name=second, addresses=tuple(others), apart_from=first, part_of=whole.name),
    )


def names_of_parts(name: str) -> tuple[str, str]:
    """Return the names that the two parts of a service with addresses apart have in the election."""
    return name, name + _SECOND


def _desired_service(service: KubeService, endpoints: Iterable[Endpoints], policy: Policy) -> Service | None:
    if not service.is_load_balancer or service.load_balancer_class != policy.load_balancer_class:
        return None
    try:
        addresses = addresses_in(service.ingress)
    except ValueError:
        return None
    if not addresses:
        return None
    pool = policy.pool_of(addresses)
    rules = (
        []
        if pool is None
        else [each for each in policy.advertisements if each.selects(pool.name, service.labels)]
    )
    nodes, anywhere = _able(endpoints)
    shares = service.annotation("allow-shared-ip") is not None
    reasons = (
        (pool is None, "its addresses are in no pool"),
        (not anywhere, "no endpoint of it can serve"),
        (
            shares and any(rule.services for rule in rules),
            "it may share its address, and an advertisement selects services",
        ),
    )
    return Service(
        service.key,
        addresses,
        tuple(rule.advertisement for rule in collapse(rules)),
        endpoint_nodes=nodes if service.local else None,
        withheld=next((reason for holds, reason in reasons if holds), ""),
        on_subnet=policy.only_on_subnet,
        preferred=service.annotations.get(PREFERRED_ANNOTATION, ""),
        deliver="external",
        ports=tuple(
            Port(port, protocol)  # type: ignore[arg-type]  # one of the three
            for protocol, port in service.ports
            if protocol in _PROTOCOLS
        ),
        health_port=service.health_port if service.local else 0,
        failback=service_failback(service.annotations, policy.failback),
        sharing=sharing_of(service.annotations),
    )


def proxies_to_ask(
    service: Service, endpoints: Iterable[Endpoints], node: KubeNode
) -> tuple[tuple[str, ...], ...]:
    """Return the addresses at which the kube-proxies of `node` tell whether they know `service`, by family.

    Each family has a proxy of its own. One whose family has no endpoint there says so for ever: nobody waits
    for it. MetalLB elects one node for both families, from the endpoints of either.
    """
    wanted = {address.version for address in service.addresses}
    here = {each.family for each in endpoints if node.name in each.nodes}
    found = []
    for family in sorted(wanted & here or wanted):
        hosts = tuple(host for host in node.addresses if ip_address(host).version == family)
        if hosts:
            found.append(hosts)
    return tuple(found)


def agree(services: Iterable[Service]) -> tuple[Service, ...]:
    """Return the services by name, those that share an address with one set of endpoint nodes.

    Their sets are equal in the end; while endpoints come and go one by one they are not, and one address
    must not have two leaders meanwhile. For the same reason they prefer the node of the first by name, and
    have its failback, and are shared by many nodes where that one is.
    """
    found = {service.name: service for service in sorted(services, key=lambda service: service.name)}
    by_address: defaultdict[IPAddress, list[Service]] = defaultdict(list)
    for service in found.values():
        if not service.withheld:
            by_address[service.addresses[0]].append(service)
    for group in by_address.values():
        if len(group) == 1:
            continue
        sets = [service.endpoint_nodes for service in group if service.endpoint_nodes is not None]
        common = frozenset.intersection(*sets) or frozenset.union(*sets) if sets else None
        for service in group:
            found[service.name] = replace(
                service,
                endpoint_nodes=None if service.endpoint_nodes is None else common,
                preferred=group[0].preferred,
                failback=group[0].failback,
                sharing=group[0].sharing,
            )
    return tuple(found.values())


def node_facts(node: KubeNode, *, ignore_exclude_label: bool, assumed: bool) -> Node:
    """Return a Node as the election takes it.

    With `assumed`, nobody gossips: the taint that declares a node shut down has to do for a verdict then.
    """
    excluded = node.excluded and not ignore_exclude_label
    return Node(
        node.name,
        node.labels,
        network_unavailable=node.network_unavailable,
        excluded=excluded or (assumed and node.out_of_service),
        ready=node.ready,
    )


def fingerprint(services: Iterable[Service], nodes: Mapping[str, Node]) -> str:
    """Return 16 hexadecimal digits that are the same on speakers that elect from the same facts."""
    total = 0
    for service in services:
        rules = [
            (each.name, each.interfaces, each.selectors, each.preferences) for each in service.advertisements
        ]
        local = None if service.endpoint_nodes is None else sorted(service.endpoint_nodes)
        addresses = [canonical(address) for address in service.addresses]
        apart = service.apart_from and canonical(service.apart_from)
        facts: tuple[object, ...] = (
            *(service.name, addresses, rules, local, service.withheld, service.preferred, apart),
            *((failback_text(service.failback),) if service.stays else ()),
            *(() if service.sharing is None else (service.sharing,)),
        )
        total ^= _number(facts)
    for node in nodes.values():
        total ^= _number(
            (node.name, sorted(node.labels.items()), node.network_unavailable, node.excluded, node.ready)
        )
    return f"{total:016x}"


def _able(endpoints: Iterable[Endpoints]) -> tuple[frozenset[str], bool]:
    """Return the nodes with an endpoint that can serve, and whether there is one anywhere."""
    slices = list(endpoints)
    nodes = frozenset(node for each in slices for node in each.nodes)
    return nodes, bool(nodes) or any(each.elsewhere for each in slices)


def _number(facts: object) -> int:
    return int.from_bytes(sha256(repr(facts).encode()).digest()[:8])
