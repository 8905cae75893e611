"""What a client of the LAN sees of a service address: TCP, UDP and ping, from sockets in its namespace."""

import contextlib
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.system.netns import Namespace

from roost.protocols.icmp import internet_checksum

__all__ = ["Pings", "tcp", "udp"]

_PATIENCE = 2.0  # seconds
_ERRORS = {4: {3, 5, 11}, 6: {1, 3, 137}}  # ICMP types of unreachable, redirect, time exceeded


def tcp(client: Namespace, address: str, port: int = 7) -> str:
    """Connect, exchange a few bytes, and return the name of the node whose pod served."""
    with client.entered():
        connection = socket.socket(_family(address), socket.SOCK_STREAM)
    with connection:
        connection.settimeout(_PATIENCE)
        connection.connect((address, port))
        with connection.makefile("rwb") as file:
            name = file.readline().decode().strip()
            file.write(b"there and back\n")
            file.flush()
            assert file.readline() == b"there and back\n"
    return name


def udp(client: Namespace, address: str, port: int = 7) -> str:
    """Send a datagram and return the name of the node whose pod sent it back."""
    with client.entered():
        sock = socket.socket(_family(address), socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(_PATIENCE)
        sock.sendto(b"12345678", (address, port))
        data, sender = sock.recvfrom(64)
    assert sender[:2] == (address, port)
    assert data[:8] == b"12345678"
    return data[8:].decode()


@dataclass
class Pings:
    """Pings `address` every `interval` seconds until the end of the block, and hears all answers on eth0."""

    client: Namespace
    address: str
    interval: float = 0.01
    size: int = 56  # bytes of data
    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)  # sequence number -> how often answered
    errors: list[str] = field(default_factory=list)  # ICMP errors and redirects that came beside, or instead
    macs: set[str] = field(default_factory=set)  # whose frames the answers were

    @property
    def lost(self) -> int:
        return self.sent - len(self.answers)

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.answers.values())

    def __enter__(self) -> Self:
        self._six = ":" in self.address
        self._kinds = (128, 129) if self._six else (8, 0)
        with self.client.entered():
            protocol = socket.IPPROTO_ICMPV6 if self._six else socket.IPPROTO_ICMP
            self._raw = socket.socket(_family(self.address), socket.SOCK_RAW, protocol)
            self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._wire.bind(("eth0", 3))
        self._wire.settimeout(0.05)
        self._identifier = id(self) & 0xFFFF
        self._stop, self._deaf = Event(), Event()
        self._threads = [Thread(target=each, daemon=True) for each in (self._send, self._hear)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._threads[0].join()
        time.sleep(0.3)  # for the answers under way
        self._deaf.set()
        self._threads[1].join()
        self._raw.close()
        self._wire.close()

    def _send(self) -> None:
        data = bytes(each & 0xFF for each in range(self.size))
        beat = time.monotonic()
        while not self._stop.is_set():
            message = struct.pack("!BBHHH", self._kinds[0], 0, 0, self._identifier, self.sent & 0xFFFF) + data
            if not self._six:  # the kernel sees to ICMPv6's checksum
                message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
            with contextlib.suppress(OSError):  # nobody answers for the address: lost, and counted so
                self._raw.sendto(message, (self.address, 0))
            self.sent += 1
            beat = max(beat + self.interval, time.monotonic())
            time.sleep(max(0.0, beat - time.monotonic()))

    def _hear(self) -> None:
        while not self._deaf.is_set():
            try:
                frame, (_, _, kind, *_) = self._wire.recvfrom(4096)
            except TimeoutError:
                continue
            if kind != socket.PACKET_OUTGOING:
                self._note(frame)

    def _note(self, frame: bytes) -> None:
        six = frame[12:14] == b"\x86\xdd"
        next_header, at = (frame[20], 54) if six else (frame[23], 34)
        if six != self._six or next_header != (58 if six else 1) or frame[12] not in (0x08, 0x86):
            return
        kind, identifier, sequence = frame[at], *struct.unpack_from("!HH", frame, at + 4)
        source = frame[22:38] if six else frame[26:30]
        if kind == self._kinds[1] and identifier == self._identifier:
            assert source == socket.inet_pton(_family(self.address), self.address)
            self.answers[sequence] += 1
            self.macs.add(frame[6:12].hex(":"))
        elif kind in _ERRORS[6 if six else 4]:
            sender = frame[6:12].hex(":")
            self.errors.append(f"{time.monotonic():.3f} s: type {kind} code {frame[at + 1]} from {sender}")


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
