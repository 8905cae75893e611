"""VRRP packets to and from the links of this host (raw(7), ip(7), ipv6(7)); needs CAP_NET_RAW.

One raw socket for each link and family is a member of VRRP's group, sends, and is read. So a firewall of this
host has its say. A packet socket beside it knows from which hardware addresses packets came, and sends those
that have to come from a virtual router's.
"""

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols import filter as filters
from roost.protocols.bounded import remember
from roost.protocols.errors import PacketError
from roost.protocols.vrrp.frame import multicast_frame, sender
from roost.protocols.vrrp.packet import GROUPS, HOPS, PROTOCOL
from roost.runtime.packet_socket import CapabilityError, PacketSocket, Sent

__all__ = ["OnPacket", "VrrpSockets"]

_log = logging.getLogger(__name__)

_BATCH: Final = 64  # packets read before other events get their turn
_LARGEST: Final = 4608  # bytes: more than an advert for 255 IPv6 addresses
_SENDERS: Final = 256  # hardware addresses remembered for each link
_BUFFER: Final = 1 << 17  # bytes
_CONTROL: Final = 0xC0  # traffic class: network control
_PRIORITY: Final = 6  # TC_PRIO_INTERACTIVE, what queues send first
_IP_PKTINFO: Final = 8
_IP_MULTICAST_ALL: Final = 49
_IPV6_HOPLIMIT: Final = 52
_SPACE: Final = socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)

OnPacket = Callable[[int, IPAddress, IPAddress, int, bytes, bytes | None], None]


class VrrpSockets:
    """`on_packet(link's index, source, destination, TTL, payload, hardware address)` hears of each packet."""

    def __init__(self, on_packet: OnPacket) -> None:
        self.counters: Counter[str] = Counter()
        self._on_packet = on_packet
        self._sockets: dict[tuple[int, int], _FamilySocket] = {}
        self._senders: dict[int, _Senders] = {}
        self._wanted: Mapping[int, frozenset[int]] = {}
        self._links: Mapping[int, Link] = {}
        self._failed: set[tuple[int, int]] = set()

    def follow(self, wanted: Mapping[int, frozenset[int]], links: Mapping[int, Link]) -> None:
        """Listen on exactly these links (by index), for these families. Raises CapabilityError."""
        self._wanted, self._links = wanted, links
        places = {(link, family) for link, families in wanted.items() for family in families}
        for place in self._sockets.keys() - places:
            self._sockets.pop(place).close()
        for link in self._senders.keys() - wanted.keys():
            self._senders.pop(link).close()
        for place in places - self._sockets.keys():
            self._open(*place)

    def send(
        self, link: int, source: IPAddress, destination: IPAddress, data: bytes, mac: bytes | None
    ) -> None:
        """Send a packet; what the network or the link does to it is counted."""
        place = (link, source.version)
        if place not in self._sockets and source.version in self._wanted.get(link, ()):
            self._open(*place)
        if mac is not None and link in self._senders:
            sent = self._senders[link].send(multicast_frame(source, destination, data, mac))
        elif place in self._sockets:
            sent = self._sockets[place].send(source, destination, data)
        else:
            sent = False
        self.counters["adverts_sent" if sent else "adverts_unsent"] += 1

    def drain(self) -> None:
        """Read what has arrived."""
        for each in tuple(self._sockets.values()):
            each.drain()

    def close(self) -> None:
        """Leave the groups."""
        self.follow({}, {})

    def _open(self, index: int, family: int) -> None:
        link = self._links.get(index)
        if link is None:
            return
        try:
            if index not in self._senders:
                self._senders[index] = _Senders(link)
            found = self._senders[index]
            self._sockets[index, family] = _FamilySocket(
                link,
                family,
                lambda source, to, hops, data: self._on_packet(
                    index, source, to, hops, data, found.of(source)
                ),
            )
            self._failed.discard((index, family))
        except PermissionError as error:
            raise CapabilityError(
                "raw sockets are refused: give the process CAP_NET_RAW in this network namespace"
            ) from error
        except OSError as error:  # the link is gone, or has no IPv6
            if (index, family) not in self._failed:
                self._failed.add((index, family))
                _log.warning("no VRRP over IPv%d on %s: %s", family, link.name, error.strerror or error)


