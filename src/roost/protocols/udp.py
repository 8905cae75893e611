"""UDP (RFC 768) in IPv4 (RFC 791) or IPv6 (RFC 8200), built anew for datagrams that a socket gave or took."""

import struct
from ipaddress import IPv4Address, ip_address
from typing import Final

from roost.protocols.icmp import internet_checksum
from roost.protocols.machine import Endpoint

__all__ = ["packet"]

_HEADER: Final = 8  # bytes
_UDP: Final = 17
_HOPS: Final = 64
_LONGEST: Final = 65_507  # bytes that one datagram of IPv4 holds


def packet(source: Endpoint, target: Endpoint, data: bytes) -> bytes:
    """Return the IP packet with its checksums; raises ValueError for two families, or too much data."""
    first, second = ip_address(source.host), ip_address(target.host)
    if first.version != second.version:
        raise ValueError(f"{source} and {target} are of different families")
    if len(data) > _LONGEST:
        raise ValueError(f"a datagram has at most {_LONGEST} bytes, not {len(data)}")
    length = _HEADER + len(data)
    addresses = first.packed + second.packed
    pseudo = addresses + struct.pack("!II", length, _UDP)  # the same sum for both families
    ports = struct.pack("!HHH", source.port, target.port, length)
    checksum = internet_checksum(pseudo + ports + bytes(2) + data) or 0xFFFF
    datagram = ports + struct.pack("!H", checksum) + data
    if isinstance(first, IPv4Address):
        start = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, _HOPS, _UDP)
        header = start + struct.pack("!H", internet_checksum(start + bytes(2) + addresses)) + addresses
    else:
        header = struct.pack("!IHBB", 6 << 28, length, _UDP, _HOPS) + addresses
    return header + datagram
