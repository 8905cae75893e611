"""`deliver: local`: this host terminates a VIP, and its kernel never claims it on the wire.

An IPv4 VIP is a route, `local VIP/32 dev lo`, not an address: the kernel accepts packets for it and
programs can bind it, but it is nobody's source address, and `arp_ignore` 3 silences it. An address on lo
would still be answered for under `route_localnet`, which Kubernetes proxies switch on. An IPv6 VIP is an
address on lo, deprecated (RFC 4862 section 5.5.4: not chosen as a source) and without duplicate address
detection; the kernel answers Neighbor Solicitations only for addresses of the interface asked on. See
docs/adr/0003.

While connections outlive the process, the kernel holds their VIPs for a time that it ends itself: a route has
no such time, so an IPv4 VIP is an address on lo then, of scope host.

Both carry a mark, so what a killed predecessor left is adopted and what others put there is never removed.
Needs Linux 4.20.
"""

import asyncio
import errno
import logging
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pyroute2.iproute import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD, IFA_F_NOPREFIXROUTE

from roost.model.address import IPAddress, in_order
from roost.runtime.arp_guard import ArpGuard, LocalDeliveryError
from roost.runtime.held_addresses import (
    ADDRESS_MARK,
    LOCAL_TABLE,
    LOOPBACK,
    ROUTE_MARK,
    held_addresses,
    lingering_addresses,
)

__all__ = ["LocalDelivery", "LocalDeliveryError", "RefusedAddressesError"]

_log = logging.getLogger(__name__)

_FOREVER: Final = 0xFFFFFFFF  # seconds, RFC 4861's infinity
_SCOPE_HOST: Final = 254  # for which arp_ignore 3 keeps quiet