class _FamilySocket:
    """The raw socket of one family on `link`; raises OSError."""

    def __init__(
        self, link: Link, family: int, on_packet: Callable[[IPAddress, IPAddress, int, bytes], None]
    ) -> None:
        self._link = link
        self._family = family
        self._on_packet = on_packet
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_RAW, PROTOCOL)
        try:
            self._prepare()
        except BaseException:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self.drain)

    def send(self, source: IPAddress, destination: IPAddress, data: bytes) -> bool:
        """Send from `source`; tells whether that went."""
        if self._family == 4:
            info = struct.pack("=I4s4s", self._link.index, source.packed, bytes(4))
            ancillary = (socket.IPPROTO_IP, _IP_PKTINFO, info)
        else:
            info = struct.pack("=16sI", source.packed, self._link.index)
            ancillary = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)
        where: Any = (
            (str(destination), 0) if self._family == 4 else (str(destination), 0, 0, self._link.index)
        )
        try:
            self._socket.sendmsg([data], [ancillary], 0, where)
        except OSError as error:
            _log.debug("no advert to %s on %s: %s", destination, self._link.name, error)
            return False
        return True

    def drain(self) -> None:
        """Read what has arrived."""
        for _ in range(_BATCH):
            try:
                data, ancillary, _, where = self._socket.recvmsg(_LARGEST, _SPACE)
            except OSError:  # nothing, or the link went down: netlink tells
                return
            if self._family == 4:
                self._take_ipv4(data)
            else:
                self._take_ipv6(data, ancillary, where)

    def close(self) -> None:
        """Stop reading and leave the group."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _prepare(self) -> None:
        sock, index = self._socket, self._link.index
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._link.name.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        group = GROUPS[self._family].packed
        if self._family == 4:
            ip = socket.IPPROTO_IP
            sock.setsockopt(ip, socket.IP_TOS, _CONTROL)
            sock.setsockopt(ip, socket.IP_TTL, HOPS)
            sock.setsockopt(ip, socket.IP_MULTICAST_TTL, HOPS)
            sock.setsockopt(ip, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(ip, _IP_MULTICAST_ALL, 0)
            where = group + bytes(4) + struct.pack("=i", index)  # struct ip_mreqn
            sock.setsockopt(ip, socket.IP_MULTICAST_IF, where)
            sock.setsockopt(ip, socket.IP_ADD_MEMBERSHIP, where)
        else:
            ip = socket.IPPROTO_IPV6
            sock.setsockopt(ip, socket.IPV6_TCLASS, _CONTROL)
            sock.setsockopt(ip, socket.IPV6_UNICAST_HOPS, HOPS)
            sock.setsockopt(ip, socket.IPV6_MULTICAST_HOPS, HOPS)
            sock.setsockopt(ip, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(ip, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(ip, socket.IPV6_RECVPKTINFO, 1)
            sock.setsockopt(ip, socket.IPV6_RECVHOPLIMIT, 1)
            sock.setsockopt(ip, socket.IPV6_JOIN_GROUP, group + struct.pack("=i", index))
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY
        )  # last: the traffic class sets it, too

    def _take_ipv4(self, data: bytes) -> None:
        head = (data[0] & 0xF) * 4 if data else 0
        if head >= 20 and len(data) >= head:
            self._on_packet(IPv4Address(data[12:16]), IPv4Address(data[16:20]), data[8], data[head:])

    def _take_ipv6(self, data: bytes, ancillary: list[tuple[int, int, bytes]], where: Any) -> None:
        told = {kind: value for level, kind, value in ancillary if level == socket.IPPROTO_IPV6}
        if len(told.get(socket.IPV6_PKTINFO, b"")) >= 16 and len(told.get(_IPV6_HOPLIMIT, b"")) >= 4:
            destination = IPv6Address(told[socket.IPV6_PKTINFO][:16])
            hops = int.from_bytes(told[_IPV6_HOPLIMIT][:4], sys.byteorder)
            self._on_packet(IPv6Address(where[0].partition("%")[0]), destination, hops, data)


class _Senders:
    """The packet socket on `link`: whose packets came from where. Raises CapabilityError, OSError."""

    def __init__(self, link: Link) -> None:
        self._known: dict[IPAddress, bytes] = {}
        self._socket = PacketSocket(link, filters.build_vrrp(), self._note, waking=False, buffer=_BUFFER)

    def of(self, source: IPAddress) -> bytes | None:
        """Return the hardware address (6 bytes) that the last packet of `source` came from."""
        self._socket.drain()
        return self._known.get(source)

    def send(self, frame: bytes) -> bool:
        """Send a frame as it is; tells whether that went."""
        return self._socket.send(frame) is Sent.YES

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def _note(self, frame: bytes) -> None:
        with contextlib.suppress(PacketError):
            source, mac = sender(frame)
            remember(self._known, source, mac, _SENDERS)
