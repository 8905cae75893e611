"""Who has which address, and which one is next: MetalLB's rules, decided in one place, without I/O.

Rules that MetalLB leaves to chance (the order of equal pools) go by name here. An address goes to several
services only when all of them agree on a sharing key and on where their traffic goes, and no port collides.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from roost.model.address import IPAddress, IPNetwork, canonical
from roost.model.pool import Pool, is_buggy

__all__ = ["Allocation", "AllocationError", "Allocator", "Claim", "Family", "Usage"]

_V4: Final = 4
_V6: Final = 6


class AllocationError(Exception):
    """A service cannot have the addresses that it wants; the text says why."""


class Family(Enum):
    """Which addresses a service takes."""

    IPV4 = (_V4,)
    IPV6 = (_V6,)
    DUAL = (_V4, _V6)

    @classmethod
    def of(cls, addresses: Sequence[IPAddress]) -> "Family | None":
        """Return the family of one address, or of two of different versions; None for anything else."""
        versions = tuple(sorted(address.version for address in addresses))
        return next((family for family in cls if family.value == versions), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """What decides about a service's addresses.

    `sharing` is its key, "" to share with nobody; `backend` says where its traffic goes: "" to any node,
    else the pods' selector as text. `ports` are (protocol, port).
    """

    service: str  # namespace/name
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    sharing: str = ""
    backend: str = ""
    ports: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a service holds: one address, or one of each family, all of one pool."""

    pool: str
    addresses: tuple[IPAddress, ...]
    claim: Claim


@dataclass(frozen=True, slots=True)
class Usage:
    """How many different addresses of a pool are held, by family."""

    ipv4: int = 0
    ipv6: int = 0


