"""The VIPs that this host's kernel holds for us, by rtnetlink (rtnetlink(7)) without a library.

There may be thousands, and this is asked again and again beside the announcing. A general library makes some
twenty objects of each, in cycles; the event loop waits for all of them and for their collection (0.2 s with
5,000). Here a few bytes of each message are looked at, and the loop gets its turn after every read.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, attributes, message

__all__ = [
    "ADDRESS_MARK",
    "LOCAL_TABLE",
    "LOOPBACK",
    "ROUTE_MARK",
    "held_addresses",
    "lingering_addresses",
]

LOOPBACK: Final = 1  # lo's index in every network namespace
LOCAL_TABLE: Final = 255
_LOCAL_TYPE: Final = 2  # RTN_LOCAL
ROUTE_MARK: Final = 82  # rtm_protocol: `ip route show table local proto 82` shows our VIPs
ADDRESS_MARK: Final = 0x526F6F73  # IFA_RT_PRIORITY, shown by `ip -6 address` as the metric; no route has it

_ROUTE: Final = struct.Struct("=8BI")  # rtmsg: family, dst_len, src_len, tos, table, proto, scope, type
_ADDRESS: Final = struct.Struct("=4BI")  # struct ifaddrmsg: family, prefixlen, flags, scope, index
_NUMBER: Final = struct.Struct("=I")
_GET_ADDRESS, _GET_ROUTE = 22, 26
_DESTINATION, _ADDRESS_ITSELF, _LOCAL, _PRIORITY = 1, 1, 2, 9  # RTA_DST, IFA_*


async def held_addresses() -> frozenset[IPAddress]:
    """Return the VIPs with our mark, whoever of us added them. Raises OSError."""
    held: set[IPAddress] = set()
    family, full = socket.AF_INET, IPv4Address(0).max_prefixlen
    ask = _ROUTE.pack(family, 0, 0, 0, LOCAL_TABLE, ROUTE_MARK, 0, _LOCAL_TYPE, 0)
    async for body in _dump(_GET_ROUTE, ask):
        if body[1] == full and body[5] == ROUTE_MARK:
            held.update(IPv4Address(value) for value in _values(body, _ROUTE.size, _DESTINATION))
    ask = _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, LOOPBACK)
    async for body in _dump(_GET_ADDRESS, ask):
        if _NUMBER.pack(ADDRESS_MARK) in _values(body, _ADDRESS.size, _PRIORITY):
            held.update(IPv6Address(value) for value in _values(body, _ADDRESS.size, _ADDRESS_ITSELF))
    return frozenset(held)


async def lingering_addresses() -> frozenset[IPAddress]:
    """Return the IPv4 VIPs that end by themselves: addresses on lo, with our mark. Raises OSError."""
    ask = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, LOOPBACK)
    found = [
        _values(body, _ADDRESS.size, _LOCAL)
        async for body in _dump(_GET_ADDRESS, ask)
        if _NUMBER.pack(ADDRESS_MARK) in _values(body, _ADDRESS.size, _PRIORITY)
    ]
    return frozenset(IPv4Address(value) for values in found for value in values)


async def _dump(request: int, body: bytes) -> AsyncIterator[bytes]:
    """Yield the bodies of the answer to a dump request. Raises OSError."""
    with closing(NetlinkSocket(socket.NETLINK_ROUTE, strict=True)) as asking:
        for bodies in asking.dump_in_parts(message(request, REQUEST | DUMP, body)):
            for each in bodies:
                yield each
            await asyncio.sleep(0)


def _values(body: bytes, at: int, wanted: int) -> list[bytes]:
    """Return the values of the attributes of one type in a message whose fixed part is `at` bytes long."""
    return [value for kind, value in attributes(body, at) if kind == wanted]
