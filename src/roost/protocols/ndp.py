"""IPv6 Neighbor Solicitation and Advertisement (RFC 4861 sections 4.3, 4.4, 7.1) inside Ethernet."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from roost.protocols import ethernet
from roost.protocols.errors import PacketError

__all__ = [
    "Advertisement",
    "Solicitation",
    "advertisement_frame",
    "parse",
    "question",
    "solicitation_frame",
    "solicited_node",
    "solicited_node_mac",
    "unsolicited",
]

_IPV6: Final = struct.Struct("!IHBB16s16s")
_ICMPV6: Final = 58  # next header
_HOP_LIMIT: Final = 255  # a packet that was forwarded cannot have it
_NS: Final = 135
_NA: Final = 136
_SOURCE_LINK_LAYER: Final = 1
_TARGET_LINK_LAYER: Final = 2
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20
_UNSPECIFIED: Final = IPv6Address(0)
_ALL_NODES: Final = IPv6Address("ff02::1")
_ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
_SOLICITED_PREFIX: Final = IPv6Address("ff02::1:ff00:0")
_ICMP_MINIMUM: Final = 24  # bytes of either message without options


@dataclass(frozen=True, slots=True)
class Solicitation:
    """A question for `target`; a source of `::` makes it a duplicate address probe (RFC 4862)."""

    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    link_layer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Advertisement:
    """An answer for `target`, or news about it when not `solicited`."""

    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    link_layer: bytes | None
    router: bool = False
    solicited: bool = False
    override: bool = True


def solicited_node(address: IPv6Address) -> IPv6Address:
    """Return the solicited-node multicast address of `address` (RFC 4291 section 2.7.1)."""
    return IPv6Address(int(_SOLICITED_PREFIX) | int(address) & 0xFFFFFF)


def solicited_node_mac(address: IPv6Address) -> bytes:
    """Return the Ethernet group of the solicited-node address of `address` (RFC 2464 section 7), 6 bytes."""
    return b"\x33\x33" + solicited_node(address).packed[12:]


def parse(payload: bytes) -> Solicitation | Advertisement:
    """Read an IPv6 packet with one of the two messages.

    Raises PacketError for anything else, and for whatever RFC 4861 sections 7.1.1 and 7.1.2 discard.
    """
    if len(payload) < _IPV6.size + _ICMP_MINIMUM:
        raise PacketError(f"IPv6 packet of {len(payload)} bytes")
    version, length, next_header, hops, source, destination = _IPV6.unpack_from(payload)
    if version >> 28 != 6 or next_header != _ICMPV6 or hops != _HOP_LIMIT:
        raise PacketError("no ICMPv6 packet of this link")
    message = payload[_IPV6.size : _IPV6.size + length]
    if len(message) != length or length < _ICMP_MINIMUM:
        raise PacketError(f"ICMPv6 message of {len(message)} bytes, {length} announced")
    kind, code = message[0], message[1]
    if kind not in (_NS, _NA) or code:
        raise PacketError(f"ICMPv6 type {kind} code {code}")
    if _checksum(source, destination, message):
        raise PacketError("wrong ICMPv6 checksum")
    target = IPv6Address(message[8:24])
    if target.is_multicast:
        raise PacketError("a multicast address cannot be a target")
    read = _solicitation if kind == _NS else _advertisement
    return read(IPv6Address(source), IPv6Address(destination), target, message)


def _solicitation(
    source: IPv6Address, destination: IPv6Address, target: IPv6Address, message: bytes
) -> Solicitation:
    link_layer = _option(message, _SOURCE_LINK_LAYER)
    if source == _UNSPECIFIED and (link_layer is not None or destination != solicited_node(target)):
        raise PacketError(
            "a solicitation from :: goes to the solicited-node address and names no hardware address"
        )
    if source.is_multicast:
        raise PacketError("a solicitation from a multicast address")
    return Solicitation(source, destination, target, link_layer)


def _advertisement(
    source: IPv6Address, destination: IPv6Address, target: IPv6Address, message: bytes
) -> Advertisement:
    flags = message[4]
    if destination.is_multicast and flags & _SOLICITED:
        raise PacketError("a solicited advertisement to a multicast address")
    return Advertisement(
        source,
        destination,
        target,
        _option(message, _TARGET_LINK_LAYER),
        router=bool(flags & _ROUTER),
        solicited=bool(flags & _SOLICITED),
        override=bool(flags & _OVERRIDE),
    )


def _option(message: bytes, wanted: int) -> bytes | None:
    """Return the 6 bytes of the first link-layer option of kind `wanted`, or None."""
    return next((value[:6] for kind, value in _options(message) if kind == wanted and len(value) == 6), None)


def _options(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = _ICMP_MINIMUM
    found = []
    while at < len(message):
        if len(message) < at + 2 or message[at + 1] == 0 or at + message[at + 1] * 8 > len(message):
            raise PacketError("an option of no or too great length")
        end = at + message[at + 1] * 8
        found.append((message[at], message[at + 2 : end]))
        at = end
    return iter(found)


def advertisement_frame(advertisement: Advertisement, source_mac: bytes, destination_mac: bytes) -> bytes:
    """Return the whole frame; the Target Link-Layer Address option is `source_mac` always."""
    flags = (
        _ROUTER * advertisement.router
        | _SOLICITED * advertisement.solicited
        | _OVERRIDE * advertisement.override
    )
    message = struct.pack("!BBHI16s", _NA, 0, 0, flags << 24, advertisement.target.packed)
    message += bytes((_TARGET_LINK_LAYER, 1)) + source_mac
    return _frame(advertisement.source, advertisement.destination, message, source_mac, destination_mac)


def unsolicited(mac: bytes, address: IPv6Address, *, router: bool = False) -> bytes:
    """Return the frame that tells all nodes that `address` is at `mac`, with Override (RFC 4861 7.2.6)."""
    return advertisement_frame(
        Advertisement(address, _ALL_NODES, address, mac, router=router), mac, _ALL_NODES_MAC
    )


def solicitation_frame(mac: bytes, address: IPv6Address) -> bytes:
    """Return the frame that asks for `address` from `::`: it teaches nobody anything (RFC 4862 5.4.2)."""
    message = struct.pack("!BBHI16s", _NS, 0, 0, 0, address.packed)
    group = solicited_node(address)
    return _frame(_UNSPECIFIED, group, message, mac, solicited_node_mac(address))


def question(mac: bytes, source: IPv6Address, address: IPv6Address, to: bytes) -> bytes:
    """Return the frame that asks the host at hardware address `to` alone for `address` (RFC 4861 7.3.1)."""
    message = struct.pack("!BBHI16s", _NS, 0, 0, 0, address.packed) + bytes((_SOURCE_LINK_LAYER, 1)) + mac
    return _frame(source, address, message, mac, to)


def _frame(source: IPv6Address, destination: IPv6Address, message: bytes, mac: bytes, to: bytes) -> bytes:
    checksum = _checksum(source.packed, destination.packed, message)
    message = message[:2] + checksum.to_bytes(2, "big") + message[4:]
    header = _IPV6.pack(6 << 28, len(message), _ICMPV6, _HOP_LIMIT, source.packed, destination.packed)
    return ethernet.build(to, mac, ethernet.IPV6, header + message)


def _checksum(source: bytes, destination: bytes, message: bytes) -> int:
    """Return the ones' complement sum over pseudo-header and message (RFC 8200 8.1); 0 when it is right."""
    data = source + destination + struct.pack("!II", len(message), _ICMPV6) + message
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