class RefusedAddressesError(LocalDeliveryError):
    """Some VIPs cannot be held, all others are; `reasons` has each refused one with cause and cure."""

    def __init__(self, reasons: Mapping[IPAddress, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = MappingProxyType(dict(reasons))


class LocalDelivery:
    """The VIPs that the host of the calling thread's network namespace terminates; one instance for each.

    `state_dir` keeps the ARP settings found, for a successor after a crash (a directory below /run, since a
    reboot must forget them). Methods may be called concurrently; they take turns.
    """

    def __init__(self, state_dir: Path | None = None) -> None:
        self._guard = ArpGuard(state_dir / "arp-guard.json" if state_dir is not None else None)
        self._wanted: frozenset[IPAddress] = frozenset()
        self._adopted = False  # whether what a predecessor left to end by itself lasts again
        self._lock = asyncio.Lock()

    async def set_addresses(self, addresses: frozenset[IPAddress]) -> None:
        """Hold exactly these VIPs; only the difference to what the kernel has is applied.

        Raises LocalDeliveryError when the kernel cannot be kept silent (then nothing is added), and
        RefusedAddressesError when single VIPs cannot be held.
        """
        async with self._lock:
            self._wanted = addresses
            await self._reconcile()

    async def verify(self, *, guard_only: bool = False) -> tuple[str, ...]:
        """Check guard and VIPs, repair both, and return what was repaired, in words.

        Call it when links change and now and then. `guard_only` leaves out the VIPs, whose listing costs
        far more than reading a few settings. Raises as `set_addresses` does.
        """
        async with self._lock:
            if guard_only:
                repaired = await self._guard.enforce() if self._guarding else ()
            else:
                repaired = await self._reconcile() if self._wanted else ()
        for repair in repaired:
            _log.warning("local delivery repaired: %s", repair)
        return repaired

    async def clear(self, lingering: Mapping[IPAddress, float] = MappingProxyType({})) -> None:
        """Remove every VIP, then put back the ARP settings of before. Raises LocalDeliveryError.

        Those `lingering` stay for so many seconds, and the ARP settings with IPv4 ones until the next start;
        IPv4 ones do not where the kernel would answer ARP for them.
        """
        async with self._lock:
            self._wanted &= {each for each in lingering if each.version == 6 or not _speaks_for_loopback()}
            await self._reconcile()
            async with _connect() as route:
                for address in self._wanted:
                    await _limit(route, address, lingering[address])
            if not self._guarding:
                await self._guard.release()

    @property
    def _guarding(self) -> bool:
        return any(isinstance(address, IPv4Address) for address in self._wanted)

    async def _reconcile(self) -> tuple[str, ...]:
        """Remove, then guard, then add: the kernel must be silent before it knows a VIP."""
        held = await _held()
        if not self._adopted:
            held |= await _adopt(self._wanted, held)
            self._adopted = True
        missing, surplus = self._wanted - held, held - self._wanted
        if surplus:
            async with _connect() as route:
                for address in surplus:
                    await _remove(route, address)
        guarded: tuple[str, ...] = ()
        if self._guarding:
            guarded = await self._guard.enforce()
        refused: dict[IPAddress, str] = {}
        if missing:
            async with _connect() as route:
                refused = await _add_all(route, missing)
        if refused:
            raise RefusedAddressesError(refused)
        return (*guarded, *(f"{address} was missing" for address in missing))


def _connect() -> AsyncIPRoute:
    try:
        return AsyncIPRoute()
    except OSError as error:
        raise LocalDeliveryError(f"netlink cannot be used: {error}; Linux 4.20 or newer is needed") from error


async def _held() -> frozenset[IPAddress]:
    try:
        return await held_addresses()
    except OSError as error:
        raise LocalDeliveryError(f"cannot list the VIPs of this host: {error}") from error


async def _adopt(wanted: frozenset[IPAddress], held: frozenset[IPAddress]) -> frozenset[IPAddress]:
    """Let what a predecessor left to end by itself last again where it is wanted, and return that."""
    try:
        left = await lingering_addresses()
    except OSError as error:
        raise LocalDeliveryError(f"cannot list the VIPs of this host: {error}") from error
    async with _connect() as route:
        try:
            for address in sorted(left):
                if address in wanted and address not in held:  # first: connections are open
                    await route.route("append", **_ipv4_route(IPv4Address(address)))
                await route.addr("del", index=LOOPBACK, address=str(address), prefixlen=32)
            for address in sorted(each for each in held & wanted if each.version == 6):
                await route.addr("replace", **_ipv6_address(address, _FOREVER))
        except NetlinkError as error:
            raise LocalDeliveryError(f"cannot take over what a predecessor held: {error}") from error
    return left & wanted


async def _limit(route: AsyncIPRoute, address: IPAddress, seconds: float) -> None:
    """Let the kernel hold a VIP for so many seconds more, without a moment in which it does not."""
    lasting = max(1, round(seconds))
    try:
        if isinstance(address, IPv6Address):
            await route.addr("replace", **_ipv6_address(address, lasting))
            return
        await route.addr(
            "add",
            index=LOOPBACK,
            address=str(address),
            prefixlen=address.max_prefixlen,
            scope=_SCOPE_HOST,
            preferred=0,
            valid=lasting,
            rt_priority=ADDRESS_MARK,
        )
        await route.route("del", **_ipv4_route(address))
    except NetlinkError as error:
        raise LocalDeliveryError(f"{address} stays on lo: {_cause(error.code)}") from error


def _speaks_for_loopback() -> bool:
    """Tell whether this kernel answers ARP for addresses of scope host: `route_localnet` makes it do so."""
    try:
        return (Path("/proc/sys/net/ipv4/conf/all/route_localnet")).read_text().strip() != "0"
    except OSError:
        return True


async def _add_all(route: AsyncIPRoute, addresses: frozenset[IPAddress]) -> dict[IPAddress, str]:
    """Add VIPs and return the reasons of those that the kernel, or another owner, refuses."""
    refused: dict[IPAddress, str] = {}
    taken = _ipv6_addresses() if any(isinstance(each, IPv6Address) for each in addresses) else frozenset()
    for address in in_order(addresses):
        if address in taken:  # IPv6 lets two interfaces have one address, and answers for it
            refused[address] = _refusal(address, errno.EEXIST)
            continue
        try:
            await _add(route, address)
        except NetlinkError as error:
            refused[address] = _refusal(address, error.code)
    return refused


async def _add(route: AsyncIPRoute, address: IPAddress) -> None:
    if isinstance(address, IPv4Address):
        # The route of an address that any interface has is in the way (EEXIST), which is what we want.
        await route.route("add", **_ipv4_route(address))
    else:
        await route.addr("add", **_ipv6_address(address, _FOREVER))


def _ipv6_address(address: IPAddress, lasting: int) -> dict[str, str | int]:
    return {
        "index": LOOPBACK,
        "address": str(address),
        "prefixlen": address.max_prefixlen,
        "flags": IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
        "preferred": 0,
        "valid": lasting,
        "rt_priority": ADDRESS_MARK,
    }


async def _remove(route: AsyncIPRoute, address: IPAddress) -> None:
    try:
        if isinstance(address, IPv4Address):
            await route.route("del", **_ipv4_route(address))
        else:
            await route.addr("del", index=LOOPBACK, address=str(address), prefixlen=address.max_prefixlen)
    except NetlinkError as error:
        if error.code not in (errno.ESRCH, errno.EADDRNOTAVAIL):  # not: gone already
            raise LocalDeliveryError(f"cannot remove {address} from lo: {_cause(error.code)}") from error


def _ipv4_route(address: IPv4Address) -> dict[str, str | int]:
    return {
        "dst": f"{address}/{address.max_prefixlen}",
        "table": LOCAL_TABLE,
        "type": "local",
        "scope": "host",
        "proto": ROUTE_MARK,
        "oif": LOOPBACK,
    }


def _refusal(address: IPAddress, code: int) -> str:
    if code == errno.EEXIST:
        return (
            f"{address} is already an address of this host, and its kernel answers for it; "
            f"take it away (`ip address show to {address}`) or give the service another address"
        )
    return f"{address} cannot be held by lo: {_cause(code)}"


def _cause(code: int) -> str:
    causes = {
        errno.EPERM: "give the process CAP_NET_ADMIN in this network namespace",
        errno.EACCES: "IPv6 is switched off: set net.ipv6.conf.lo.disable_ipv6 and .all.disable_ipv6 to 0",
        errno.EINVAL: "the kernel takes it for no unicast address",
    }
    return causes.get(code, errno.errorcode.get(code, str(code)))


def _ipv6_addresses() -> frozenset[IPAddress]:
    """Return every IPv6 address of this namespace (proc(5): 32 hex digits open each line)."""
    try:
        text = Path("/proc/thread-self/net/if_inet6").read_text()
    except OSError:
        return frozenset()  # a kernel without IPv6
    return frozenset(IPv6Address(bytes.fromhex(line.split()[0])) for line in text.splitlines())
