"""What is wanted: services, their addresses, and who may announce them where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from roost.model.address import IPAddress
from roost.model.check import Check
from roost.model.forwarding import Forward
from roost.model.node import Node
from roost.model.sharing import Sharing
from roost.model.virtual_router import VirtualRouter

__all__ = ["Advertisement", "DesiredState", "LabelSelector", "Port", "Preference", "Service"]


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Kubernetes equality and set requirements, all of which must hold; empty matches every node.

    `match_labels` are exact pairs; `expressions` are (key, operator, values) with operator one of
    In, NotIn, Exists, DoesNotExist.
    """

    match_labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` satisfy every requirement."""
        if any(labels.get(key) != value for key, value in self.match_labels):
            return False
        return all(self._holds(labels, *expression) for expression in self.expressions)

    @staticmethod
    def _holds(labels: Mapping[str, str], key: str, operator: str, values: tuple[str, ...]) -> bool:
        match operator:
            case "In":
                return labels.get(key) in values
            case "NotIn":
                return labels.get(key) not in values
            case "Exists":
                return key in labels
            case _:
                return key not in labels


@dataclass(frozen=True, slots=True)
class Preference:
    """Adds `weight` (1..100) to the score of every node that `selector` matches."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One rule that lets nodes announce a service: MetalLB's L2Advertisement, already resolved.

    A node is covered when it is in `names`, or when any of `selectors` matches its labels; both
    empty covers every node. `interfaces` are regular expressions for whole names; None allows all.
    """

    name: str
    names: frozenset[str] = frozenset()
    selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] | None = None
    preferences: tuple[Preference, ...] = ()

    def covers(self, node: str, labels: Mapping[str, str]) -> bool:
        """Tell whether this advertisement lets `node` announce."""
        if not self.names and not self.selectors:
            return True
        return node in self.names or any(selector.matches(labels) for selector in self.selectors)


@dataclass(frozen=True, slots=True)
class Port:
    """A service port (host order) and its transport."""

    port: int
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


@dataclass(frozen=True, slots=True)
class Service:
    """A named service with its addresses in the order of the source; the first one is elected on.

    `endpoint_nodes` is None for externalTrafficPolicy Cluster, else the names of the nodes that
    have an endpoint able to serve (externalTrafficPolicy Local). `withheld` is why no node at all may
    announce it, "" when some may. With `on_subnet`, nodes without a link in the subnets of its addresses do
    not. `preferred` is a node that goes before others of its score. `health_port` is a TCP port (host order)
    at which each node's proxy tells whether it has an endpoint there, 0 where none does.

    With `apart_from`, an address of another service, nodes have the opposite order of that service's: so two
    are led by different nodes as long as two can, and a lost node moves only what it led. `part_of` is the
    name that people know it by, where that is another one. With `sharing` all nodes that may lead it answer,
    each its own askers. `track` is what has to be well on a node for it to lead.

    `failback` is for how many seconds a node has to be well before it takes the lead from one that ranks
    behind it: with 0 it does at once, with `math.inf` never (`roost.model.tenure`).
    What is balanced as `forward` says has its gateways among its addresses, and is elected on the first of
    them: services that share one are led by one node, or answers would go astray.
    """

    name: str
    addresses: tuple[IPAddress, ...]
    advertisements: tuple[Advertisement, ...]
    endpoint_nodes: frozenset[str] | None = None
    withheld: str = ""
    on_subnet: bool = False
    preferred: str = ""
    deliver: Literal["local", "external", "forward"] = "local"
    ports: tuple[Port, ...] = ()
    health_port: int = 0
    apart_from: IPAddress | None = None
    part_of: str = ""
    failback: float = 0.0
    vrrp: VirtualRouter | None = None
    sharing: Sharing | None = None
    track: tuple[Check, ...] = ()
    forward: Forward | None = None

    @property
    def stays(self) -> bool:
        """Whether its lead stays with the node that has it, though a better-ranked one has come."""
        return self.failback > 0 and (self.sharing is None or self.sharing.by == "connection")

    @property
    def elected_on(self) -> IPAddress:
        """The address whose hashes order the nodes."""
        if self.forward and self.forward.gateways:
            return self.forward.gateways[0]
        return self.apart_from or self.addresses[0]

    @property
    def known_as(self) -> str:
        """The name that the source, and people, know it by."""
        return self.part_of or self.name


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything a source wants, as one immutable value; services sorted by name.

    Nodes with the same `digest` want the same; "" says nothing. `nodes` are all nodes by name where the
    source knows them, None where gossip alone does.
    """

    services: tuple[Service, ...] = ()
    digest: str = ""
    nodes: Mapping[str, Node] | None = None
