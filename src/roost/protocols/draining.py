"""Asking a node to drain and hearing how far it is, as memberlist user messages in msgpack.

["roost", "drain", sender, node, wish]                             wish: true, false, or nil just to ask
["roost", "drained", node, draining, leads, packets, quiet]        quiet: seconds
"""

from dataclasses import dataclass
from typing import Final

import msgpack

from roost.protocols.errors import PacketError

__all__ = ["Ask", "Progress", "decode", "encode"]

_MARK: Final = "roost"
_LIMIT: Final = 1024  # bytes: two names and some numbers


@dataclass(frozen=True, slots=True)
class Ask:
    """`sender` wishes that `node` drains or does so no more; None only asks how far it is."""

    sender: str
    node: str
    wish: bool | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `node` is: services that it leads, packets for lost addresses so far, seconds without any."""

    node: str
    draining: bool
    leads: int
    packets: int
    quiet: float


def encode(message: Ask | Progress) -> bytes:
    """Return the payload of a user message."""
    row: list[object]
    if isinstance(message, Ask):
        row = ["drain", message.sender, message.node, message.wish]
    else:
        row = ["drained", message.node, message.draining, message.leads, message.packets, message.quiet]
    packed: bytes = msgpack.packb([_MARK, *row])
    return packed


def decode(payload: bytes) -> Ask | Progress:
    """Read a user message; raises PacketError for anything else."""
    if len(payload) > _LIMIT:
        raise PacketError(f"user message of {len(payload)} bytes")
    try:
        message = msgpack.unpackb(payload)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise PacketError(f"not about draining: {error}") from None
    match message:
        case ["roost", "drain", str(sender), str(node), bool() | None as wish]:
            return Ask(sender, node, wish)
        case ["roost", "drained", str(node), bool(draining), int(leads), int(packets), float(quiet)]:
            return Progress(node, draining, leads, packets, quiet)
    raise PacketError("not about draining")
