"""Gossip in Ethernet frames on packet sockets, beside UDP and TCP; see `protocols.memberlist.frames`.

    packets  -> unicast to the hardware addresses that the member has told of
    exchange -> asks by broadcast who the target is, then sends the request there, until a reply is whole

What it must not know: when a packet goes this way (`Swim`), when an exchange does (`MemberlistTransport`).
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from roost.model.link import Link
from roost.protocols import ethernet
from roost.protocols.errors import PacketError
from roost.protocols.filter import build_gossip
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.frames import (
    AGAIN,
    ETHERTYPE,
    HEADER,
    MAGIC,
    TRIES,
    Framed,
    FrameKind,
    Gathering,
    split,
)
from roost.protocols.memberlist.messages import Message, PushPull
from roost.protocols.memberlist.stream import StreamCodec
from roost.runtime.memberlist_streams import Responder
from roost.runtime.packet_socket import CapabilityError, PacketSocket, Tap

__all__ = ["MemberlistFrames", "OnPacket", "ReportFault"]

_log = logging.getLogger("roost.membership")

_PART: Final = 1400  # bytes, as gossip's packets have at most
_STATIONS: Final = 4  # hardware addresses of one member that are sent to
_SERVED: Final = 64  # requests a second

OnPacket = Callable[[bytes, Endpoint], None]
ReportFault = Callable[[str, Endpoint], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An exchange of ours: its `request` in parts goes to `target` once that is found."""

    target: Endpoint
    request: tuple[bytes, ...]
    reply: asyncio.Future[bytes]


