"""Ethernet II frames without a VLAN tag (IEEE 802.3 clause 3)."""

from dataclasses import dataclass
from typing import Final

from roost.protocols.errors import PacketError

__all__ = ["ARP", "BROADCAST", "IPV4", "IPV6", "Frame", "build", "is_unicast", "parse"]

ARP: Final = 0x0806
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
BROADCAST: Final = b"\xff" * 6

_HEADER: Final = 14  # bytes
_MINIMUM: Final = 60  # bytes on the wire without the checksum


@dataclass(frozen=True, slots=True)
class Frame:
    """Addresses are 6 bytes; `ethertype` is host order; `payload` may carry padding."""

    destination: bytes
    source: bytes
    ethertype: int
    payload: bytes


def parse(data: bytes) -> Frame:
    """Split a frame; raises PacketError when it is too short."""
    if len(data) < _HEADER:
        raise PacketError(f"frame of {len(data)} bytes")
    return Frame(data[:6], data[6:12], int.from_bytes(data[12:14], "big"), data[14:])


def build(destination: bytes, source: bytes, ethertype: int, payload: bytes) -> bytes:
    """Return the frame, padded with zeros to the minimum of 60 bytes."""
    frame = destination + source + ethertype.to_bytes(2, "big") + payload
    return frame.ljust(_MINIMUM, b"\0")


def is_unicast(mac: bytes) -> bool:
    """Tell whether `mac` (6 bytes) can be one station's address: no group bit, not all zeros."""
    return not mac[0] & 1 and any(mac)
