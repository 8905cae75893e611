"""What comes to the gossip port: packets and streams, from strangers and from who holds the key."""

from functools import cache
from random import Random
from typing import Final

from fuzz.target import Target
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist import keyring, lzw
from roost.protocols.memberlist.body import read_body
from roost.protocols.memberlist.codec import decode_message, encode_message
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.layouts import BODY_LIMIT
from roost.protocols.memberlist.members import MEMBERS_LIMIT
from roost.protocols.memberlist.messages import Message
from roost.protocols.memberlist.packet import PARTS_LIMIT, PacketCodec, label_header
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.memberlist.stream import StreamCodec
from roost.protocols.memberlist.swim import Swim, SwimConfig

__all__ = ["TARGETS"]

_KEY: Final = bytes(range(16))
_LABEL: Final = b"fuzz"
_NONCE: Final = bytes(keyring.NONCE_SIZE)
_MOST_TO_INFLATE: Final = 65_536  # bytes, as in a packet
_PEER: Final = Endpoint("192.0.2.12", 7946)
_LEAST_TABLES: Final = 64  # entries that a machine may have after a few packets


@cache
def _keys() -> Keyring:
    return Keyring((_KEY, bytes(32)))


def _codec(how: int) -> PacketCodec:
    return PacketCodec(_LABEL if how & 1 else b"", _keys() if how & 2 else None, random=Random(1))


def _packet(data: bytes) -> None:
    """The first byte: with a label (1), with keys (2), and whether the rest is inside of all that (4)."""
    how, packet = (data[0], data[1:]) if data else (0, b"")
    if how & 4:
        if how & 2:
            packet = _keys().encrypt(packet, _LABEL if how & 1 else b"", _NONCE, version=how >> 3 & 1)
        packet = (label_header(_LABEL) if how & 1 else b"") + packet
    opened = _codec(how).open(packet)
    assert len(opened.messages) <= PARTS_LIMIT + 1
    assert opened.messages or opened.faults or data, "nothing at all was said"


def _message(data: bytes) -> None:
    message = decode_message(data)
    assert decode_message(encode_message(message)) == message


def _lzw(data: bytes) -> None:
    inflated = lzw.decompress(data, _MOST_TO_INFLATE)
    assert len(inflated) <= _MOST_TO_INFLATE
    assert lzw.decompress(lzw.compress(inflated), _MOST_TO_INFLATE) == inflated


def _body(data: bytes) -> None:
    message = read_body(data, BODY_LIMIT)
    assert read_body(_body_of(message), BODY_LIMIT) == message


def _body_of(message: Message) -> bytes:
    return StreamCodec(random=Random(1), compress=False).encode(message)


def _stream(data: bytes) -> None:
    """The first byte as in a packet, and whether the bytes come in small pieces (16)."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    codec = StreamCodec(_LABEL if how & 1 else b"", _keys() if how & 2 else None, random=Random(1))
    if how & 4 and how & 2:
        rest = codec._seal(rest, _keys())
    if how & 4 and how & 1:
        rest = label_header(_LABEL) + rest
    decoder = codec.decoder(reply=bool(how & 8))
    size = 1 + (how >> 5) if how & 16 else max(len(rest), 1)
    for at in range(0, len(rest), size):
        if decoder.feed(rest[at : at + size]) is not None:
            return


def _swim(data: bytes) -> None:
    """A node that gets packets, parted by lengths of two bytes, and streams; it goes on, and stays small."""
    config = SwimConfig("n1", Endpoint("192.0.2.11", 7946), b"", PROFILES["default"])
    swim = Swim(config, PacketCodec(random=Random(1)), Random(1))
    swim.start(0.0)
    now, at, taken = 0.0, 0, 0
    while at + 3 <= len(data) and taken < _LEAST_TABLES:
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        part = data[at + 3 : at + 3 + length]
        at, taken, now = at + 3 + length, taken + 1, now + (kind >> 2) / 64
        if kind & 1:
            try:
                message = decode_message(part)
            except PacketError:
                continue
            swim.serve(message, _PEER, now)
        else:
            swim.receive(part, _PEER, now)
        if kind & 2:
            swim.wake(now)
        for _ in swim.effects():
            pass
    assert 1 <= len(swim.members) <= MEMBERS_LIMIT


TARGETS: Final = (
    Target("packet", "protocols.memberlist.packet.PacketCodec.open", _packet, (), 1600),
    Target("message", "protocols.memberlist.codec.decode_message", _message, (PacketError,), 1600),
    Target("lzw", "protocols.memberlist.lzw.decompress", _lzw, (PacketError,), 1600),
    Target("body", "protocols.memberlist.body.read_body (push/pull)", _body, (PacketError,)),
    Target("stream", "protocols.memberlist.stream.StreamDecoder.feed", _stream, (PacketError,)),
    Target("swim", "protocols.memberlist.swim.Swim.receive, serve", _swim, ()),
)
