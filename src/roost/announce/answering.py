"""What to do about one frame: answer it, take note of what it tells, or drop it. Pure.

Sender fields are believed only where they agree with the Ethernet source: a frame that claims another
hardware address than it came from is spoofed and dropped.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roost.model.address import IPAddress
from roost.protocols import arp, ethernet, ndp
from roost.protocols.errors import PacketError
from roost.protocols.ethernet import Frame
from roost.protocols.words.sightings import Sighting

__all__ = [
    "Answer",
    "Asked",
    "Claimed",
    "Dropped",
    "Inquiry",
    "Outcome",
    "correction_frames",
    "gratuitous_frames",
    "probe_frame",
    "respond",
]

_UNSPECIFIED: Final = IPv6Address(0)
_ALL_NODES: Final = IPv6Address("ff02::1")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The host at `mac` (6 bytes) asks for `address`: this station `alone`, or everybody.

    A `probe` does not say who asks.
    """

    address: IPAddress
    mac: bytes
    alone: bool
    probe: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Send `frame`: `address` was asked for, by `asker` if it said who it is, and is answered here."""

    address: IPAddress
    frame: bytes
    asker: Sighting | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asked for an address that is ours to know, and not ours to answer now."""

    address: IPAddress
    asker: Sighting | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Another machine says that one of our addresses is at `mac` (6 bytes).

    A `direct` claim was sent to this link alone: it answers a question, so its sender hears questions.
    """

    address: IPAddress
    mac: bytes
    direct: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing to do; `reason` is the name of a counter."""

    reason: str


Outcome = Answer | Asked | Claimed | Dropped


def respond(
    data: bytes,
    mac: bytes,
    answered: Callable[[IPAddress], bytes | None],
    known: Container[IPAddress],
    *,
    is_ours: Callable[[Inquiry], bool] = lambda _: True,
    router: bool = False,
) -> Outcome:
    """Decide about the frame `data` that came in on a link with hardware address `mac`.

    `answered` gives the hardware address with which this node answers for an address on that link, None
    where it does not; `known` holds all service addresses. Of one that several nodes answer, `is_ours` tells
    whose questions are this node's. `router` is the Router flag of advertisements: whether this host forwards
    IPv6 there.
    """
    try:
        frame = ethernet.parse(data)
        if frame.source == mac:
            return Dropped("own_frame")
        if not ethernet.is_unicast(frame.source):
            return Dropped("spoofed_source")
        if frame.ethertype == ethernet.ARP:
            return _arp(frame, mac, answered, known, is_ours)
        if frame.ethertype == ethernet.IPV6:
            return _ndp(frame, mac, answered, known, is_ours, router=router)
    except PacketError:
        return Dropped("malformed")
    return Dropped("other_protocol")


def _arp(
    frame: Frame,
    mac: bytes,
    answered: Callable[[IPAddress], bytes | None],
    known: Container[IPAddress],
    is_ours: Callable[[Inquiry], bool],
) -> Outcome:
    packet = arp.parse(frame.payload)
    if packet.sender_mac != frame.source:
        return Dropped("spoofed_sender")
    if packet.sender in known:
        direct = packet.operation == arp.REPLY and frame.destination == mac
        return Claimed(packet.sender, packet.sender_mac, direct)
    rules = (
        (packet.operation != arp.REQUEST, "foreign_reply"),
        (packet.target not in known, "unknown_address"),
        (frame.destination not in (ethernet.BROADCAST, mac, answered(packet.target)), "not_for_us"),
    )
    if reason := next((reason for holds, reason in rules if holds), ""):
        return Dropped(reason)
    asker = Sighting(packet.target, packet.sender, packet.sender_mac) if int(packet.sender) else None
    inquiry = Inquiry(packet.target, frame.source, frame.destination == mac, probe=asker is None)
    if (own := answered(packet.target)) is None or not is_ours(inquiry):
        return Asked(packet.target, asker)
    reply = arp.Arp(arp.REPLY, own, packet.target, packet.sender_mac, packet.sender)
    return Answer(packet.target, ethernet.build(frame.source, own, ethernet.ARP, reply.encode()), asker)


def _ndp(
    frame: Frame,
    mac: bytes,
    answered: Callable[[IPAddress], bytes | None],
    known: Container[IPAddress],
    is_ours: Callable[[Inquiry], bool],
    *,
    router: bool,
) -> Outcome:
    message = ndp.parse(frame.payload)
    if message.target not in known:
        return Dropped("unknown_address")
    if isinstance(message, ndp.Advertisement):
        direct = frame.destination == mac
        return Claimed(message.target, message.link_layer or frame.source, direct)
    if frame.destination not in (mac, ndp.solicited_node_mac(message.target), answered(message.target)):
        return Dropped("not_for_us")
    if message.link_layer not in (None, frame.source):
        return Dropped("spoofed_sender")
    probing = message.source == _UNSPECIFIED  # duplicate address detection, or a peer's question
    asker = None if probing else Sighting(message.target, message.source, frame.source)
    inquiry = Inquiry(message.target, frame.source, frame.destination == mac, probing)
    if (own := answered(message.target)) is None or not is_ours(inquiry):
        return Asked(message.target, asker)
    reply = ndp.Advertisement(
        # From the address itself: it works on links whose link-local address is missing or late.
        message.target,
        _ALL_NODES if probing else message.source,
        message.target,
        own,
        router=router,
        solicited=not probing,
    )
    # A prober, too, hears it alone (RFC 6085): so a peer that asks knows that it was heard.
    return Answer(message.target, ndp.advertisement_frame(reply, own, frame.source), asker)


def gratuitous_frames(mac: bytes, address: IPAddress, *, router: bool = False) -> tuple[bytes, ...]:
    """Return the frames that tell the whole LAN that `address` is at `mac`."""
    if isinstance(address, IPv4Address):
        return arp.gratuitous(mac, address)
    return (ndp.unsolicited(mac, address, router=router),)


def correction_frames(mac: bytes, sighting: Sighting, *, router: bool = False) -> tuple[bytes, ...]:
    """Return the frames that tell one client alone that its service address is at `mac`."""
    vip, client = sighting.vip, sighting.client
    if isinstance(vip, IPv4Address) and isinstance(client, IPv4Address):
        return arp.correction(mac, vip, client, sighting.mac)
    if isinstance(vip, IPv6Address) and isinstance(client, IPv6Address):
        news = ndp.Advertisement(vip, client, vip, mac, router=router)
        return (ndp.advertisement_frame(news, mac, sighting.mac),)
    return ()


def probe_frame(mac: bytes, address: IPAddress) -> bytes:
    """Return the frame that asks who has `address`, teaching nobody anything."""
    return (
        arp.probe(mac, address) if isinstance(address, IPv4Address) else ndp.solicitation_frame(mac, address)
    )
