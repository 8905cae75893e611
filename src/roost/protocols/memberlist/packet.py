"""UDP packets: the envelopes around messages, put on and taken off (memberlist `net.go`, `label.go`).

From the outside in, every layer but the last optional:

    0xF4, length (1), label | encryption (see `keyring`; bound to the label) | 12, CRC-32 (4, big-endian)
    | compressed envelope | compound: 7, count (1), lengths (2 each, big-endian), parts | message
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.machine import Randomness
from roost.protocols.memberlist import keyring as encryption
from roost.protocols.memberlist.codec import decode_message
from roost.protocols.memberlist.compression import ENVELOPE, compress
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import Message, MessageType

__all__ = ["LABEL_LIMIT", "PARTS_LIMIT", "Opened", "PacketCodec", "label_header"]

LABEL_LIMIT: Final = 255  # bytes
PARTS_LIMIT: Final = 255  # of one packet, nested compounds included
_PART_SIZE_LIMIT: Final = 0xFFFF  # bytes
_INFLATED_LIMIT: Final = 65_536  # bytes, over all compressed parts of one packet
_DEFLATED_LIMIT: Final = 32_768  # bytes of all of them, which take some 10 ms
_DEPTH_LIMIT: Final = 4  # compound and compressed envelopes inside each other; Go makes two
_CRC_HEADER: Final = 5  # bytes
_STREAM_ONLY: Final = (MessageType.PUSH_PULL, MessageType.ERROR)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a packet held: the messages in order, and what was wrong with it or its parts."""

    messages: tuple[Message, ...] = ()
    faults: tuple[PacketError, ...] = ()


def label_header(label: bytes) -> bytes:
    """Return the bytes in front of packets and streams of `label` (none without one)."""
    return bytes((MessageType.HAS_LABEL, len(label))) + label if label else b""


class PacketCodec:
    """Seals and opens the packets of one cluster, given by its label and keys.

    With a keyring, whatever its keys do not open is refused. `random` makes the nonces: production
    must pass a cryptographically strong one (`random.SystemRandom`). `keyring` may be replaced at
    any time, for a rotation. Raises ValueError for a label of more than 255 bytes.
    """

    def __init__(
        self, label: bytes = b"", keyring: Keyring | None = None, *, compress: bool = True, random: Randomness
    ) -> None:
        if len(label) > LABEL_LIMIT:
            raise ValueError(f"a label has at most {LABEL_LIMIT} bytes, not {len(label)}")
        self.keyring = keyring
        self._label = label
        self._label_header = label_header(label)
        self._compress = compress
        self._random = random

    def overhead(self, parts: int) -> int:
        """Return how many bytes `seal` may add to `parts` parts, the checksum included."""
        compound = 2 + 2 * parts if parts > 1 else 0
        encrypted = encryption.OVERHEAD if self.keyring else 0
        return len(self._label_header) + encrypted + _CRC_HEADER + compound

    def seal(self, parts: Sequence[bytes], *, crc: bool = False) -> bytes:
        """Return the packet that carries `parts`, each as `codec.encode_message` returns it.

        `crc` adds a checksum, for receivers of protocol version 5 and up. Raises ValueError without
        parts, with more than 255, and for a part of no or more than 65,535 bytes.
        """
        packet = self._deflate(_join(parts))
        if crc:
            packet = bytes((MessageType.HAS_CRC,)) + zlib.crc32(packet).to_bytes(4, "big") + packet
        if self.keyring:
            packet = self.keyring.encrypt(packet, self._label, self._random.randbytes(encryption.NONCE_SIZE))
        return self._label_header + packet

    def open(self, packet: bytes) -> Opened:
        """Return the messages of a received packet and its faults; never raises.

        A faulty label, encryption or checksum costs the whole packet, a faulty part only itself.
        """
        try:
            command = self._unwrap(packet)
        except PacketError as fault:
            return Opened(faults=(fault,))
        contents = _Contents()
        contents.take(command)
        return Opened(tuple(contents.messages), tuple(contents.faults))

    def plain(self, packet: bytes) -> bytes | None:
        """Return what a packet holds without its label, encryption and checksum; None if faulty."""
        try:
            return self._unwrap(packet)
        except PacketError:
            return None

    def _deflate(self, command: bytes) -> bytes:
        if not self._compress:
            return command
        compressed = compress(command)
        return compressed if len(compressed) < len(command) else command

    def _unwrap(self, packet: bytes) -> bytes:
        label, rest = _split_label(packet)
        if label != self._label:
            raise PacketError("packet has no label" if not label else "packet has another cluster's label")
        if self.keyring:
            rest = self.keyring.decrypt(rest, self._label)
        return _check_crc(rest)


