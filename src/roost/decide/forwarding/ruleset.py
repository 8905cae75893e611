"""What this host's kernel is told about balanced services, as one value: the same on all nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from roost.model.address import IPAddress
from roost.model.forwarding import Target, Virtual

__all__ = ["Ruleset", "Shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """The clients of all of `virtuals` are shared out: `slots` says which target gets which part of them."""

    virtuals: tuple[Virtual, ...]
    slots: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """`shared` are the virtuals that have targets; clients of others are refused.

    `back` is for packets of a backend (target, protocol) that belong to no known connection: they come from
    there. `masqueraded` backends see this host as their client. `held` are the addresses that packets stop
    at here, of services and gateways.
    """

    shared: tuple[Shared, ...] = ()
    back: Mapping[tuple[Target, int], Target] = field(default_factory=lambda: MappingProxyType({}))
    masqueraded: frozenset[tuple[Target, int]] = frozenset()
    held: frozenset[IPAddress] = frozenset()

    @property
    def versions(self) -> frozenset[int]:
        """The versions of IP that anything is forwarded of."""
        return frozenset(each.version for each in self.held)
