"""The messages of hashicorp/memberlist as immutable values (memberlist `net.go`).

All integers are host order. `bytes` fields that the Go library encodes as nil are `None`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = [
    "CURRENT_VERSIONS",
    "META_LIMIT",
    "Ack",
    "Alive",
    "Dead",
    "ErrorResponse",
    "IndirectPing",
    "Message",
    "MessageType",
    "Nack",
    "NodeState",
    "Ping",
    "PushPull",
    "Status",
    "Suspect",
    "UserMessage",
    "Versions",
]

META_LIMIT: Final = 512  # bytes, memberlist's MetaMaxSize


class MessageType(IntEnum):
    """The first byte of every message, compound part and stream frame."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    HAS_CRC = 12
    ERROR = 13
    HAS_LABEL = 244


class Status(IntEnum):
    """A member's state, with memberlist's numbers as push/pull carries them."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


@dataclass(frozen=True, slots=True)
class Versions:
    """Protocol (p) and delegate (d) versions a node understands (min, max) and speaks (cur)."""

    pmin: int
    pmax: int
    pcur: int
    dmin: int = 0
    dmax: int = 0
    dcur: int = 0


CURRENT_VERSIONS: Final = Versions(1, 5, 2)


@dataclass(frozen=True, slots=True)
class Ping:
    """Direct probe; `source_*` tell the target where to answer and who asks (empty when unknown)."""

    seq: int
    node: str
    source_address: bytes | None = None
    source_port: int = 0
    source_node: str = ""


@dataclass(frozen=True, slots=True)
class IndirectPing:
    """Ask a relay to probe `node` at `target`:`port`; `nack` asks for a Nack if that fails."""

    seq: int
    target: bytes
    port: int
    node: str
    nack: bool
    source_address: bytes | None = None
    source_port: int = 0
    source_node: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """Answer to a Ping with the same sequence number."""

    seq: int
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Nack:
    """A relay's word that it asked and heard nothing: the relay is well, the target may not be."""

    seq: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """`sender` holds `node` (at `incarnation`) for suspect."""

    incarnation: int
    node: str
    sender: str


@dataclass(frozen=True, slots=True)
class Dead:
    """`sender` holds `node` for dead; `sender == node` means that it left by itself."""

    incarnation: int
    node: str
    sender: str


@dataclass(frozen=True, slots=True)
class Alive:
    """`node` is alive at `address` (4 or 16 bytes) and `port` since `incarnation`."""

    incarnation: int
    node: str
    address: bytes
    port: int
    meta: bytes
    versions: Versions


@dataclass(frozen=True, slots=True)
class NodeState:
    """One member as push/pull carries it."""

    name: str
    address: bytes
    port: int
    meta: bytes
    incarnation: int
    status: Status
    versions: Versions


@dataclass(frozen=True, slots=True)
class PushPull:
    """Full state exchange over a stream; `join` marks the first one of a joining node."""

    nodes: tuple[NodeState, ...]
    user_state: bytes
    join: bool


@dataclass(frozen=True, slots=True)
class UserMessage:
    """Opaque payload for the delegate above memberlist."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A peer's refusal on a stream, in its own words."""

    text: str


Message = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | PushPull | UserMessage | ErrorResponse
