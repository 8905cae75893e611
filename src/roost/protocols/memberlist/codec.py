"""Messages to bytes and back: a type byte, then the body in msgpack (memberlist `net.go`).

What wraps a message (compound, compression, checksum, encryption, label) is in `packet` and `stream`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.body import encode_push_pull, read_body
from roost.protocols.memberlist.layouts import BODY_LIMIT, MESSAGES
from roost.protocols.memberlist.messages import Message, MessageType, PushPull, UserMessage

__all__ = ["decode_message", "encode_message"]

_TYPES: Final[Mapping[type, MessageType]] = MappingProxyType(
    {layout.factory: kind for kind, layout in MESSAGES.items() if isinstance(layout.factory, type)}
)


def encode_message(message: Message) -> bytes:
    """Return the type byte and body of `message`; a user message as packets carry it, without header.

    Raises ValueError when a field is out of the bounds that `decode_message` keeps.
    """
    if isinstance(message, UserMessage):
        return bytes((MessageType.USER,)) + message.payload
    if isinstance(message, PushPull):
        return encode_push_pull(message)
    kind = _TYPES[type(message)]
    return bytes((kind,)) + MESSAGES[kind].pack(message)


def decode_message(data: bytes) -> Message:
    """Return the one message that `data` is, as `encode_message` writes it.

    Raises PacketError for an unknown type, a missing key, a value of the wrong type or out of
    bounds, and for bytes left over.
    """
    if not data:
        raise PacketError("message has no type byte")
    kind = data[0]
    if kind == MessageType.USER:
        return UserMessage(data[1:])
    if kind == MessageType.PUSH_PULL:
        return read_body(data, BODY_LIMIT)
    if kind not in MESSAGES:
        raise PacketError(f"unsupported message type {kind}")
    message: Message = MESSAGES[MessageType(kind)].unpack(data[1:])
    return message