class Allocator:
    """All pools and all that is held. Services that hold nothing are unknown here.

    `quarantine` is how long, in seconds, a released address is not given to another service by itself; time
    comes in with the calls.
    """

    def __init__(self, pools: Iterable[Pool] = (), *, quarantine: float = 0.0) -> None:
        self._pools: dict[str, Pool] = {}
        self._held: dict[str, Allocation] = {}
        self._tenants: dict[IPAddress, dict[str, Claim]] = {}
        self._by_key: defaultdict[str, set[IPAddress]] = defaultdict(set)
        self._first_free: dict[IPNetwork, int] = {}  # offset below which all is held or in quarantine
        self._usage: defaultdict[str, dict[int, int]] = defaultdict(lambda: {_V4: 0, _V6: 0})
        self._quarantine = quarantine
        self._released: dict[IPAddress, tuple[float, str]] = {}  # -> when, by whom
        self._leaving: dict[IPAddress, str] = {}  # -> who is still seen with it
        self.set_pools(pools)

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The pools by name."""
        return self._pools

    def held_by(self, service: str) -> Allocation | None:
        """Return what `service` holds, or None."""
        return self._held.get(service)

    def tenants(self, address: IPAddress) -> Mapping[str, Claim]:
        """Return the services that hold `address`, with what they claimed it by."""
        return self._tenants.get(address, {})

    def usage(self, pool: str) -> Usage:
        """Return how many addresses of `pool` are held."""
        counts = self._usage.get(pool)
        return Usage(counts[_V4], counts[_V6]) if counts else Usage()

    def set_pools(self, pools: Iterable[Pool]) -> tuple[str, ...]:
        """Take the pools, all of them; return the services that lost what they held.

        A service whose addresses are all in one of the new pools keeps them, whatever the pool's name.
        """
        self._pools = {pool.name: pool for pool in sorted(pools, key=lambda pool: pool.name)}
        self._first_free.clear()
        held, self._held = self._held, {}
        self._tenants.clear()
        self._by_key.clear()
        self._usage.clear()
        lost = []
        for service, allocation in held.items():
            pool = self._pool_of(allocation.addresses)
            if pool is None:
                lost.append(service)
            else:
                self._hold(Allocation(pool.name, allocation.addresses, allocation.claim))
        return tuple(lost)

    def assign(self, claim: Claim, addresses: Sequence[IPAddress]) -> Allocation:
        """Give exactly `addresses` to a service, instead of what it held. Raises AllocationError.

        When it fails, the service holds what it held before.
        """
        texts = ", ".join(canonical(address) for address in addresses)
        if Family.of(addresses) is None:
            raise AllocationError(f"[{texts}] is neither one address nor one of each family")
        pool = self._pool_of(addresses)
        if pool is None:
            raise AllocationError(f"[{texts}] is not allowed in config")
        if not pool.allows(claim.namespace, claim.labels):
            raise AllocationError(f"pool {pool.name} is not open to {claim.service} (serviceAllocation)")
        for address in addresses:
            if refusal := self._refusal(claim, address):
                raise AllocationError(refusal)
        held = self._held.get(claim.service)
        allocation = Allocation(pool.name, tuple(addresses), claim)
        if held != allocation:
            if held is not None:
                self._let_go(held)
            self._hold(allocation)
        return allocation

    def allocate(
        self,
        claim: Claim,
        family: Family,
        now: float,
        *,
        pool: str = "",
        optional: int = 0,
    ) -> Allocation:
        """Choose addresses for a service and give them to it. Raises AllocationError.

        `pool` limits the choice to one pool, even one that gives nothing by itself. For Family.DUAL,
        `optional` is the IP version to be content with first when no pool has both; 0 wants both.
        """
        if pool:
            return self.assign(claim, self._from_pool(claim, self._named(claim, pool), family, now, optional))
        for phase in (self._pinned(claim), self._general()):
            if chosen := self._choose(claim, phase, family, now, optional):
                return self.assign(claim, chosen)
        raise AllocationError("no available IPs")

    def extend(self, claim: Claim, version: int, now: float) -> Allocation:
        """Give a service that holds one address one of IP `version` more, from the same pool.

        Raises AllocationError; the service holds what it held then.
        """
        held = self._held[claim.service]
        found = self._first(claim, self._pools[held.pool], version, now)
        if found is None:
            raise AllocationError(f"no available IPs in pool {held.pool}")
        return self.assign(claim, (*held.addresses, found))

    def release(self, service: str, now: float) -> Allocation | None:
        """Take everything from `service`; return what that was, or None when it held nothing."""
        held = self._held.get(service)
        if held is not None:
            self._let_go(held)
            if self._quarantine:
                for address in held.addresses:
                    if address not in self._tenants:
                        self._released[address] = (now, service)
        return held

    def hold_back(self, addresses: Iterable[IPAddress], service: str) -> None:
        """Give these to nobody but `service`, which held them and is still seen with them, until `let_go`."""
        self._leaving.update(dict.fromkeys(addresses, service))

    def let_go(self, service: str) -> bool:
        """Hold back nothing for `service` any more; tells whether there was anything."""
        gone = [address for address, owner in self._leaving.items() if owner == service]
        for address in gone:
            del self._leaving[address]
            self._free_again(address)
        return bool(gone)

    def next_wake(self, now: float) -> float | None:
        """Return when the next address leaves quarantine, or None; what is over is forgotten."""
        ended = [address for address, (since, _) in self._released.items() if since + self._quarantine <= now]
        for address in ended:
            del self._released[address]
            self._free_again(address)
        return min((since + self._quarantine for since, _ in self._released.values()), default=None)

    # -- choosing ----------------------------------------------------------------------------------

    def _pinned(self, claim: Claim) -> list[Pool]:
        meant = [
            (pool.restriction.rank, pool.name, pool)
            for pool in self._pools.values()
            if pool.auto_assign
            and pool.restriction is not None
            and pool.restriction.pins(claim.namespace)
            and pool.restriction.allows(claim.namespace, claim.labels)
        ]
        return [pool for _, _, pool in sorted(meant, key=lambda each: each[:2])]

    def _general(self) -> list[Pool]:
        return [pool for pool in self._pools.values() if pool.auto_assign and pool.restriction is None]

    def _named(self, claim: Claim, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            raise AllocationError(f'unknown pool "{name}"')
        if not pool.allows(claim.namespace, claim.labels):
            raise AllocationError(f"pool {name} is not open to {claim.service} (serviceAllocation)")
        return pool

    def _from_pool(
        self, claim: Claim, pool: Pool, family: Family, now: float, optional: int
    ) -> tuple[IPAddress, ...]:
        chosen = self._choose(claim, [pool], family, now, optional)
        if not chosen:
            raise AllocationError(f"no available IPs in pool {pool.name}")
        return chosen

    def _choose(
        self, claim: Claim, pools: Sequence[Pool], family: Family, now: float, optional: int
    ) -> tuple[IPAddress, ...]:
        """Return the first addresses that all of `family` can be had of, else of what is `optional`."""
        single: dict[int, IPAddress] = {}
        for pool in pools:
            found = {version: self._first(claim, pool, version, now) for version in family.value}
            whole = tuple(address for address in found.values() if address is not None)
            if len(whole) == len(family.value):
                return whole
            for version, address in found.items():
                if address is not None:
                    single.setdefault(version, address)
        if not optional:
            return ()
        for version in sorted(single, key=lambda version: version != optional):
            return (single[version],)
        return ()

    def _first(self, claim: Claim, pool: Pool, version: int, now: float) -> IPAddress | None:
        """Return the lowest acceptable address of the pool's first network that has one."""
        for network in pool.networks:
            if network.version == version:
                free = self._first_unheld(claim, pool, network, now)
                joined = self._first_shared(claim, pool, network)
                both = [address for address in (free, joined) if address is not None]
                if both:
                    return min(both, key=int)
        return None

    def _first_shared(self, claim: Claim, pool: Pool, network: IPNetwork) -> IPAddress | None:
        shared = (
            address
            for address in self._by_key.get(claim.sharing, ())
            if address.version == network.version and address in network and pool.contains(address)
        )
        open_ = (address for address in shared if self._refusal(claim, address) is None)
        return min(open_, key=int, default=None) if claim.sharing else None

    def _first_unheld(self, claim: Claim, pool: Pool, network: IPNetwork, now: float) -> IPAddress | None:
        start = self._first_free.get(network, 0)
        skipped = False
        for offset in range(start, network.num_addresses):
            address = network[offset]
            if address in self._tenants:
                continue
            if pool.avoid_buggy and is_buggy(address):
                continue
            if self._in_quarantine(address, claim, now) or self._is_leaving(address, claim):
                skipped = True
                continue
            if not skipped:
                self._first_free[network] = offset
            return address
        if not skipped:
            self._first_free[network] = network.num_addresses
        return None

    def _is_leaving(self, address: IPAddress, claim: Claim) -> bool:
        """Tell whether another service is still seen with `address`; who holds it keeps it all the same."""
        if claim.service in self._tenants.get(address, ()):
            return False
        return self._leaving.get(address, claim.service) != claim.service

    def _in_quarantine(self, address: IPAddress, claim: Claim, now: float) -> bool:
        released = self._released.get(address)
        if released is None:
            return False
        since, service = released
        return service != claim.service and now < since + self._quarantine

    # -- rules -------------------------------------------------------------------------------------

    def _pool_of(self, addresses: Sequence[IPAddress]) -> Pool | None:
        return next(
            (pool for pool in self._pools.values() if all(pool.contains(each) for each in addresses)), None
        )

    def _refusal(self, claim: Claim, address: IPAddress) -> str | None:
        """Return why `claim` cannot have `address` beside those who hold it, or None."""
        if self._is_leaving(address, claim):
            return f"{canonical(address)} is just being released by {self._leaving[address]}"
        for other in self._others(claim, address):
            text = f"can't share {canonical(address)} with {other.service}: "
            if not claim.sharing or not other.sharing:
                return f"{canonical(address)} is held by {other.service}, and not both have a sharing key"
            if claim.sharing != other.sharing:
                return f"{text}sharing keys {claim.sharing!r} and {other.sharing!r} differ"
            if claim.backend != other.backend:
                return f"{text}externalTrafficPolicy or, with Local, the selectors differ"
            if clash := sorted(claim.ports & other.ports):
                protocol, port = clash[0]
                return f"{text}both use {protocol} port {port}"
        return None

    def _others(self, claim: Claim, address: IPAddress) -> Iterator[Claim]:
        tenants = self._tenants.get(address, {})
        return (other for service, other in tenants.items() if service != claim.service)

    # -- bookkeeping -------------------------------------------------------------------------------

    def _hold(self, allocation: Allocation) -> None:
        claim = allocation.claim
        self._held[claim.service] = allocation
        for address in allocation.addresses:
            tenants = self._tenants.setdefault(address, {})
            if not tenants:
                self._usage[allocation.pool][address.version] += 1
            tenants[claim.service] = claim
            if claim.sharing:
                self._by_key[claim.sharing].add(address)
            self._released.pop(address, None)

    def _let_go(self, allocation: Allocation) -> None:
        claim = allocation.claim
        del self._held[claim.service]
        for address in allocation.addresses:
            tenants = self._tenants[address]
            del tenants[claim.service]
            if claim.sharing and not any(other.sharing == claim.sharing for other in tenants.values()):
                keyed = self._by_key[claim.sharing]
                keyed.discard(address)
                if not keyed:
                    del self._by_key[claim.sharing]
            if not tenants:
                del self._tenants[address]
                self._usage[allocation.pool][address.version] -= 1
                self._free_again(address)

    def _free_again(self, address: IPAddress) -> None:
        for network, start in self._first_free.items():
            if address.version == network.version and address in network:
                self._first_free[network] = min(start, int(address) - int(network.network_address))
