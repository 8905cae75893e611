"""Netlink messages by hand (netlink(7)): for what is asked often, or in bulk, beside the announcing.

The kernel answers within the call: whoever sends reads what there is and never waits.
"""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["DUMP", "REQUEST", "NetlinkSocket", "attribute", "attributes", "message", "nested"]

REQUEST: Final = 0x01  # NLM_F_REQUEST
DUMP: Final = 0x300  # NLM_F_DUMP
_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # struct nlattr: length, type
_ERRNO: Final = struct.Struct("=i")
_NESTED: Final = 0x8000  # NLA_F_NESTED
_KIND: Final = 0x3FFF  # NLA_TYPE_MASK
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _STRICT = 270, 12  # NETLINK_GET_STRICT_CHK
_READ: Final = 1 << 16  # bytes, more than the kernel gives at once
_SEND_BUFFER: Final = 4 << 20  # bytes: a batch goes in one message
_SEND_BUFFER_ALLOWED: Final = 200_000  # bytes: what the kernel allows everybody
_SO_SNDBUFFORCE: Final = 32  # socket(7)


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """Return an attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def attributes(data: bytes, at: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (kind, value) of the attributes from `at` on."""
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _KIND, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def message(kind: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    """Return a whole message."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


class NetlinkSocket:
    """A socket of one netlink family, in the network namespace of the thread that uses it first.

    It is opened when it is used, also after `close`; that raises OSError where the kernel has no such family.
    `strict`: the kernel filters what is asked for by the request's header (NETLINK_ROUTE).
    """

    def __init__(self, family: int, *, strict: bool = False) -> None:
        self._family = family
        self._strict = strict
        self._open: socket.socket | None = None

    def close(self) -> None:
        """Give the socket back."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def dump(self, request: bytes) -> Iterator[bytes]:
        """Yield the body of each message of the answer to a dump request. Raises OSError."""
        for bodies in self.dump_in_parts(request):
            yield from bodies

    def dump_in_parts(self, request: bytes) -> Iterator[list[bytes]]:
        """Yield the same as the kernel gives it: some messages with each read. Raises OSError."""
        self._socket.send(request)
        while True:
            bodies: list[bytes] = []
            for kind, body in _messages(self._socket.recv(_READ)):
                if kind == _DONE:
                    yield bodies
                    return
                if kind == _ERROR:
                    _raise(body)
                bodies.append(body)
            yield bodies

    def ask(self, request: bytes) -> bytes:
        """Return the body of the one message that answers `request`. Raises OSError."""
        self._socket.send(request)
        kind, body = next(_messages(self._socket.recv(_READ)), (_ERROR, b""))
        if kind == _ERROR:
            _raise(body)
        return body

    def transact(self, messages: Iterable[bytes]) -> None:
        """Send messages at once; the first error that the kernel reports is raised as OSError."""
        data = b"".join(messages)
        if len(data) > _SEND_BUFFER_ALLOWED:  # beyond net.core.wmem_max, for CAP_NET_ADMIN
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, len(data))
        self._socket.send(data)
        failed = b""
        while True:
            try:
                data = self._socket.recv(_READ)
            except BlockingIOError:
                break
            errors = (body for kind, body in _messages(data) if kind == _ERROR and any(body[:4]))
            failed = failed or next(errors, b"")
        if failed:
            _raise(failed)

    @property
    def _socket(self) -> socket.socket:
        if self._open is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            self._open = socket.socket(socket.AF_NETLINK, kind, self._family)
            self._open.settimeout(0)
            self._open.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            if self._strict:
                self._open.setsockopt(_SOL_NETLINK, _STRICT, 1)
        return self._open


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += (max(length, _HEADER.size) + 3) & ~3


def _raise(body: bytes) -> None:
    if len(body) < _ERRNO.size:
        raise OSError(errno.EBADMSG, "an error of the kernel that is cut short")
    (code,) = _ERRNO.unpack_from(body)
    if code:
        raise OSError(-code, os.strerror(-code) if -code in errno.errorcode else f"error {-code}")
