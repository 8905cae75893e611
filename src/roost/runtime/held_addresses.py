"""The VIPs that this host's kernel holds for us, by rtnetlink (rtnetlink(7)) without a library.

There may be thousands, and this is asked again and again beside the announcing. A general library makes some
twenty objects of each, in cycles; the event loop waits for all of them and for their collection (0.2 s with
5,000). Here a few bytes of each message are looked at, and the loop gets its turn after every read.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress

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

_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ROUTE: Final = struct.Struct("=8BI")  # rtmsg: family, dst_len, src_len, tos, table, proto, scope, type
_ADDRESS: Final = struct.Struct("=4BI")  # struct ifaddrmsg: family, prefixlen, flags, scope, index
_ATTRIBUTE: Final = struct.Struct("=HH")  # struct rtattr: length, type
_NUMBER: Final = struct.Struct("=I")
_ERRNO: Final = struct.Struct("=i")
_ERROR, _DONE, _NEW_ADDRESS, _GET_ADDRESS, _NEW_ROUTE, _GET_ROUTE = 2, 3, 20, 22, 24, 26
_DUMP_REQUEST: Final = 0x0301  # NLM_F_REQUEST | NLM_F_DUMP
_DESTINATION, _ADDRESS_ITSELF, _LOCAL, _PRIORITY = (
    1,
    1,
    2,
    9,
)  # RTA_DST, IFA_ADDRESS, IFA_LOCAL, IFA_RT_PRIORITY
_SOL_NETLINK, _STRICT = 270, 12  # NETLINK_GET_STRICT_CHK: the kernel filters, we do not get all routes
_READ: Final = 1 << 15  # bytes, what the kernel fills at most


async def held_addresses() -> frozenset[IPAddress]:
    """Return the VIPs with our mark, whoever of us added them. Raises OSError."""
    held: set[IPAddress] = set()
    family, full = socket.AF_INET, IPv4Address(0).max_prefixlen
    ask = _ROUTE.pack(family, 0, 0, 0, LOCAL_TABLE, ROUTE_MARK, 0, _LOCAL_TYPE, 0)
    async for message in _dump(_GET_ROUTE, _NEW_ROUTE, ask):
        if message[1] == full and message[5] == ROUTE_MARK:
            held.update(IPv4Address(value) for value in _values(message, _ROUTE.size, _DESTINATION))
    ask = _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, LOOPBACK)
    async for message in _dump(_GET_ADDRESS, _NEW_ADDRESS, ask):
        if _NUMBER.pack(ADDRESS_MARK) in _values(message, _ADDRESS.size, _PRIORITY):
            held.update(IPv6Address(value) for value in _values(message, _ADDRESS.size, _ADDRESS_ITSELF))
    return frozenset(held)


async def lingering_addresses() -> frozenset[IPAddress]:
    """Return the IPv4 VIPs that end by themselves: addresses on lo, with our mark. Raises OSError."""
    ask = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, LOOPBACK)
    found = [
        _values(message, _ADDRESS.size, _LOCAL)
        async for message in _dump(_GET_ADDRESS, _NEW_ADDRESS, ask)
        if _NUMBER.pack(ADDRESS_MARK) in _values(message, _ADDRESS.size, _PRIORITY)
    ]
    return frozenset(IPv4Address(value) for values in found for value in values)


async def _dump(request: int, reply: int, body: bytes) -> AsyncIterator[bytes]:
    """Yield the bodies of all `reply` messages to a dump request. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(0)  # the kernel has each part of its answer ready
        asking.setsockopt(_SOL_NETLINK, _STRICT, 1)
        asking.send(_HEADER.pack(_HEADER.size + len(body), request, _DUMP_REQUEST, 1, 0) + body)
        while True:
            for kind, message in _messages(asking.recv(_READ)):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise _error(message)
                if kind == reply:
                    yield message
            await asyncio.sleep(0)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += _aligned(max(length, _HEADER.size))


def _values(message: bytes, at: int, wanted: int) -> Iterator[bytes]:
    """Yield the values of the attributes of one type in a message whose fixed part is `at` bytes long."""
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == wanted:
            yield message[at + _ATTRIBUTE.size : at + length]
        at += _aligned(max(length, _ATTRIBUTE.size))


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _error(message: bytes) -> OSError:
    (code,) = _ERRNO.unpack_from(message)
    return OSError(-code, os.strerror(-code))
