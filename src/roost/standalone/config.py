"""The configuration of one speaker as immutable values.

What lives here: what a valid file means. What this module must not know: YAML, error messages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from roost.model.address import IPAddress, canonical
from roost.model.service import Advertisement, DesiredState, LabelSelector, Port, Service
from roost.protocols.machine import Endpoint
from roost.standalone.problems import Spot

__all__ = [
    "AnnounceConfig",
    "MembershipConfig",
    "NodeSelection",
    "ServiceConfig",
    "SpeakerConfig",
    "StatusConfig",
    "diff",
]


@dataclass(frozen=True, slots=True)
class MembershipConfig:
    """How this node takes part in gossip.

    `advertise` is what the others are told to use (`bind` when not set). A `join` target's host may
    be a hostname. `keys` are 16, 24 or 32 bytes each, the primary first; none means plain text.
    """

    bind: Endpoint
    advertise: Endpoint
    join: tuple[Endpoint, ...] = ()
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    label: bytes = b""
    profile: str = "default"


@dataclass(frozen=True, slots=True)
class NodeSelection:
    """The nodes that are named, and those that carry all of `labels`."""

    names: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """A service of the file; None for `nodes` and `interfaces` allows all."""

    name: str
    addresses: tuple[IPAddress, ...]
    nodes: NodeSelection | None = None
    interfaces: tuple[str, ...] | None = None
    ports: tuple[Port, ...] = ()

    def desired(self) -> Service:
        """Return the service as the election takes it, with one advertisement that bears its name."""
        selection = self.nodes or NodeSelection()
        advertisement = Advertisement(
            name=self.name,
            names=selection.names,
            selectors=(LabelSelector(match_labels=selection.labels),) if selection.labels else (),
            interfaces=self.interfaces,
        )
        return Service(self.name, self.addresses, (advertisement,), deliver="local", ports=self.ports)

    def plain(self) -> list[object]:
        """Return all of it as JSON-able data, the same for the same meaning."""
        nodes = self.nodes and [sorted(self.nodes.names), sorted(self.nodes.labels)]
        ports = sorted((port.port, port.protocol) for port in self.ports)
        addresses = [canonical(address) for address in self.addresses]
        return [self.name, addresses, nodes, self.interfaces and sorted(self.interfaces), ports]


@dataclass(frozen=True, slots=True)
class StatusConfig:
    """Where the speaker answers questions: a unix socket, and TCP where `http` is set."""

    socket: Path
    http: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class AnnounceConfig:
    """Gratuitous packets: frames/second over all addresses, and seconds between repeats (None: none)."""

    gratuitous_rate: int
    gratuitous_refresh: float | None = None


@dataclass(frozen=True)
class SpeakerConfig:
    """Everything that one valid file says. `membership` is None for a node that stands alone.

    `interfaces` are regular expressions for whole names (None: all that can announce), services are in
    the file's order, `termination_grace` is in seconds. `file` and `spots` (field path to place) tell
    later checks where things stand; they are no part of equality.
    """

    node: str
    labels: Mapping[str, str]
    interfaces: tuple[str, ...] | None
    membership: MembershipConfig | None
    services: tuple[ServiceConfig, ...]
    status: StatusConfig
    announce: AnnounceConfig
    termination_grace: float
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
        return DesiredState(services, MappingProxyType(dict(self.labels)))

    def _sorted(self) -> list[ServiceConfig]:
        return sorted(self.services, key=lambda service: service.name)


def diff(old: SpeakerConfig, new: SpeakerConfig) -> frozenset[str]:
    """Return the fields that differ, by attribute name, membership's as `membership.bind`, ...

    When membership comes or goes as a whole, that is `membership`.
    """
    changed = _differing(old, new)
    if old.membership and new.membership and "membership" in changed:
        inner = {f"membership.{name}" for name in _differing(old.membership, new.membership)}
        return frozenset(changed - {"membership"} | inner)
    return frozenset(changed)


def _differing(old: "SpeakerConfig | MembershipConfig", new: "SpeakerConfig | MembershipConfig") -> set[str]:
    names = (each.name for each in fields(old) if each.compare)
    return {name for name in names if getattr(old, name) != getattr(new, name)}
