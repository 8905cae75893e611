"""The layout of every message that is one msgpack map, and of the maps that push/pull is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from roost.protocols.memberlist.fields import (
    ADDRESS,
    FLAG,
    META,
    NAME,
    NAME_OR_EMPTY,
    OPTIONAL_ADDRESS,
    PAYLOAD,
    STATUS,
    TEXT,
    U16,
    U32,
    VERSIONS,
    Field,
    Layout,
    unsigned,
)
from roost.protocols.memberlist.messages import (
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    IndirectPing,
    MessageType,
    Nack,
    NodeState,
    Ping,
    Suspect,
)

__all__ = [
    "BODY_LIMIT",
    "MESSAGES",
    "NODES_LIMIT",
    "NODE_STATE",
    "PUSH_PULL_HEADER",
    "USER_HEADER",
    "PushPullHeader",
    "UserHeader",
]

BODY_LIMIT: Final = 20 * 1024 * 1024  # bytes of one stream body, memberlist's maxPushStateBytes
NODES_LIMIT: Final = 16_384  # node states in one push/pull; memberlist admits a million


@dataclass(frozen=True, slots=True)
class PushPullHeader:
    """What a push/pull announces: counts of the node states and bytes of user state after it."""

    nodes: int
    user_state_length: int
    join: bool


@dataclass(frozen=True, slots=True)
class UserHeader:
    """Bytes of the user message that follows on a stream."""

    length: int


_SOURCE: Final = (
    Field("SourceAddr", "source_address", OPTIONAL_ADDRESS, default=None, omit_empty=True),
    Field("SourceNode", "source_node", NAME_OR_EMPTY, default="", omit_empty=True),
    Field("SourcePort", "source_port", U16, default=0, omit_empty=True),
)
_INCARNATION: Final = Field("Incarnation", "incarnation", U32)
_ACCUSATION: Final = (
    Field("From", "sender", NAME_OR_EMPTY),
    _INCARNATION,
    Field("Node", "node", NAME),
)
_SEQUENCE: Final = Field("SeqNo", "seq", U32)
_ADDRESS: Final = Field("Addr", "address", ADDRESS)
_META: Final = Field("Meta", "meta", META, default=b"")
_PORT: Final = Field("Port", "port", U16)
_VERSIONS: Final = Field("Vsn", "versions", VERSIONS)

MESSAGES: Final[Mapping[MessageType, Layout[Any]]] = MappingProxyType(
    {
        MessageType.PING: Layout(Ping, (Field("Node", "node", NAME_OR_EMPTY), _SEQUENCE, *_SOURCE)),
        MessageType.INDIRECT_PING: Layout(
            IndirectPing,
            (
                Field("Nack", "nack", FLAG, default=False),  # protocol versions below 4 do not know it
                Field("Node", "node", NAME_OR_EMPTY),
                _PORT,
                _SEQUENCE,
                *_SOURCE,
                Field("Target", "target", ADDRESS),
            ),
        ),
        MessageType.ACK: Layout(Ack, (Field("Payload", "payload", PAYLOAD, default=None), _SEQUENCE)),
        MessageType.SUSPECT: Layout(Suspect, _ACCUSATION),
        MessageType.ALIVE: Layout(
            Alive, (_ADDRESS, _INCARNATION, _META, Field("Node", "node", NAME), _PORT, _VERSIONS)
        ),
        MessageType.DEAD: Layout(Dead, _ACCUSATION),
        MessageType.NACK: Layout(Nack, (_SEQUENCE,)),
        MessageType.ERROR: Layout(ErrorResponse, (Field("Error", "text", TEXT),)),
    }
)

PUSH_PULL_HEADER: Final = Layout(
    PushPullHeader,
    (
        Field("Join", "join", FLAG),
        Field("Nodes", "nodes", unsigned(NODES_LIMIT)),
        Field("UserStateLen", "user_state_length", unsigned(BODY_LIMIT)),
    ),
)
NODE_STATE: Final = Layout(
    NodeState,
    (
        _ADDRESS,
        _INCARNATION,
        _META,
        Field("Name", "name", NAME),
        _PORT,
        Field("State", "status", STATUS),
        _VERSIONS,
    ),
)
USER_HEADER: Final = Layout(UserHeader, (Field("UserMsgLen", "length", unsigned(BODY_LIMIT)),))
