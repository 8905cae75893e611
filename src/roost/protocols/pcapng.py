"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, with times in nanoseconds.

A file is a section header, then for each interface its description before its first packet, and packets.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

__all__ = ["ETHERNET", "RAW_IP", "Direction", "interface", "packet", "section", "whole_blocks"]

ETHERNET: Final = 1  # LINKTYPE_ETHERNET
RAW_IP: Final = 101  # LINKTYPE_RAW: begins with an IPv4 or IPv6 header

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_MAGIC: Final = 0x1A2B3C4D
_COMMENT, _NAME, _FLAGS, _RESOLUTION, _APPLICATION = 1, 2, 2, 9, 4
_LONGEST: Final = 0xFFFF  # bytes of an option
_HEAD: Final = struct.Struct("<II")
_MOST: Final = 1 << 24  # bytes of a block; ours are far smaller


class Direction(IntEnum):
    """Which way a packet went: the low bits of epb_flags."""

    IN = 1
    OUT = 2


def section(application: str, comments: Sequence[str] = ()) -> bytes:
    """Return the header that a file begins with; `application` is what wrote it."""
    body = struct.pack("<IHHq", _MAGIC, 1, 0, -1)
    options = [*_comments(comments), (_APPLICATION, application.encode())]
    return _block(_SECTION, body + _options(options))


def interface(name: str, link_type: int) -> bytes:
    """Return the description of an interface; packets name it by how many come before it in the file."""
    body = struct.pack("<HHI", link_type, 0, 0)
    return _block(_INTERFACE, body + _options([(_NAME, name.encode()), (_RESOLUTION, b"\x09")]))


def packet(
    interface: int, nanoseconds: int, data: bytes, direction: Direction, comments: Sequence[str] = ()
) -> bytes:
    """Return an enhanced packet block; `nanoseconds` since 1970, `data` the whole packet of its link type."""
    high, low = nanoseconds >> 32, nanoseconds & 0xFFFFFFFF
    body = struct.pack("<IIIII", interface, high, low, len(data), len(data)) + _padded(data)
    flags = (_FLAGS, struct.pack("<I", direction))
    return _block(_PACKET, body + _options([flags, *_comments(comments)]))


def whole_blocks(data: bytes) -> tuple[int, int]:
    """Return how many bytes at the beginning of `data` are whole blocks, and how many of them are packets.

    Raises ValueError when no block begins where one has to.
    """
    at = packets = 0
    while len(data) - at >= _HEAD.size:
        kind, length = _HEAD.unpack_from(data, at)
        if length % 4 or not 12 <= length <= _MOST:
            raise ValueError(f"no pcapng block has {length} bytes")
        if at + length > len(data):
            break
        at += length
        packets += kind == _PACKET
    return at, packets


def _comments(texts: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    for text in texts:  # cut at a character's end
        yield _COMMENT, text.encode(errors="replace")[:_LONGEST].decode(errors="ignore").encode()


def _options(options: Sequence[tuple[int, bytes]]) -> bytes:
    written = (struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return b"".join((*written, bytes(4)))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return _HEAD.pack(kind, length) + body + struct.pack("<I", length)
