"""Gossip in Ethernet frames of its own, beside UDP and TCP: Roost's own, for nodes on one LAN.

What blocks the gossip port of a host (a firewall, a policy) does not see them, and they travel where the
addresses live. What they carry is sealed as on UDP and TCP, by the same key.

    "RST", version (1)        kind (1): 0 packet, 1 ask, 2 here, 3 part of a request, 4 part of a reply
    number of parts (1)       which of them this is (1), from 0       0 (1)
    exchange (8)              the same in all frames of one exchange
    source: port (2), address (16)      target: port (2), address (16), both as gossip knows them
    length (2), payload       Ethernet pads what is short

An exchange begins with a broadcast that asks for the target, so that nothing large goes to all; "here" comes
back, and tells where the parts of the request go. Numbers are big-endian, IPv4 addresses are mapped into IPv6
(RFC 4291 section 2.5.5.2). The EtherType is the one for local experiments (IEEE 802 section 9.2.4).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint

__all__ = [
    "AGAIN",
    "ETHERTYPE",
    "HEADER",
    "MAGIC",
    "PARTS_LIMIT",
    "TRIES",
    "FrameKind",
    "Framed",
    "Gathering",
    "split",
]

ETHERTYPE: Final = 0x88B5
MAGIC: Final = b"RST\x01"
HEADER: Final = 54  # bytes
AGAIN: Final = 0.1  # seconds after which a request without an answer is sent in frames, and then again,
TRIES: Final = 5  # so many times
PARTS_LIMIT: Final = 64  # of one message: some 90 KB, the state of a hundred members and more
_MAPPED: Final = b"\0" * 10 + b"\xff" * 2
_LAYOUT: Final = struct.Struct(">4sBBBxQH16sH16sH")
_GATHERED: Final = 16  # messages of which parts are missing


class FrameKind(IntEnum):
    """What a frame carries."""

    PACKET = 0
    ASK = 1
    HERE = 2
    REQUEST = 3
    REPLY = 4


@dataclass(frozen=True, slots=True)
class Framed:
    """One frame's payload: of `exchange` (64 bits, 0 for packets) this is `part` of `parts`."""

    kind: FrameKind
    source: Endpoint
    target: Endpoint
    payload: bytes
    exchange: int = 0
    part: int = 0
    parts: int = 1

    def pack(self) -> bytes:
        """Return it for the wire."""
        return (
            _LAYOUT.pack(
                MAGIC,
                self.kind,
                self.parts,
                self.part,
                self.exchange,
                self.source.port,
                _packed(self.source.host),
                self.target.port,
                _packed(self.target.host),
                len(self.payload),
            )
            + self.payload
        )

    @classmethod
    def parse(cls, data: bytes) -> "Framed":
        """Read a frame's payload, padding and all. Raises PacketError."""
        if len(data) < HEADER:
            raise PacketError(f"a frame of gossip has {HEADER} bytes at least, not {len(data)}")
        magic, kind, parts, part, exchange, port, source, to_port, target, length = _LAYOUT.unpack_from(data)
        if magic != MAGIC:
            raise PacketError("not a frame of gossip, or one of another version")
        if kind not in tuple(FrameKind):
            raise PacketError(f"frame of gossip of unknown kind {kind}")
        if not part < parts <= PARTS_LIMIT:
            raise PacketError(f"part {part} of {parts} in a frame of gossip")
        if length > len(data) - HEADER:
            raise PacketError(f"frame of gossip is cut off: {len(data) - HEADER} of {length} bytes")
        payload = bytes(data[HEADER : HEADER + length])
        return cls(
            FrameKind(kind),
            Endpoint(_text(source), port),
            Endpoint(_text(target), to_port),
            payload,
            exchange,
            part,
            parts,
        )


def split(data: bytes, size: int) -> list[bytes]:
    """Return `data` in parts of `size` bytes at most. Raises ValueError when it takes too many."""
    if len(data) > size * PARTS_LIMIT:
        raise ValueError(f"{len(data)} bytes are more than {PARTS_LIMIT} frames hold")
    return [data[at : at + size] for at in range(0, len(data), size)]


class Gathering:
    """Puts messages together from their parts, in any order; up to 16 at once, the latest begun."""

    def __init__(self) -> None:
        self._begun: dict[tuple[FrameKind, Endpoint, int, int], dict[int, bytes]] = {}

    def add(self, framed: Framed) -> bytes | None:
        """Take a part; return the whole message once none is missing."""
        key = framed.kind, framed.source, framed.exchange, framed.parts
        parts = self._begun.get(key)
        if parts is None:
            parts = {}
            remember(self._begun, key, parts, _GATHERED)
        parts[framed.part] = framed.payload
        if len(parts) < framed.parts:
            return None
        del self._begun[key]
        return b"".join(parts[part] for part in range(framed.parts))


def _packed(host: str) -> bytes:
    address = ip_address(host)
    return address.packed if address.version == 6 else _MAPPED + address.packed


def _text(packed: bytes) -> str:
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)
