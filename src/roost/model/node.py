"""Nodes as the election sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from roost.model.address import IPAddress, IPNetwork

__all__ = ["Candidate", "Node", "Verdict", "willing"]


class Verdict(Enum):
    """What is held of a node; `active` ones may lead, `reluctant` ones for want of another."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DRAINING = "draining"
    DAMPED = "damped"
    NOT_READY = "not ready"
    OUTDATED = "outdated"
    LEAVING = "leaving"
    PROCESS_GONE = "process gone"
    UNREACHABLE = "unreachable"
    DEAD = "dead"

    def of(self, node: str) -> str:
        """Return the clause that says it of `node`."""
        return f"{node}'s process is gone" if self is Verdict.PROCESS_GONE else f"{node} is {self.value}"

    @property
    def active(self) -> bool:
        """Whether a node with this verdict is a candidate (MetalLB counts suspects too)."""
        return self in (Verdict.ALIVE, Verdict.SUSPECT)

    @property
    def lost(self) -> bool:
        """Whether a node with this verdict went without a word."""
        return self in (Verdict.DEAD, Verdict.UNREACHABLE, Verdict.PROCESS_GONE)

    @property
    def reluctant(self) -> bool:
        """Whether a node with this verdict leads only what no active one can."""
        return self in (Verdict.DRAINING, Verdict.DAMPED, Verdict.NOT_READY, Verdict.OUTDATED)


@dataclass(frozen=True, slots=True)
class Node:
    """A node's static facts, from its gossip metadata or its Kubernetes object."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    network_unavailable: bool = False
    excluded: bool = False  # node.kubernetes.io/exclude-from-external-load-balancers
    speaker: bool = True  # False for a member that gossips but announces nothing
    shares: bool = True  # False for one whose speaker knows only leaders
    can_announce: bool = True  # False while no interface of the node can announce
    interfaces: tuple[str, ...] | None = None  # those that can announce now, where that is known
    networks: tuple[IPNetwork, ...] | None = None  # of its announcing links, where that is known
    ready: bool = True  # False for one that its kubelet or the control plane gave up
    registered: bool = True  # False for a member that the source of services does not know
    unable: frozenset[IPAddress] = frozenset()  # addresses that it cannot hold, by its own word


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node together with the detector's verdict and the evidence for it.

    A `deaf` one hears nobody, or its links flap, by its own word: it leads what no other reluctant one can.
    """

    node: Node
    verdict: Verdict = Verdict.ALIVE
    evidence: str = ""
    deaf: bool = False


def willing(candidates: Mapping[str, Candidate]) -> tuple[Callable[[str], bool], ...]:
    """Return who leads, by name: the active ones, else the reluctant ones, else those that are deaf, too."""
    return (
        lambda node: candidates[node].verdict.active,
        lambda node: candidates[node].verdict.reluctant and not candidates[node].deaf,
        lambda node: candidates[node].verdict.reluctant,
    )
