"""ICMP echo (RFC 792) over IPv4 (RFC 791) and ICMPv6 echo (RFC 4443 section 4) over IPv6, inside Ethernet.

Only what a host of the same link sends: no IPv4 options, no fragments, no IPv6 extension headers.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from roost.protocols import ethernet
from roost.protocols.errors import PacketError

__all__ = [
    "IDENTIFIERS",
    "Echo",
    "internet_checksum",
    "parse_reply",
    "parse_request",
    "reply_frame",
    "request_frame",
]

IDENTIFIERS: Final = 0x10000  # 16 bits, as sequence numbers
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_ECHO: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_NO_OPTIONS: Final = 0x45  # version 4, a header of 5 words
_DONT_FRAGMENT: Final = 0x4000
_FRAGMENT: Final = 0x3FFF  # More Fragments, and the offset
_HOPS: Final = 64  # TTL and hop limit; hosts of other links may answer, too: see the source's MAC
_ICMP, _ICMPV6 = 1, 58
_REQUEST, _REPLY = 8, 0
_REQUEST6, _REPLY6 = 128, 129


@dataclass(frozen=True, slots=True)
class Echo:
    """An echo request or reply; both addresses are of one family, both numbers have 16 bits."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    identifier: int
    sequence: int
    data: bytes = b""


def request_frame(echo: Echo, source_mac: bytes, destination_mac: bytes) -> bytes:
    """Return the whole frame that asks; raises ValueError when the addresses' families differ."""
    return _frame(echo, source_mac, destination_mac, _REQUEST, _REQUEST6)


def reply_frame(echo: Echo, source_mac: bytes, destination_mac: bytes) -> bytes:
    """Return the whole frame that answers; raises ValueError when the addresses' families differ."""
    return _frame(echo, source_mac, destination_mac, _REPLY, _REPLY6)


def parse_reply(frame: ethernet.Frame) -> Echo:
    """Read an echo reply; raises PacketError for anything else, and for wrong checksums."""
    return _parse(frame, _REPLY, _REPLY6)


def parse_request(frame: ethernet.Frame) -> Echo:
    """Read an echo request; raises PacketError for anything else, and for wrong checksums."""
    return _parse(frame, _REQUEST, _REQUEST6)


def internet_checksum(data: bytes) -> int:
    """Return the ones' complement sum that RFC 1071 has; 0 over data that carries its right checksum."""
    data += b"\0" * (len(data) % 2)
    # 65536 is 1 modulo 65535, so the remainder of the whole number is the sum of its words.
    total = int.from_bytes(data, "big")
    return ~(total % 0xFFFF or 0xFFFF * bool(total)) & 0xFFFF


def _frame(echo: Echo, source_mac: bytes, destination_mac: bytes, kind4: int, kind6: int) -> bytes:
    source, destination = echo.source, echo.destination
    if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
        message = _message(echo, kind4, b"")
        header = _IPV4.pack(
            _NO_OPTIONS,
            0,
            _IPV4.size + len(message),
            0,
            _DONT_FRAGMENT,
            _HOPS,
            _ICMP,
            0,
            source.packed,
            destination.packed,
        )
        header = _with_checksum(header, 10, internet_checksum(header))
        return ethernet.build(destination_mac, source_mac, ethernet.IPV4, header + message)
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        length = _ECHO.size + len(echo.data)
        pseudo = _pseudo_header(source.packed, destination.packed, length)
        header = _IPV6.pack(6 << 28, length, _ICMPV6, _HOPS, source.packed, destination.packed)
        return ethernet.build(
            destination_mac, source_mac, ethernet.IPV6, header + _message(echo, kind6, pseudo)
        )
    raise ValueError(f"{source} and {destination} are of different families")


def _message(echo: Echo, kind: int, pseudo: bytes) -> bytes:
    message = _ECHO.pack(kind, 0, 0, echo.identifier, echo.sequence) + echo.data
    return _with_checksum(message, 2, internet_checksum(pseudo + message))


def _with_checksum(data: bytes, at: int, checksum: int) -> bytes:
    return data[:at] + checksum.to_bytes(2, "big") + data[at + 2 :]


def _parse(frame: ethernet.Frame, kind4: int, kind6: int) -> Echo:
    if frame.ethertype == ethernet.IPV4:
        return _ipv4(frame.payload, kind4)
    if frame.ethertype == ethernet.IPV6:
        return _ipv6(frame.payload, kind6)
    raise PacketError(f"no echo in EtherType {frame.ethertype:#06x}")


def _ipv4(payload: bytes, kind: int) -> Echo:
    if len(payload) < _IPV4.size + _ECHO.size:
        raise PacketError(f"IPv4 packet of {len(payload)} bytes")
    start, _, length, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(payload)
    if start != _NO_OPTIONS or protocol != _ICMP or fragment & _FRAGMENT:
        raise PacketError("no ICMP packet in one piece and without options")
    if internet_checksum(payload[: _IPV4.size]):
        raise PacketError("wrong IPv4 header checksum")
    if not _IPV4.size + _ECHO.size <= length <= len(payload):
        raise PacketError(f"IPv4 packet of {len(payload)} bytes, {length} announced")
    return _echo(payload[_IPV4.size : length], b"", kind, source, destination)


def _ipv6(payload: bytes, kind: int) -> Echo:
    if len(payload) < _IPV6.size + _ECHO.size:
        raise PacketError(f"IPv6 packet of {len(payload)} bytes")
    start, length, next_header, _, source, destination = _IPV6.unpack_from(payload)
    if start >> 28 != 6 or next_header != _ICMPV6:
        raise PacketError("no ICMPv6 packet")
    if not _ECHO.size <= length <= len(payload) - _IPV6.size:
        raise PacketError(f"IPv6 packet of {len(payload)} bytes, {length} announced")
    message = payload[_IPV6.size : _IPV6.size + length]
    return _echo(message, _pseudo_header(source, destination, length), kind, source, destination)


def _echo(message: bytes, pseudo: bytes, kind: int, source: bytes, destination: bytes) -> Echo:
    found, code, _, identifier, sequence = _ECHO.unpack_from(message)
    if found != kind or code:
        raise PacketError(f"ICMP type {found} code {code}")
    if internet_checksum(pseudo + message):
        raise PacketError("wrong ICMP checksum")
    return Echo(ip_address(source), ip_address(destination), identifier, sequence, message[_ECHO.size :])


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what ICMPv6's checksum covers beside the message (RFC 8200 section 8.1)."""
    return source + destination + struct.pack("!II", length, _ICMPV6)
