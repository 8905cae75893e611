"""ARP for IPv4 over Ethernet (RFC 826), gratuitous ARP and probes (RFC 5227)."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from roost.protocols import ethernet
from roost.protocols.errors import PacketError

__all__ = ["REPLY", "REQUEST", "Arp", "correction", "gratuitous", "parse", "probe", "question"]

REQUEST: Final = 1
REPLY: Final = 2

_LAYOUT: Final = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET: Final = 1
_IPV4: Final = 0x0800


@dataclass(frozen=True, slots=True)
class Arp:
    """One ARP packet; hardware addresses are 6 bytes. A sender of 0.0.0.0 makes a request a probe."""

    operation: int
    sender_mac: bytes
    sender: IPv4Address
    target_mac: bytes
    target: IPv4Address

    def encode(self) -> bytes:
        """Return the 28 bytes of the packet, network order."""
        return _LAYOUT.pack(
            _ETHERNET,
            _IPV4,
            6,
            4,
            self.operation,
            self.sender_mac,
            self.sender.packed,
            self.target_mac,
            self.target.packed,
        )


def parse(payload: bytes) -> Arp:
    """Read a request or reply for IPv4 over Ethernet; raises PacketError for anything else."""
    if len(payload) < _LAYOUT.size:
        raise PacketError(f"ARP packet of {len(payload)} bytes")
    hardware, protocol, hlen, plen, operation, sha, spa, tha, tpa = _LAYOUT.unpack_from(payload)
    if (hardware, protocol, hlen, plen) != (_ETHERNET, _IPV4, 6, 4):
        raise PacketError("ARP not for IPv4 over Ethernet")
    if operation not in (REQUEST, REPLY):
        raise PacketError(f"ARP operation {operation}")
    return Arp(operation, sha, IPv4Address(spa), tha, IPv4Address(tpa))


def gratuitous(mac: bytes, address: IPv4Address) -> tuple[bytes, bytes]:
    """Return the two broadcast frames that say `address` is at `mac`: a request and a reply.

    Some stacks learn from the one, some from the other (RFC 5227 section 3).
    """
    packets = (Arp(operation, mac, address, ethernet.BROADCAST, address) for operation in (REQUEST, REPLY))
    request, reply = (
        ethernet.build(ethernet.BROADCAST, mac, ethernet.ARP, packet.encode()) for packet in packets
    )
    return request, reply


def correction(mac: bytes, address: IPv4Address, client: IPv4Address, to: bytes) -> tuple[bytes, bytes]:
    """Return the two unicast frames that tell the host `client` at `to` that `address` is at `mac`.

    A gratuitous request, which Linux believes even within a second of the last change, and a reply as to a
    question, for stacks that only learn from those.
    """
    packets = (Arp(REQUEST, mac, address, to, address), Arp(REPLY, mac, address, to, client))
    request, reply = (ethernet.build(to, mac, ethernet.ARP, packet.encode()) for packet in packets)
    return request, reply


def probe(mac: bytes, address: IPv4Address, to: bytes = ethernet.BROADCAST) -> bytes:
    """Return the frame that asks `to` for `address` without teaching anybody anything (RFC 5227 2.1)."""
    packet = Arp(REQUEST, mac, IPv4Address(0), bytes(6), address)
    return ethernet.build(to, mac, ethernet.ARP, packet.encode())


def question(mac: bytes, own: IPv4Address, address: IPv4Address, to: bytes) -> bytes:
    """Return the frame that asks the host at `to` alone for `address`, as the host that has `own` at `mac`.

    The asked host learns where `own` is, and switches that inspect ARP find a binding that they know, which a
    probe from 0.0.0.0 has not.
    """
    packet = Arp(REQUEST, mac, own, bytes(6), address)
    return ethernet.build(to, mac, ethernet.ARP, packet.encode())