class _Contents:
    """Collects what one packet holds, within one budget for all its parts."""

    __slots__ = ("_deflated", "_inflatable", "_parts_left", "faults", "messages")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.faults: list[PacketError] = []
        self._deflated = 0
        self._inflatable = _INFLATED_LIMIT
        self._parts_left = PARTS_LIMIT

    def take(self, command: bytes, depth: int = 0) -> None:
        try:
            self._take(command, depth)
        except PacketError as fault:
            self.faults.append(fault)

    def _take(self, command: bytes, depth: int) -> None:
        if depth > _DEPTH_LIMIT:
            raise PacketError("packet nests too deeply")
        kind = command[0] if command else None
        if kind == MessageType.COMPOUND:
            for part in _split_compound(command[1:]):
                self._spend_part()
                self.take(part, depth + 1)
        elif kind == MessageType.COMPRESS:
            self.take(self._inflate(command[1:]), depth + 1)
        elif kind in _STREAM_ONLY:
            raise PacketError(f"message type {kind} belongs on a stream")
        else:
            self.messages.append(decode_message(command))

    def _spend_part(self) -> None:
        if not self._parts_left:
            raise PacketError(f"packet has more than {PARTS_LIMIT} parts")
        self._parts_left -= 1

    def _inflate(self, envelope: bytes) -> bytes:
        limit, self._inflatable = self._inflatable, 0  # a bomb spends all
        self._deflated += len(envelope)
        if self._deflated > _DEFLATED_LIMIT:
            raise PacketError(f"packet has more than {_DEFLATED_LIMIT} compressed bytes")
        inflated = ENVELOPE.unpack(envelope).inflate(limit)
        self._inflatable = limit - len(inflated)
        return inflated


def _join(parts: Sequence[bytes]) -> bytes:
    if not 0 < len(parts) <= PARTS_LIMIT:
        raise ValueError(f"a packet carries 1 to {PARTS_LIMIT} parts, not {len(parts)}")
    for part in parts:
        if not 0 < len(part) <= _PART_SIZE_LIMIT:
            raise ValueError(f"a part has 1 to {_PART_SIZE_LIMIT} bytes, not {len(part)}")
    if len(parts) == 1:
        return parts[0]
    lengths = (len(part).to_bytes(2, "big") for part in parts)
    return bytes((MessageType.COMPOUND, len(parts))) + b"".join((*lengths, *parts))


def _split_compound(body: bytes) -> Iterator[bytes]:
    """Yield the parts; raises PacketError where the first one that is cut short would be."""
    count = body[0] if body else 0
    start = 1 + 2 * count
    if not body or len(body) < start:
        raise PacketError("compound header is cut short")
    for index in range(count):
        length = int.from_bytes(body[1 + 2 * index : 3 + 2 * index], "big")
        if start + length > len(body):
            raise PacketError(f"compound is cut short: {count - index} of {count} parts are lost")
        yield body[start : start + length]
        start += length


def _split_label(packet: bytes) -> tuple[bytes, bytes]:
    if not packet or packet[0] != MessageType.HAS_LABEL:
        return b"", packet
    length = packet[1] if len(packet) > 1 else 0
    if not length or len(packet) < 2 + length:
        raise PacketError("label is empty or cut short")
    return packet[2 : 2 + length], packet[2 + length :]


def _check_crc(command: bytes) -> bytes:
    if len(command) < _CRC_HEADER or command[0] != MessageType.HAS_CRC:
        return command
    covered = command[_CRC_HEADER:]
    if zlib.crc32(covered) != int.from_bytes(command[1:_CRC_HEADER], "big"):
        raise PacketError("checksum does not match")
    return covered
