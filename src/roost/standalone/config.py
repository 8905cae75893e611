"""The configuration of one speaker as immutable values.

What lives here: what a valid file means. What this module must not know: YAML, error messages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from roost.model.address import IPAddress, canonical
from roost.model.check import Check
from roost.model.forwarding import Forward
from roost.model.service import Advertisement, DesiredState, LabelSelector, Port, Service
from roost.model.sharing import Sharing
from roost.model.tenure import ALWAYS, failback_text
from roost.model.virtual_router import VirtualRouter
from roost.settings import SpeakerSettings
from roost.standalone.problems import Spot

__all__ = ["NodeSelection", "ServiceConfig", "SpeakerConfig"]


@dataclass(frozen=True, slots=True)
class NodeSelection:
    """The nodes that are named, and those that carry all of `labels`."""

    names: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """A service of the file; None for `nodes` and `interfaces` allows all, for `sharing` is one leader.

    `failback` is in seconds.
    """

    name: str
    addresses: tuple[IPAddress, ...]
    nodes: NodeSelection | None = None
    interfaces: tuple[str, ...] | None = None
    ports: tuple[Port, ...] = ()
    vrrp: VirtualRouter | None = None
    forward: Forward | None = None
    sharing: Sharing | None = None
    track: tuple[Check, ...] = ()
    failback: float = ALWAYS

    def desired(self) -> Service:
        """Return the service as the election takes it, with one advertisement that bears its name."""
        selection = self.nodes or NodeSelection()
        advertisement = Advertisement(
            name=self.name,
            names=selection.names,
            selectors=(LabelSelector(match_labels=selection.labels),) if selection.labels else (),
            interfaces=self.interfaces,
        )
        return Service(
            self.name,
            (*self.addresses, *(self.forward.gateways if self.forward else ())),
            (advertisement,),
            deliver="forward" if self.forward else "local",
            ports=self.ports,
            forward=self.forward,
            sharing=self.sharing,
            track=self.track,
            failback=self.failback,
            vrrp=self.vrrp,
        )

    def plain(self) -> list[object]:
        """Return what nodes have to agree on as JSON-able data, the same for the same meaning."""
        nodes = self.nodes and [sorted(self.nodes.names), sorted(self.nodes.labels)]
        ports = sorted((port.port, port.protocol) for port in self.ports)
        addresses = [canonical(address) for address in self.addresses]
        plain: list[object] = [
            self.name,
            addresses,
            nodes,
            self.interfaces and sorted(self.interfaces),
            ports,
        ]
        if self.vrrp is not None:
            plain.append(_agreed(self.vrrp))
        if self.failback != ALWAYS:
            plain.append({"failback": failback_text(self.failback)})
        if self.forward is not None:
            plain.append(_plain(self.forward))
        if self.sharing is not None:
            plain.append([self.sharing.by, sorted(self.sharing.weights)])
        return plain


def _agreed(router: VirtualRouter) -> list[object]:
    """Return what all nodes of a virtual router have to have alike; each has its own priority and peers."""
    return [router.vrid, router.version, router.interval, router.virtual_mac, router.group]


def _plain(forward: Forward) -> list[object]:
    """Return what decides where clients go: how backends are asked is each node's own affair."""
    backends, sorry = (
        sorted((canonical(each.address), each.port, each.weight) for each in of)
        for of in (forward.backends, forward.sorry)
    )
    gateways = sorted(canonical(each) for each in forward.gateways)
    return [backends, gateways, forward.source, forward.quorum, sorry]


@dataclass(frozen=True, kw_only=True)
class SpeakerConfig(SpeakerSettings):
    """Everything that one valid file says; services are in the file's order.

    `file` and `spots` (field path to place) tell later checks where things stand; they are no part of
    equality.
    """

    services: tuple[ServiceConfig, ...]
    file: str = field(default="", compare=False)
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """A stable hash of the services, 16 hexadecimal digits: the same on nodes that want the same.

        Order of services and spelling of addresses do not count; order of addresses does.
        """
        plain = [service.plain() for service in self._sorted()]
        return sha256(json.dumps(plain, separators=(",", ":")).encode()).hexdigest()[:16]

    def desired(self) -> DesiredState:
        """Return what this file wants announced."""
        services = tuple(service.desired() for service in self._sorted())
        return DesiredState(services, self.digest)

    def _sorted(self) -> list[ServiceConfig]:
        return sorted(self.services, key=lambda service: service.name)
