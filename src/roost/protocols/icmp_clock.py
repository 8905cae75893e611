"""ICMP timestamps (RFC 792): by how much another host's clock is ahead, without any program on it."""

import struct
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.icmp import internet_checksum

__all__ = ["DAY", "ahead", "request"]

DAY: Final = 86_400_000  # milliseconds
_LAYOUT: Final = struct.Struct("!BBHHHIII")  # type, code, checksum, identifier, sequence, three times
_REQUEST, _REPLY = 13, 14
_NOT_UTC: Final = 1 << 31  # the time is not milliseconds since midnight UTC
_HEADER: Final = 15  # low bits of an IPv4 packet's first byte: its header's words


def request(identifier: int, sequence: int, sent: int) -> bytes:
    """Return the ICMP message; `sent` is milliseconds since midnight UTC."""
    message = _LAYOUT.pack(_REQUEST, 0, 0, identifier, sequence, sent, 0, 0)
    return message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]


def ahead(packet: bytes, identifier: int, sequence: int, received: int) -> float:
    """Return by how many seconds the sender of `packet` (IPv4, with its header) is ahead of this host.

    Half of the time on the way is taken off. `received` is milliseconds since midnight UTC. Raises
    PacketError for anything but the answer to that request.
    """
    start = 4 * (packet[0] & _HEADER) if packet else 0
    message = packet[start:]
    if start < 20 or len(message) < _LAYOUT.size or internet_checksum(message[: _LAYOUT.size]):
        raise PacketError(f"no ICMP timestamp in {len(packet)} bytes")
    kind, code, _, number, at, sent, there, _ = _LAYOUT.unpack_from(message)
    if (kind, code, number, at) != (_REPLY, 0, identifier, sequence) or there & _NOT_UTC:
        raise PacketError("not the answer to this question")
    middle = sent + ((received - sent) % DAY) / 2
    difference: float = (there - middle + DAY / 2) % DAY - DAY / 2
    return difference / 1000
