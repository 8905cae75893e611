"""Pools: the addresses that may be given to services, and to which services."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, IPNetwork
from roost.model.service import LabelSelector

__all__ = ["UNCOUNTABLE", "Pool", "Restriction", "capacity", "is_buggy"]

UNCOUNTABLE: Final = 2**63 - 1  # what a 64-bit counter shows for a network of 2^62 addresses or more
_COUNTABLE_BITS: Final = 61
_BUGGY: Final = frozenset({0, 255})  # last octets that some old clients refuse


@dataclass(frozen=True, slots=True)
class Restriction:
    """To which services a pool may give addresses: MetalLB's serviceAllocation, resolved.

    `namespaces` are those named and those found by selectors; the lower a positive `priority`, the earlier
    the pool is tried, 0 comes last. Without namespaces, or without selectors, that side allows all.
    """

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    selectors: tuple[LabelSelector, ...] = ()

    def allows(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a service there with these labels may have an address of the pool."""
        if self.namespaces and namespace not in self.namespaces:
            return False
        return not self.selectors or any(selector.matches(labels) for selector in self.selectors)

    def pins(self, namespace: str) -> bool:
        """Tell whether the pool is meant for this namespace, or for services by their labels."""
        return namespace in self.namespaces or bool(self.selectors)

    @property
    def rank(self) -> tuple[bool, int]:
        """What pools are sorted by: positive priorities ascending, then those without one."""
        return self.priority <= 0, self.priority


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of addresses: disjoint `networks`, tried in this order."""

    name: str
    networks: tuple[IPNetwork, ...]
    auto_assign: bool = True  # whether services that ask for nothing get addresses of it
    avoid_buggy: bool = False  # whether IPv4 addresses that end in .0 or .255 are left out
    restriction: Restriction | None = None

    def contains(self, address: IPAddress) -> bool:
        """Tell whether `address` may be given out of this pool."""
        if self.avoid_buggy and is_buggy(address):
            return False
        return any(address.version == each.version and address in each for each in self.networks)

    def covers(self, address: IPAddress) -> bool:
        """Tell whether `address` is in one of the networks, to be avoided or not."""
        return any(address.version == each.version and address in each for each in self.networks)

    def allows(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a service there with these labels may have an address of this pool."""
        return self.restriction is None or self.restriction.allows(namespace, labels)


def is_buggy(address: IPAddress) -> bool:
    """Tell whether old clients may refuse `address`, taking it for a network's or a broadcast address."""
    return address.version == 4 and address.packed[-1] in _BUGGY


def capacity(pool: Pool, version: int) -> int:
    """Return how many addresses of IP `version` the pool can give out; at most UNCOUNTABLE."""
    return _sum(
        _usable(each, avoid_buggy=pool.avoid_buggy) for each in pool.networks if each.version == version
    )


def _usable(network: IPNetwork, *, avoid_buggy: bool) -> int:
    bits = network.max_prefixlen - network.prefixlen
    if bits > _COUNTABLE_BITS:
        return UNCOUNTABLE
    size = 1 << bits
    if not avoid_buggy or network.version == 6:
        return size
    if network.prefixlen <= 24:
        return size - 2 * (1 << (24 - network.prefixlen))
    return size - len({end for end in (network[0], network[-1]) if is_buggy(end)})


def _sum(counts: Iterable[int]) -> int:
    return min(sum(counts), UNCOUNTABLE)
