"""memberlist's compressed envelope: a type byte and a msgpack map that names the algorithm (LZW)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.memberlist import lzw
from roost.protocols.memberlist.fields import Field, Layout, raw, unsigned
from roost.protocols.memberlist.messages import MessageType
from roost.protocols.memberlist.parts import run

__all__ = ["ENVELOPE", "Compressed", "compress"]

_LZW: Final = 0


@dataclass(frozen=True, slots=True)
class Compressed:
    """A compressed message, as read from the wire; `algorithm` 0 is LZW."""

    algorithm: int
    data: bytes

    def inflate(self, limit: int) -> bytes:
        """Return the message inside, type byte first.

        Raises PacketError for another algorithm, damaged data, or more than `limit` bytes.
        """
        return run(self.inflating(limit))

    def inflating(self, limit: int) -> Generator[None, None, bytes]:
        """Do the work of `inflate` in parts."""
        if self.algorithm != _LZW:
            raise PacketError(f"unknown compression algorithm {self.algorithm}")
        return (yield from lzw.decompressing(self.data, limit))


ENVELOPE: Final = Layout(
    Compressed,
    (Field("Algo", "algorithm", unsigned(0xFF)), Field("Buf", "data", raw(0xFFFF_FFFF))),
)


def compress(message: bytes) -> bytes:
    """Return `message` (type byte first) in a compressed envelope, which may well be longer."""
    return bytes((MessageType.COMPRESS,)) + ENVELOPE.pack(Compressed(_LZW, lzw.compress(message)))
