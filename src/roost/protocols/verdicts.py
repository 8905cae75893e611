"""Why a node was declared dead, told beside memberlist's own message, which has no room for it.

["roost", "verdict", subject, verdict, evidence]                   in msgpack, as a user message
"""

from dataclasses import dataclass
from typing import Final

import msgpack

from roost.model.node import Verdict
from roost.protocols.errors import PacketError

__all__ = ["Ground", "decode", "encode"]

_LIMIT: Final = 1024  # bytes: a name and a sentence
_EVIDENCE: Final = 400  # characters


@dataclass(frozen=True, slots=True)
class Ground:
    """What `subject` was found to be, and what shows it, in words for people."""

    subject: str
    verdict: Verdict
    evidence: str


def encode(ground: Ground) -> bytes:
    """Return the payload of a user message."""
    row = ["roost", "verdict", ground.subject, ground.verdict.value, ground.evidence[:_EVIDENCE]]
    packed: bytes = msgpack.packb(row)
    return packed


def decode(payload: bytes) -> Ground:
    """Read a user message; raises PacketError for anything else, and for verdicts that end no lead."""
    if len(payload) > _LIMIT:
        raise PacketError(f"user message of {len(payload)} bytes")
    try:
        mark, kind, subject, verdict, evidence = msgpack.unpackb(payload)
        found = Verdict(verdict)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise PacketError(f"no verdict: {error}") from None
    texts = isinstance(subject, str) and isinstance(evidence, str)
    if (mark, kind) != ("roost", "verdict") or not texts or found.active:
        raise PacketError("no verdict")
    return Ground(subject, found, evidence)
