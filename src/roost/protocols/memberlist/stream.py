"""Streams: one message each way on a TCP connection, in its envelopes (memberlist `net.go`, `label.go`).

    0xF4, length (1), label              the initiator's side only: a reply has no label header
    10, length (4, big-endian), sealed   with a keyring: the body as `keyring` seals it, bound to these
                                         5 bytes and the label
    body                                 see `body`; compressed whenever compression is on

The label binds the encryption of replies too, although they do not show it. Both sides of an exchange
are one `StreamCodec`, told by `reply` which way a message goes.
"""

from collections.abc import Generator
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.machine import Randomness
from roost.protocols.memberlist import keyring as encryption
from roost.protocols.memberlist.body import BodyReader, encode_user, reading_body
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.compression import compress
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.layouts import BODY_LIMIT
from roost.protocols.memberlist.messages import Message, MessageType, UserMessage
from roost.protocols.memberlist.packet import LABEL_LIMIT, label_header

__all__ = ["StreamCodec", "StreamDecoder"]

_FRAME_HEADER: Final = 5  # bytes: type and length


class StreamCodec:
    """Encodes and decodes the streams of one cluster, given by its label and keys.

    `random` makes the nonces: production must pass a cryptographically strong one
    (`random.SystemRandom`). `keyring` may be replaced at any time, for a rotation. `limit` is the
    largest body in bytes, also once inflated. Raises ValueError for a label of more than 255 bytes.
    """

    def __init__(
        self,
        label: bytes = b"",
        keyring: Keyring | None = None,
        *,
        compress: bool = True,
        random: Randomness,
        limit: int = BODY_LIMIT,
    ) -> None:
        if len(label) > LABEL_LIMIT:
            raise ValueError(f"a label has at most {LABEL_LIMIT} bytes, not {len(label)}")
        self.keyring = keyring
        self._label = label
        self._compress = compress
        self._random = random
        self._limit = limit

    def encode(self, message: Message, *, reply: bool = False) -> bytes:
        """Return all bytes to write for `message`; `reply` when the peer opened the connection.

        Raises ValueError when a field is out of bounds or the body is larger than the limit.
        """
        plain = encode_user(message) if isinstance(message, UserMessage) else encode_message(message)
        body = compress(plain) if self._compress else plain
        if max(len(plain), len(body) + encryption.OVERHEAD) > self._limit:
            raise ValueError(f"a stream body of {len(plain)} bytes is over the limit of {self._limit}")
        header = b"" if reply else label_header(self._label)
        return header + (self._seal(body, self.keyring) if self.keyring else body)

    def decoder(self, *, reply: bool = False) -> "StreamDecoder":
        """Return a decoder for one direction of one connection; `reply` when we opened it."""
        return StreamDecoder(b"" if reply else self._label, self._label, self.keyring, self._limit)

    def _seal(self, body: bytes, keyring: Keyring) -> bytes:
        length = encryption.OVERHEAD + len(body)
        header = bytes((MessageType.ENCRYPT,)) + length.to_bytes(4, "big")
        nonce = self._random.randbytes(encryption.NONCE_SIZE)
        return header + keyring.encrypt(body, header + self._label, nonce)


class StreamDecoder:
    """Reads the one message that a peer sends on a connection, from chunks of any size.

    `shown_label` is what the stream must begin with (none for a reply), `label` what binds its encryption.
    `busy` while bytes that are here take more work: `feed` it nothing, again and again.
    """

    def __init__(self, shown_label: bytes, label: bytes, keyring: Keyring | None, limit: int) -> None:
        self._label_header = label_header(shown_label)
        self._label = label
        self._keyring = keyring
        self._limit = limit
        self._buffer = bytearray()
        self._reading = self._read()
        self._done = False
        self._failure = ""
        self.busy = False

    def feed(self, data: bytes) -> Message | None:
        """Return the message once `data` completes it, else None.

        Raises PacketError for another label, for clear text where keys are set and the reverse, for
        anything malformed or oversized, and for bytes after the message; after a failure, always.
        """
        if self._failure:
            raise PacketError(self._failure)
        try:
            return self._feed(data)
        except PacketError as fault:
            self._failure = str(fault)
            self.busy = False
            self._buffer.clear()
            raise

    def _feed(self, data: bytes) -> Message | None:
        if self._done:
            if data:
                raise PacketError("stream has bytes after its message")
            return None
        if len(self._buffer) + len(data) > len(self._label_header) + _FRAME_HEADER + self._limit:
            raise PacketError(f"stream is larger than {self._limit} bytes")
        self._buffer += data
        try:
            next(self._reading)
        except StopIteration as end:
            self._done = True
            self.busy = False
            if self._buffer:
                raise PacketError("stream has bytes after its message") from None
            message: Message = end.value
            return message
        return None

    def _read(self) -> Generator[None, None, Message]:
        """Yield whenever more bytes are needed."""
        yield from self._read_label()
        yield from self._await(1)
        encrypted = self._buffer[0] == MessageType.ENCRYPT
        if self._keyring is None:
            if encrypted:
                raise PacketError("stream is encrypted and no key is set")
            return (yield from self._read_clear())
        if not encrypted:
            raise PacketError("stream is not encrypted although keys are set")
        return (yield from self._read_sealed(self._keyring))

    def _read_label(self) -> Generator[None, None, None]:
        if not self._label_header:
            return  # a label nobody expects fails as an unsupported type
        while len(self._buffer) < len(self._label_header) and self._label_header.startswith(
            bytes(self._buffer)
        ):
            yield
        if not self._buffer.startswith(self._label_header):
            raise PacketError("stream has no label or another cluster's")
        del self._buffer[: len(self._label_header)]

    def _read_sealed(self, keyring: Keyring) -> Generator[None, None, Message]:
        yield from self._await(_FRAME_HEADER)
        header = bytes(self._buffer[:_FRAME_HEADER])
        length = int.from_bytes(header[1:], "big")
        if length > self._limit:
            raise PacketError(f"stream body of {length} bytes is larger than {self._limit}")
        yield from self._await(_FRAME_HEADER + length)
        sealed = bytes(self._buffer[_FRAME_HEADER : _FRAME_HEADER + length])
        if len(self._buffer) > _FRAME_HEADER + length:
            raise PacketError("stream has bytes after its encrypted message")
        self._buffer.clear()
        self.busy = True
        return (yield from reading_body(keyring.decrypt(sealed, header + self._label), self._limit))

    def _read_clear(self) -> Generator[None, None, Message]:
        body = BodyReader(self._limit)
        while True:
            chunk = bytes(self._buffer)
            self._buffer.clear()
            message = body.feed(chunk)
            if message is not None:
                return message
            self.busy = body.busy
            yield

    def _await(self, count: int) -> Generator[None, None, None]:
        while len(self._buffer) < count:
            yield
