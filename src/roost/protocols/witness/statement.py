"""What witnesses tell each other, as memberlist user messages: `["roost", kind, sender, subject]` in msgpack.

Peers that are no Roost nodes drop user messages that they do not know.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgpack

from roost.protocols.errors import PacketError

__all__ = ["Kind", "Statement", "decode", "encode"]

_MARK: Final = "roost"
_LIMIT: Final = 1024  # bytes: two names and a word


class Kind(Enum):
    """What is said of the subject."""

    LOOK = "look"  # the sender misses an answer and asks the others to probe at once
    SEEN = "seen"  # the sender has an answer
    SILENT = "silent"  # the sender has had none for as long as it takes


@dataclass(frozen=True, slots=True)
class Statement:
    """One witness's word about `subject`."""

    kind: Kind
    sender: str
    subject: str


def encode(statement: Statement) -> bytes:
    """Return the payload of a user message."""
    packed: bytes = msgpack.packb([_MARK, statement.kind.value, statement.sender, statement.subject])
    return packed


def decode(payload: bytes) -> Statement:
    """Read a user message; raises PacketError for anything else than a statement."""
    if len(payload) > _LIMIT:
        raise PacketError(f"user message of {len(payload)} bytes")
    try:
        mark, kind, sender, subject = msgpack.unpackb(payload)
        if mark != _MARK or not isinstance(sender, str) or not isinstance(subject, str):
            raise PacketError("not a statement")
        return Statement(Kind(kind), sender, subject)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise PacketError(f"not a statement: {error}") from None
