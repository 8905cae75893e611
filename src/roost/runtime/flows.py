"""The connections that this host's kernel holds for some addresses: its sockets, and what it translates.

Sockets by sock_diag(7), translated connections by `tracked`; both are dumps that the kernel filters by
address, so that a host with a million connections of other kinds is not searched here.
"""

import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import TCP, UDP, Flow
from roost.runtime.netlink import DUMP, REQUEST, NetlinkSocket, attribute, message
from roost.runtime.tracked import Tracked, tracked, tracks

__all__ = ["flows_of"]

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_BYTECODE: Final = 1  # INET_DIAG_REQ_BYTECODE
_SOURCE_IS: Final = 7  # INET_DIAG_BC_S_COND
_REQUEST: Final = struct.Struct("=BBBBI48s")  # struct inet_diag_req_v2
_SOCKET: Final = struct.Struct("!4xHH16s16s")  # struct inet_diag_msg, from its start: ports, addresses
_TIME_WAIT: Final = 6
_OPEN_SOCKETS: Final = sum(1 << state for state in (1, 3, 4, 5, 8, 9, 11))  # TCP_*: from SYN_RECV to LAST_ACK
_MAPPED: Final = bytes(10) + b"\xff\xff"

_ONE_BY_ONE: Final = 4  # addresses: for more of them one look at everything costs less


def flows_of(addresses: Collection[IPAddress]) -> list[Flow]:
    """Return the flows to `addresses` that this host holds, each once. Raises OSError."""
    wanted = frozenset(addresses)
    searches: Iterable[IPAddress | None] = wanted if len(wanted) <= _ONE_BY_ONE else (None,)
    found: dict[Flow, None] = {}
    for address in searches:
        for family in _families(wanted if address is None else {address}):
            for protocol in (TCP, UDP):
                sockets = _sockets(family, protocol, address)
                found.update((flow, None) for flow in sockets if flow.address in wanted)
    if tracks():
        for address in searches:
            for version in {each.version for each in (wanted if address is None else {address})}:
                flows = (_flow(entry) for entry in tracked(version, to=address))
                found.update((flow, None) for flow in flows if flow and flow.address in wanted)
    return list(found)


def _families(addresses: Collection[IPAddress]) -> set[int]:
    """Return which sockets may have these addresses: IPv4 ones are had by IPv6 sockets, too."""
    found = {int(socket.AF_INET6)} if addresses else set()
    return found | {int(socket.AF_INET) for each in addresses if each.version == 4}


def _sockets(family: int, protocol: int, address: IPAddress | None) -> Iterator[Flow]:
    """Yield the connected sockets whose own address is `address`, or all."""
    states = _OPEN_SOCKETS | 1 << _TIME_WAIT if protocol == TCP else 1 << 1
    request = _REQUEST.pack(family, protocol, 0, 0, states, bytes(48))
    if address is not None:
        request += attribute(_BYTECODE, _source_is(address))
    for body in _dump(_SOCK_DIAG, message(_BY_FAMILY, REQUEST | DUMP, request)):
        port, client_port, own, client = _SOCKET.unpack_from(body)
        to, of = _address(body[0], own), _address(body[0], client)
        yield Flow(protocol, of, client_port, to, port, body[1] != _TIME_WAIT)


def _source_is(address: IPAddress) -> bytes:
    """Return a program of struct inet_diag_bc_op: to the end if it matches, or beyond."""
    packed = address.packed
    size = 4 + 8 + len(packed)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return struct.pack("=BBHBBxxi", _SOURCE_IS, size, size + 4, family, len(packed) * 8, -1) + packed


def _flow(entry: Tracked) -> Flow | None:
    """Return what conntrack has: what is translated, and UDP that went both ways.

    A TCP connection that ends on this host itself has a socket, which knows better whether it is open.
    """
    if entry.protocol == TCP:
        if entry.answerer[0] == entry.target[0]:
            return None
    elif entry.protocol != UDP or not entry.assured:
        return None
    (client, client_port), (address, port) = entry.source, entry.target
    return Flow(entry.protocol, ip_address(client), client_port, ip_address(address), port, entry.open)


def _dump(family: int, request: bytes) -> Iterator[bytes]:
    with closing(NetlinkSocket(family)) as asking:
        yield from asking.dump(request)


def _address(family: int, raw: bytes) -> IPAddress:
    if family == socket.AF_INET:
        return IPv4Address(raw[:4])
    return IPv4Address(raw[12:]) if raw.startswith(_MAPPED) else IPv6Address(raw)
