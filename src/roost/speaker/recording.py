"""What the flight recorder of a speaker knows, as a pcapng file; see `roost.observe.recorder`.

One interface for each link, one for gossip, whose packets are built anew around what the socket had. Each
decision is a comment on the packet before it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Final

from roost import __version__
from roost.membership.cluster import Cluster
from roost.model.event import Event
from roost.observe.recorder import Datagram, Decision, Entry, Frame, Recorder
from roost.protocols import pcapng, udp
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.messages import Message
from roost.protocols.pcapng import Direction
from roost.runtime.http import Handler, Request, Response, Stream

__all__ = ["Recording", "with_recording"]

LONGEST: Final = 3600.0  # seconds
_LOOK: Final = 0.25  # seconds
_GOSSIP: Final = "gossip"
_PATH: Final = "/v1/record"
_AT_ONCE: Final = 500  # entries between two turns of the event loop


def with_recording(recorder: Recorder, cluster: Cluster, handler: Handler) -> Handler:
    """Return `handler`, before which recordings are answered: for a place that only the operator reaches."""

    async def answer(request: Request) -> Response | Stream:
        if request.path != _PATH or request.method != "GET":
            return await handler(request)
        try:
            seconds = float(request.query.get("seconds", ["0"])[0])
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= LONGEST:
            text = b'{"error": "seconds: has to be a number from 0 to %d"}' % LONGEST
            return Response(400, text)
        recording = Recording(cluster, decrypt=request.query.get("decrypt") == ["true"])
        return Stream(record(recorder, recording, seconds), "application/x-pcapng")

    return answer


async def record(recorder: Recorder, recording: "Recording", seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield what is known of before, then for `seconds` what comes, as whole blocks of a file."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    serial = 0
    while True:
        is_last = loop.time() >= until
        entries = list(recorder.since(serial))
        for at in range(0, len(entries), _AT_ONCE):
            part = entries[at : at + _AT_ONCE]
            if blocks := recording.take(part):
                yield blocks
            serial = part[-1].serial
            await asyncio.sleep(0)
        if is_last:
            yield recording.end()
            return
        await asyncio.sleep(min(_LOOK, max(0.0, until - loop.time())))


@dataclass(slots=True)
class _Held:
    """A packet that is not written yet: what is decided next becomes its comment."""

    interface: int
    when: int
    data: bytes
    direction: Direction
    comments: list[str]


@dataclass(slots=True)
class Recording:
    """Makes entries blocks. Gossip stays as encrypted as it was, unless `decrypt`."""

    cluster: Cluster
    decrypt: bool
    _interfaces: dict[str, int] = field(default_factory=dict)
    _held: _Held | None = None
    _early: list[str] = field(default_factory=list)  # decisions from before the first packet
    _begun: bool = False

    def take(self, entries: list[Entry]) -> bytes:
        """Return the blocks that are complete with these entries."""
        return b"".join(block for entry in entries for block in self._blocks(entry))

    def end(self) -> bytes:
        """Return what is left."""
        if self._held is None:
            return self._begin(self._early)
        return self._written(self._held)

    def _blocks(self, entry: Entry) -> Iterator[bytes]:
        if isinstance(entry, Decision):
            comments = self._held.comments if self._held is not None else self._early
            comments.append(_told(entry))
            return
        held = self._packet(entry)
        if held is None:
            return
        number, packet, comments = held
        yield self._begin([])
        if number not in self._interfaces:
            self._interfaces[number] = len(self._interfaces)
            yield pcapng.interface(number, pcapng.RAW_IP if number == _GOSSIP else pcapng.ETHERNET)
        if self._held is not None:
            yield self._written(self._held)
        early, self._early = self._early, []
        direction = Direction.OUT if getattr(entry, "sent", False) else Direction.IN
        self._held = _Held(self._interfaces[number], entry.when, packet, direction, [*comments, *early])

    def _begin(self, comments: list[str]) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return pcapng.section(f"roost {__version__}", comments)

    def _packet(self, entry: Entry) -> tuple[str, bytes, list[str]] | None:
        """Return an entry's interface, packet and comments; None for what cannot be shown."""
        match entry:
            case Frame(link=link, data=data):
                return link, data, []
            case Datagram(peer=peer, data=data, sent=sent):
                own = self.cluster.endpoint
                if own is None:
                    return None
                shown, comments = self._gossip(data)
                ends: tuple[Endpoint, Endpoint] = (own, peer) if sent else (peer, own)
                try:
                    return _GOSSIP, udp.packet(*ends, shown), comments
                except ValueError:  # IPv4 through an IPv6 socket, or the reverse
                    return None
        return None

    def _gossip(self, data: bytes) -> tuple[bytes, list[str]]:
        """Return a packet of gossip as it is shown, with a comment on what it says if that may be read."""
        if self.cluster.is_encrypted and not self.decrypt:
            return data, []
        plain = self.cluster.plain(data) if self.decrypt else None
        said = ", ".join(map(_said, self.cluster.messages(data)))
        return plain if plain is not None else data, [f"gossip: {said}"] if said else []

    def _written(self, held: _Held) -> bytes:
        return pcapng.packet(held.interface, held.when, held.data, held.direction, held.comments)


def _told(decision: Decision) -> str:
    event: Event = decision.event
    facts = " ".join(f"{name}={fact}" for name, fact in event.facts.items())
    return f"{event.what.value}: {event.text}" + (f" ({facts})" if facts else "")


def _said(message: Message) -> str:
    about = getattr(message, "node", "")
    return f"{type(message).__name__.lower()} {about}".rstrip()
