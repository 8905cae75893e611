"""Letting this host take frames for a virtual router's hardware address: a macvlan on the link that has it.

The macvlan asks and answers nothing by ARP or ND, and is up only while it is used: whoever is no master must
not take frames that a switch floods. What it receives for a service address is delivered as if it had come to
the link itself. It has IPv4's dummy address (RFC 7600), of scope host: from a link without any the kernel
takes no packet where rp_filter is on.
"""

import contextlib
import errno
import logging
import re
import socket
import struct
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from roost.model.link import Link
from roost.runtime.netlink import REQUEST, NetlinkSocket, attribute, message, nested

__all__ = ["VirtualMacs"]

_log = logging.getLogger(__name__)

_ROUTE: Final = 0  # NETLINK_ROUTE
_NEW, _DELETE = 16, 17  # RTM_NEWLINK, RTM_DELLINK
_CREATE: Final = 0x400 | 0x200  # NLM_F_CREATE | NLM_F_EXCL
_UP, _NO_ARP = 0x1, 0x80  # IFF_UP, IFF_NOARP
_ADDRESS, _NAME, _LINK, _INFO, _BY_FAMILY = 1, 3, 5, 18, 26  # IFLA_...
_KIND, _DATA, _MODE = 1, 2, 1  # IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_MACVLAN_MODE
# MACVLAN_MODE_BRIDGE: in others the link below would not see what another master sends to a group.
_BRIDGE: Final = struct.pack("=I", 4)
_INET6, _GENERATION, _NONE = 10, 8, b"\1"  # AF_INET6, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE
_QUIET: Final = nested(_BY_FAMILY, nested(_INET6, attribute(_GENERATION, _NONE)))
_NEW_ADDRESS, _LOCAL, _SCOPE_HOST = 20, 2, 254  # RTM_NEWADDR, IFA_LOCAL, RT_SCOPE_HOST
_ADDRESS_HEADER: Final = struct.Struct("=BBBBI")  # struct ifaddrmsg
_DUMMY: Final = IPv4Address("192.0.0.8")
_HEADER: Final = struct.Struct("=BxHiII")  # struct ifinfomsg
_OURS: Final = re.compile(r"roost[46]-\d{1,3}\.\d{1,4}")
_LOOSE: Final = "2"  # rp_filter: sources are reached over the link below

Use = tuple[int, bytes]


class VirtualMacs:
    """Takes frames for hardware addresses (6 bytes) on links; needs CAP_NET_ADMIN."""

    def __init__(self) -> None:
        self.failed = ""  # why one of them cannot be had
        self._netlink = NetlinkSocket(_ROUTE)
        self._made: set[Use] = set()
        self._used: frozenset[Use] = frozenset()

    def adopt(self, links: Iterable[Link]) -> None:
        """Remove what a predecessor that was killed has left."""
        for link in links:
            if link.kind == "macvlan" and _OURS.fullmatch(link.name):
                self._try(message(_DELETE, REQUEST, _header(0) + _named(link.name)), link.name)

    def follow(self, used: Collection[Use]) -> None:
        """Take frames for exactly these: (index of a link, hardware address)."""
        wanted = frozenset(used)
        if wanted == self._used:
            return
        self.failed = ""
        for use in self._used - wanted:
            self._try(message(_NEW, REQUEST, _header(0, 0, _UP) + _named(_name(use))), _name(use))
        for use in wanted - self._used:
            self._take(use)
        self._used = wanted

    def close(self) -> None:
        """Take none any more, and leave nothing behind."""
        for use in self._made:
            self._try(message(_DELETE, REQUEST, _header(0) + _named(_name(use))), _name(use))
        self._made.clear()
        self._used = frozenset()
        self._netlink.close()

    def _take(self, use: Use) -> None:
        name = _name(use)
        if use not in self._made or not Path(f"/sys/class/net/{name}").exists():
            if not self._try(message(_NEW, REQUEST | _CREATE, _macvlan(use)), name):
                return
            self._made.add(use)
            # Not at once with the making of it; without IPv6 there is nothing to keep quiet.
            self._try(message(_NEW, REQUEST, _header(0) + _named(name) + _QUIET), name)
            self._try(message(_NEW_ADDRESS, REQUEST | _CREATE, _dummy(name)), name)
            with contextlib.suppress(OSError):  # read-only in some containers
                Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text(_LOOSE)
        self._try(message(_NEW, REQUEST, _header(0, _UP, _UP) + _named(name)), name)

    def _try(self, request: bytes, name: str) -> bool:
        try:
            self._netlink.transact([request])
        except OSError as error:
            if error.errno in (
                errno.ENODEV,
                errno.EEXIST,
            ):  # its link is gone, and it with it; or it is there
                return error.errno == errno.EEXIST
            if error.errno == errno.EAFNOSUPPORT:
                return True
            self.failed = f"{name}: {error.strerror or error}"
            _log.error("no frames for a virtual hardware address: %s", self.failed)
            return False
        return True


def _name(use: Use) -> str:
    """Return a name of up to 15 bytes, which the kernel has room for."""
    link, mac = use
    return f"roost{4 if mac[4] == 1 else 6}-{mac[5]}.{link % 10_000}"


def _named(name: str) -> bytes:
    return attribute(_NAME, name.encode() + b"\0")


def _dummy(name: str) -> bytes:
    head = _ADDRESS_HEADER.pack(socket.AF_INET, 32, 0, _SCOPE_HOST, socket.if_nametoindex(name))
    return head + attribute(_LOCAL, _DUMMY.packed)


def _header(index: int, flags: int = 0, change: int = 0) -> bytes:
    return _HEADER.pack(0, 0, index, flags, change)


def _macvlan(use: Use) -> bytes:
    link, mac = use
    kind = nested(_INFO, attribute(_KIND, b"macvlan\0"), nested(_DATA, attribute(_MODE, _BRIDGE)))
    parts = (attribute(_ADDRESS, mac), attribute(_LINK, struct.pack("=I", link)), _named(_name(use)))
    return _header(0, _NO_ARP, _NO_ARP) + b"".join(parts) + kind