class MemberlistFrames:
    """Sends and hears frames of gossip on the links it is given with `use`; without any it does nothing.

    `macs(name)` are the hardware addresses (6 bytes) that a member has told of. `tap` sees whole frames.
    """

    def __init__(
        self,
        codec: StreamCodec,
        counters: Counter[str],
        macs: Callable[[str], Sequence[bytes]],
        tap: Tap | None = None,
    ) -> None:
        self._codec = codec
        self._counters = counters
        self._macs = macs
        self._tap = tap
        self._links: dict[int, Link] = {}
        self._sockets: dict[int, PacketSocket] = {}
        self._own: Endpoint | None = None  # once it is started
        self._gathering = Gathering()
        self._asked: dict[int, _Asked] = {}
        self._served: tuple[int, int] = (0, 0)  # how many in which second

    def start(self, own: Endpoint, on_packet: OnPacket, responder: Responder, report: ReportFault) -> None:
        """Hear what is for `own`: packets, and the requests that `responder` answers."""
        self._own = own
        self._on_packet = on_packet
        self._responder = responder
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._open()

    def use(self, links: Sequence[Link]) -> None:
        """Send and hear on exactly these links from now on."""
        before, self._links = self._links, {link.index: link for link in links}
        for index in [each for each in self._sockets if self._links.get(each) != before.get(each)]:
            self._sockets.pop(index).close()
        self._open()

    def stop(self) -> None:
        """Close everything."""
        self._own = None
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    @property
    def is_open(self) -> bool:
        """Whether there is a link to send on."""
        return bool(self._sockets)

    def drain(self) -> None:
        """Read what has arrived."""
        for each in tuple(self._sockets.values()):
            each.drain()

    def send(self, name: str, target: Endpoint, packet: bytes) -> None:
        """Send a packet to the member `name`, as far as it has said where it is."""
        if self._sockets and self._own is not None and (macs := self._macs(name)[:_STATIONS]):
            payload = Framed(FrameKind.PACKET, self._own, target, packet).pack()
            for index in tuple(self._sockets):
                for mac in macs:
                    self._put(index, mac, payload)

    async def exchange(self, target: Endpoint, request: Message) -> Message:
        """Send `request` and return the reply.

        Raises TimeoutError after 0.5 s, PacketError for what the peer sends, and ValueError for a request
        that is too large.
        """
        assert self._own is not None  # noqa: S101 - nothing is open before
        parts = tuple(split(self._codec.encode(request), self._part_size()))
        number = secrets.randbits(64)
        asked = self._asked[number] = _Asked(target, parts, self._loop.create_future())
        question = Framed(FrameKind.ASK, self._own, target, b"", number).pack()
        try:
            for _ in range(TRIES):
                for index in tuple(self._sockets):
                    self._put(index, ethernet.BROADCAST, question)
                await asyncio.wait({asked.reply}, timeout=AGAIN)
                if asked.reply.done():
                    return self._decoded(asked.reply.result(), reply=True)
            raise TimeoutError
        finally:
            del self._asked[number]

    # -- what comes in -------------------------------------------------------------------------------

    def _heard(self, index: int, data: bytes) -> None:
        try:
            frame = ethernet.parse(data)
            framed = Framed.parse(frame.payload)
        except PacketError:
            self._counters["frames_faulty"] += 1
            return
        if framed.target != self._own:
            return
        self._counters["frames_received"] += 1
        match framed.kind:
            case FrameKind.PACKET:
                self._on_packet(framed.payload, framed.source)
            case FrameKind.ASK:
                here = Framed(FrameKind.HERE, framed.target, framed.source, b"", framed.exchange)
                self._put(index, frame.source, here.pack())
            case FrameKind.HERE:
                self._send_request(index, frame.source, framed)
            case FrameKind.REQUEST:
                self._serve(index, frame.source, framed)
            case FrameKind.REPLY:
                self._take_reply(framed)

    def _send_request(self, index: int, mac: bytes, here: Framed) -> None:
        asked = self._asked.get(here.exchange)
        if asked is not None and asked.target == here.source:
            self._send_parts(index, mac, FrameKind.REQUEST, here, asked.request)

    def _serve(self, index: int, mac: bytes, part: Framed) -> None:
        data = self._gathering.add(part)
        if data is None or not self._may_serve():
            return
        try:
            request = self._decoded(data, reply=False)
        except PacketError as fault:
            self._report(str(fault), part.source)
            return
        reply = self._responder.serve(request, part.source) if isinstance(request, PushPull) else None
        if reply is not None:
            try:
                parts = split(self._codec.encode(reply, reply=True), self._part_size())
            except ValueError:  # our state is too large
                self._counters["frames_too_large"] += 1
            else:
                self._send_parts(index, mac, FrameKind.REPLY, part, parts)

    def _may_serve(self) -> bool:
        """Bound what a stranger's requests cost."""
        second = int(self._loop.time())
        count = self._served[0] if self._served[1] == second else 0
        self._served = count + 1, second
        return count < _SERVED

    def _take_reply(self, part: Framed) -> None:
        asked = self._asked.get(part.exchange)
        if asked is not None and asked.target == part.source and not asked.reply.done():
            data = self._gathering.add(part)
            if data is not None:
                asked.reply.set_result(data)

    def _decoded(self, data: bytes, *, reply: bool) -> Message:
        decoder = self._codec.decoder(reply=reply)
        message = decoder.feed(data)
        while message is None and decoder.busy:
            message = decoder.feed(b"")
        if message is None:
            raise PacketError("a message in frames ends too soon")
        return message

    # -- what goes out -------------------------------------------------------------------------------

    def _send_parts(
        self, index: int, mac: bytes, kind: FrameKind, answered: Framed, parts: Sequence[bytes]
    ) -> None:
        for number, part in enumerate(parts):
            framed = Framed(
                kind, answered.target, answered.source, part, answered.exchange, number, len(parts)
            )
            self._put(index, mac, framed.pack())

    def _put(self, index: int, mac: bytes, payload: bytes) -> None:
        """Send one frame; what the link does not take is lost, as elsewhere on a LAN."""
        socket, link = self._sockets.get(index), self._links.get(index)
        if socket is not None and link is not None:
            socket.send(ethernet.build(mac, link.mac, ETHERTYPE, payload))
            self._counters["frames_sent"] += 1

    def _part_size(self) -> int:
        return min((_PART, *(link.mtu - HEADER for link in self._links.values())))

    def _open(self) -> None:
        if self._own is None:
            return
        program = build_gossip(ETHERTYPE, MAGIC, self._own)
        for index in self._links.keys() - self._sockets.keys():
            link = self._links[index]
            try:
                self._sockets[index] = PacketSocket(link, program, partial(self._heard, index), tap=self._tap)
            except CapabilityError as error:
                _log.info("gossip goes over UDP and TCP alone: %s", error)
            except OSError as error:  # gone since netlink told of it; it will tell that too
                _log.debug("link %s carries no gossip: %s", link.name, error)
