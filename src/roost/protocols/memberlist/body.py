"""Bodies of streams: what stands on a TCP connection inside label and encryption.

A body is a type byte and msgpack values, some with raw bytes after them. Nothing says how long it is
as a whole, so the reader takes it in pieces and finds its end while reading.
"""

from collections.abc import Generator
from typing import Final

import msgpack

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.compression import ENVELOPE
from roost.protocols.memberlist.fields import limits
from roost.protocols.memberlist.layouts import (
    MESSAGES,
    NODE_STATE,
    PUSH_PULL_HEADER,
    USER_HEADER,
    PushPullHeader,
    UserHeader,
)
from roost.protocols.memberlist.messages import Message, MessageType, PushPull, UserMessage
from roost.protocols.memberlist.parts import run

__all__ = ["BodyReader", "encode_push_pull", "encode_user", "read_body", "reading_body"]

_READ_SIZE: Final = 16_384  # bytes the msgpack reader allocates at first
_LONGEST_VALUE: Final = 8192  # bytes of one raw value in an uncompressed map, unknown keys included
_PART: Final = 65_536  # bytes that are read together: 100 nodes, in some 2 ms
_SINGLE_MAPS: Final = (MessageType.PING, MessageType.ACK, MessageType.ERROR)


def encode_push_pull(message: PushPull) -> bytes:
    """Return type byte, header, node states and user state; raises ValueError for fields out of bounds."""
    header = PushPullHeader(len(message.nodes), len(message.user_state), message.join)
    states = (NODE_STATE.pack(node) for node in message.nodes)
    return b"".join(
        (bytes((MessageType.PUSH_PULL,)), PUSH_PULL_HEADER.pack(header), *states, message.user_state)
    )


def encode_user(message: UserMessage) -> bytes:
    """Return a user message as streams carry it: type byte, header with its length, payload."""
    header = USER_HEADER.pack(UserHeader(len(message.payload)))
    return bytes((MessageType.USER,)) + header + message.payload


def read_body(data: bytes, limit: int, *, may_be_compressed: bool = True) -> Message:
    """Return the message of a body that is here as a whole.

    Raises PacketError as `BodyReader` does, and when the body is cut short.
    """
    return run(reading_body(data, limit, may_be_compressed=may_be_compressed))


def reading_body(
    data: bytes, limit: int, *, may_be_compressed: bool = True
) -> Generator[None, None, Message]:
    """Do the work of `read_body` in parts of a few milliseconds; yield between them."""
    reader = BodyReader(limit, may_be_compressed=may_be_compressed)
    for start in range(0, len(data), _PART):
        if start:
            yield
        message = reader.feed(data[start : start + _PART])
        while reader.busy:
            yield
            message = reader.feed(b"")
        if message is not None:
            if start + _PART < len(data):
                raise PacketError("stream body has bytes after its end")
            return message
    raise PacketError("stream body is cut short")


class BodyReader:
    """Reads one body from chunks of any size, taking at most `limit` bytes, inflating to as many.

    `busy` while all that is needed may be here, and the work is not done: `feed` it nothing, again and again.
    """

    def __init__(self, limit: int, *, may_be_compressed: bool = True) -> None:
        self._limit = limit
        self._may_be_compressed = may_be_compressed
        self._taken = 0
        self.busy = False
        self._values = msgpack.Unpacker()  # replaced when the type byte is here
        self._reading: Generator[None, None, Message] | None = None

    def feed(self, data: bytes) -> Message | None:
        """Return the message once `data` completes it, else None.

        Raises PacketError for a malformed or oversized body and for bytes after its end. It is of no
        use after that, or after it has returned the message.
        """
        if not data:
            return self._proceed() if self.busy else None
        self._taken += len(data)
        if self._taken > self._limit:
            raise PacketError(f"stream body is larger than {self._limit} bytes")
        if self._reading is None:
            self._start(data[0])
            data = data[1:]
        self._values.feed(data)
        return self._proceed()

    def _start(self, kind: int) -> None:
        compressed = kind == MessageType.COMPRESS
        self._values = msgpack.Unpacker(
            max_buffer_size=self._limit,
            read_size=min(self._limit, _READ_SIZE),
            **limits(self._limit if compressed else min(self._limit, _LONGEST_VALUE)),
        )
        self._reading = self._read(kind)

    def _proceed(self) -> Message | None:
        assert self._reading is not None  # noqa: S101  for the type checker: feed has started it
        try:
            next(self._reading)
        except StopIteration as end:
            message: Message = end.value
        else:
            return None
        if self._values.read_bytes(1):
            raise PacketError("stream body has bytes after its end")
        return message

    def _read(self, kind: int) -> Generator[None, None, Message]:
        """Yield whenever more bytes are needed."""
        if kind == MessageType.PUSH_PULL:
            return (yield from self._read_push_pull())
        if kind == MessageType.USER:
            user = USER_HEADER.read((yield from self._value()))
            return UserMessage((yield from self._raw(user.length)))
        if kind == MessageType.COMPRESS and self._may_be_compressed:
            envelope = ENVELOPE.read((yield from self._value()))
            self.busy = True
            inflated = yield from envelope.inflating(self._limit)
            message = yield from reading_body(inflated, self._limit, may_be_compressed=False)
            self.busy = False
            return message
        if kind in _SINGLE_MAPS:
            single: Message = MESSAGES[MessageType(kind)].read((yield from self._value()))
            return single
        raise PacketError(f"unsupported message type {kind} on a stream")

    def _read_push_pull(self) -> Generator[None, None, PushPull]:
        header = PUSH_PULL_HEADER.read((yield from self._value()))
        nodes = []
        for _ in range(header.nodes):
            nodes.append(NODE_STATE.read((yield from self._value())))  # noqa: PERF401  a comprehension cannot yield
        user_state = yield from self._raw(header.user_state_length)
        return PushPull(tuple(nodes), user_state, header.join)

    def _value(self) -> Generator[None, None, object]:
        while True:
            try:
                value: object = self._values.unpack()
            except msgpack.OutOfData:
                yield
            except (ValueError, msgpack.UnpackException) as reason:
                raise PacketError(f"malformed msgpack: {reason}") from None
            else:
                return value

    def _raw(self, length: int) -> Generator[None, None, bytes]:
        taken = bytearray()
        while True:
            taken += self._values.read_bytes(length - len(taken))
            if len(taken) == length:
                return bytes(taken)
            yield
