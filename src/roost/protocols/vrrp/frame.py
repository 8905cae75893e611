"""Whole Ethernet frames of adverts, where the virtual router's hardware address has to be their source."""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.protocols import ethernet
from roost.protocols.errors import PacketError
from roost.protocols.icmp import internet_checksum
from roost.protocols.vrrp.packet import HOPS, PROTOCOL

__all__ = ["multicast_frame", "sender"]

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_TRAFFIC_CLASS: Final = 0xC0  # network control (RFC 791, RFC 4594)


def multicast_frame(source: IPAddress, group: IPAddress, data: bytes, mac: bytes) -> bytes:
    """Return the frame from `mac` (6 bytes) that brings the IP payload `data` to a multicast group."""
    if source.version == 4:
        head = _IPV4.pack(
            0x45, _TRAFFIC_CLASS, _IPV4.size + len(data), 0, 0, HOPS, PROTOCOL, 0, source.packed, group.packed
        )
        head = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
        to = b"\x01\x00\x5e" + bytes((group.packed[1] & 0x7F, *group.packed[2:]))  # RFC 1112 section 6.4
        return ethernet.build(to, mac, ethernet.IPV4, head + data)
    first = 6 << 28 | _TRAFFIC_CLASS << 20
    head = _IPV6.pack(first, len(data), PROTOCOL, HOPS, source.packed, group.packed)
    return ethernet.build(b"\x33\x33" + group.packed[-4:], mac, ethernet.IPV6, head + data)  # RFC 2464


def sender(data: bytes) -> tuple[IPAddress, bytes]:
    """Return the IP source and the hardware address (6 bytes) that a frame came from; raises PacketError."""
    frame = ethernet.parse(data)
    if frame.ethertype == ethernet.IPV4 and len(frame.payload) >= _IPV4.size:
        return IPv4Address(frame.payload[12:16]), frame.source
    if frame.ethertype == ethernet.IPV6 and len(frame.payload) >= _IPV6.size:
        return IPv6Address(frame.payload[8:24]), frame.source
    raise PacketError("no whole IP header")
