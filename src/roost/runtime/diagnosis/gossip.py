"""Pings of a peer's gossip port with this node's keys, from another port: no member comes or goes by it."""

import contextlib
import errno
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import SystemRandom
from typing import Final

from roost.model.diagnosis.facts import Gossip
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.keyring import Keyring
from roost.protocols.memberlist.messages import Ack, ErrorResponse, IndirectPing, Message, Ping
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.stream import StreamCodec

__all__ = ["Self", "ask"]

_WAIT: Final = 0.7  # seconds for an answer; a relay gives up after 0.5
_TRIES: Final = 2
_LARGEST: Final = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Self:
    """How this node gossips; `listening`: where its speaker does now, None when it does not run.

    `keys` is None where they are not known: then only connections are tried.
    """

    host: str
    listening: Endpoint | None
    label: bytes = b""
    keys: tuple[bytes, ...] | None = field(default=(), repr=False)


def ask(me: Self, peer: Endpoint) -> Gossip:
    """Ask `peer` over UDP, over TCP, and to ping this node in turn; takes up to 3.5 s, most of it in vain."""
    if me.keys is None:
        made, refused, _ = _over_tcp(me, peer, None)
        return Gossip(tcp=made, refused=refused)
    keyring = Keyring(me.keys) if me.keys else None
    made, refused, understood = _over_tcp(me, peer, keyring)
    codec = PacketCodec(me.label, keyring, random=SystemRandom())
    asks_back = me.listening is not None
    with contextlib.closing(_udp(me.host)) as sock:
        out = _over_udp(sock, codec, peer, lambda number: Ping(number, ""))
        back = None
        if out and asks_back and (listening := me.listening):
            target = ip_address(listening.host).packed
            back = _over_udp(
                sock, codec, peer, lambda number: IndirectPing(number, target, listening.port, "", nack=True)
            )
    return Gossip(udp_out=out, udp_in=back, tcp=made, understood=understood, refused=refused)


def _udp(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    return sock


def _over_udp(
    sock: socket.socket, codec: PacketCodec, peer: Endpoint, make: Callable[[int], Message]
) -> bool:
    """Send what `make` gives until it is acknowledged; a relay's Nack says no more than silence."""
    for _ in range(_TRIES):
        number = secrets.randbits(31)
        try:
            sock.sendto(codec.seal([encode_message(make(number))], crc=False), (peer.host, peer.port))
        except OSError:
            return False  # a firewall of this host refuses (EPERM), or there is no route
        for heard in _heard(sock, codec, time.monotonic() + _WAIT):
            if isinstance(heard, Ack) and heard.seq == number:
                return True
    return False


def _heard(sock: socket.socket, codec: PacketCodec, until: float) -> "list[Message]":
    """Return the messages of the first packet that says anything."""
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            packet = sock.recv(_LARGEST)
        except TimeoutError:
            return []
        except OSError:
            continue
        if messages := codec.open(packet).messages:
            return list(messages)
    return []


def _over_tcp(me: Self, peer: Endpoint, keyring: Keyring | None) -> tuple[bool, bool, bool | None]:
    """Return whether a connection was made, whether it was refused, and whether its answer was understood."""
    try:
        sock = socket.create_connection((peer.host, peer.port), 2 * _WAIT, (me.host, 0))
    except OSError as error:
        return False, error.errno == errno.ECONNREFUSED, None
    with sock:
        understood = (
            None
            if me.keys is None
            else _is_understood(sock, StreamCodec(me.label, keyring, random=SystemRandom()))
        )
    return True, False, understood


def _is_understood(sock: socket.socket, codec: StreamCodec) -> bool | None:
    """Ping over a stream; None: nothing came in time, which says nothing of keys."""
    decoder = codec.decoder(reply=True)
    try:
        sock.sendall(codec.encode(Ping(secrets.randbits(31), "")))
        while data := sock.recv(_LARGEST):
            answer = decoder.feed(data)
            while decoder.busy:
                answer = decoder.feed(b"")
            if answer is not None:
                return not isinstance(answer, ErrorResponse)
    except (PacketError, ConnectionResetError):
        return False
    except OSError:
        return None
    return False
