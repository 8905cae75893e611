"""Questions as frames, and what has to come of each: one table, for whatever answers."""

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from roost.model.address import IPAddress
from roost.model.sharing import NO_SLOTS, Share, slot_of
from roost.protocols import arp, ethernet, ndp
from roost.protocols.arp import REPLY, REQUEST, Arp
from roost.protocols.ndp import Advertisement
from roost.protocols.words.sightings import Sighting

__all__ = [
    "ALL",
    "CLIENT",
    "HELD",
    "HELD6",
    "LED",
    "LED6",
    "OTHERS",
    "OTHERS6",
    "OURS",
    "PEER",
    "SHARED",
    "SHARED6",
    "Question",
    "long_solicitation",
    "shares",
]

OURS, CLIENT, PEER = (bytes.fromhex(f"02000000000{number}") for number in (1, 2, 3))
LED, HELD = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")  # HELD are known, and answered by others
SHARED, OTHERS = IPv4Address("192.0.2.202"), IPv4Address("192.0.2.203")  # CLIENT's askers are ours, another's
SHARED6, OTHERS6 = IPv6Address("2001:db8::ab:202"), IPv6Address("2001:db8::cd:203")
LED6, HELD6 = IPv6Address("2001:db8::ab:200"), IPv6Address("2001:db8::cd:201")
CLIENT4, CLIENT6 = IPv4Address("192.0.2.101"), IPv6Address("2001:db8::101")
NOBODY4, NOBODY6 = IPv4Address(0), IPv6Address(0)
ALL_NODES = IPv6Address("ff02::1")
SOURCE, NONCE = (
    b"\1\1",
    b"\x0e\1abcdef",
)  # options of ND: source link-layer address (its head), nonce (RFC 7527)


@dataclass(frozen=True)
class Question:
    """`answer` is None for silence; `asker` is who is remembered for having asked.

    `ends`: the host's own kernel does not get to see it, since it may have the address.
    """

    name: str
    frame: bytes
    answer: Arp | Advertisement | None = None
    asker: Sighting | None = None
    ends: bool = False


def shares() -> dict[IPAddress, Share]:
    """Of SHARED the slot of CLIENT is this node's, of OTHERS all but that."""
    found: dict[IPAddress, Share] = {}
    for address in (SHARED, SHARED6, OTHERS, OTHERS6):
        slot = slot_of(CLIENT, address)
        bits = bytearray(NO_SLOTS)
        bits[slot // 8] |= 1 << slot % 8
        ours = address in (SHARED, SHARED6)
        found[address] = Share(bytes(bits if ours else (each ^ 0xFF for each in bits)))
    return found


def request(
    target: IPv4Address = LED,
    sender: IPv4Address = CLIENT4,
    *,
    to: bytes = ethernet.BROADCAST,
    mac: bytes = CLIENT,
    source: bytes | None = None,
    operation: int = REQUEST,
) -> bytes:
    packet = Arp(operation, mac, sender, bytes(6), target)
    return ethernet.build(to, mac if source is None else source, ethernet.ARP, packet.encode())


def solicitation(
    options: bytes = SOURCE + CLIENT,
    *,
    target: IPv6Address = LED6,
    source: IPv6Address = CLIENT6,
    destination: IPv6Address | None = None,
    to: bytes | None = None,
    mac: bytes = CLIENT,
    hops: int = 255,
    kind: int = 135,
    code: int = 0,
    wrong: int = 0,
) -> bytes:
    """Made from RFC 4861 section 4.3 alone; `wrong` is what the checksum is off by."""
    destination = destination or ndp.solicited_node(target)
    message = struct.pack("!BBHI16s", kind, code, 0, 0, target.packed) + options
    pseudo = source.packed + destination.packed + struct.pack("!II", len(message), 58) + message
    pseudo += bytes(len(pseudo) % 2)
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", (~total & 0xFFFF) ^ wrong) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, hops) + source.packed + destination.packed
    return (to or ndp.solicited_node_mac(target)) + mac + b"\x86\xdd" + header + message


def long_solicitation() -> bytes:
    """One with more options than the kernel's program looks at; it is whole."""
    return solicitation(SOURCE + CLIENT + NONCE * 20)


def reply(target: IPv4Address = CLIENT4, about: IPv4Address = LED) -> Arp:
    return Arp(REPLY, OURS, about, CLIENT, target)


def advertised(
    destination: IPv6Address = CLIENT6, *, solicited: bool = True, about: IPv6Address = LED6
) -> Advertisement:
    return Advertisement(about, destination, about, OURS, router=False, solicited=solicited, override=True)


def tagged(frame: bytes, identifier: int) -> bytes:
    return frame[:12] + b"\x81\0" + identifier.to_bytes(2, "big") + frame[12:]


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


SEEN = Sighting(LED, CLIENT4, CLIENT)
SEEN6 = Sighting(LED6, CLIENT6, CLIENT)
OTHER_GROUP = ndp.solicited_node(HELD6)

ALL = (
    Question("request", request(), reply(), SEEN),
    Question("unicast request", request(to=OURS), reply(), SEEN),
    Question("request of 42 bytes", request()[:42], reply(), SEEN),
    Question("request in a long frame", request().ljust(3000, b"\xff"), reply(), SEEN),
    Question("probe", request(sender=NOBODY4), reply(NOBODY4)),
    Question("unicast probe", arp.probe(CLIENT, LED, OURS), reply(NOBODY4)),
    Question("request with a target hardware address", changed(request(), 32, OURS), reply(), SEEN),
    Question("request for what others answer", request(HELD), asker=replace(SEEN, vip=HELD)),
    Question("probe for what others answer", request(HELD, NOBODY4)),
    Question("request for another address", request(IPv4Address("192.0.2.9"))),
    Question("request, this host's own", request(mac=OURS)),
    Question("request, sender is not the source", request(source=PEER)),
    Question("request from a group", request(mac=ethernet.BROADCAST)),
    Question("request from zero", request(mac=bytes(6))),
    Question("request to another station", request(to=PEER)),
    Question("request to a group", request(to=bytes.fromhex("01005e000001"))),
    Question("reply", request(operation=REPLY)),
    Question("unknown operation", request(operation=3)),
    Question("claim: gratuitous request", arp.gratuitous(CLIENT, LED)[0]),
    Question("claim: gratuitous reply", arp.gratuitous(CLIENT, LED)[1]),
    Question("claim: request from another of our addresses", request(sender=HELD)),
    Question("request, other hardware type", changed(request(), 14, b"\0\6")),
    Question("request, other protocol type", changed(request(), 16, b"\x86\xdd")),
    Question("request, other hardware length", changed(request(), 18, b"\x08")),
    Question("request, other protocol length", changed(request(), 19, b"\x10")),
    Question("request, truncated", request()[:41]),
    Question("request, VLAN 5", tagged(request(), 5)),
    Question("solicitation", solicitation(), advertised(), SEEN6),
    Question("solicitation, padded", solicitation() + bytes(40), advertised(), SEEN6),
    Question("solicitation without options", solicitation(b""), advertised(), SEEN6),
    Question("solicitation with nonce", solicitation(SOURCE + CLIENT + NONCE), advertised(), SEEN6),
    Question("solicitation, nonce first", solicitation(NONCE + SOURCE + CLIENT), advertised(), SEEN6),
    Question("solicitation, unknown option", solicitation(b"\xfd\2" + bytes(14)), advertised(), SEEN6),
    Question("solicitation, 13 options", solicitation(SOURCE + CLIENT + NONCE * 12), advertised(), SEEN6),
    Question(
        "solicitation, second source address is ignored",
        solicitation(SOURCE + CLIENT + SOURCE + PEER),
        advertised(),
        SEEN6,
    ),
    Question("solicitation, odd source address", solicitation(b"\1\2" + bytes(14)), advertised(), SEEN6),
    Question("unicast solicitation", solicitation(destination=LED6, to=OURS), advertised(), SEEN6),
    Question("unicast frame to the group", solicitation(to=OURS), advertised(), SEEN6),
    Question("unicast solicitation, bare", solicitation(b"", destination=LED6, to=OURS), advertised(), SEEN6),
    Question("DAD", solicitation(b"", source=NOBODY6), advertised(ALL_NODES, solicited=False)),
    Question("DAD with nonce", solicitation(NONCE, source=NOBODY6), advertised(ALL_NODES, solicited=False)),
    Question(
        "solicitation for what others answer", solicitation(target=HELD6), asker=replace(SEEN6, vip=HELD6)
    ),
    Question("DAD for what others answer", solicitation(b"", target=HELD6, source=NOBODY6)),
    Question("solicitation for another address", solicitation(target=IPv6Address("2001:db8::9"))),
    Question("solicitation, this host's own", solicitation(SOURCE + OURS, mac=OURS)),
    Question("solicitation from a group's frame", solicitation(b"", mac=ethernet.BROADCAST)),
    Question("solicitation from zero", solicitation(b"", mac=bytes(6))),
    Question("solicitation from a multicast address", solicitation(source=IPv6Address("ff02::2"))),
    Question("solicitation to another station", solicitation(to=PEER)),
    Question("solicitation to another group", solicitation(to=ndp.solicited_node_mac(HELD6))),
    Question("solicitation to all", solicitation(to=ethernet.BROADCAST)),
    Question("solicitation, wrong checksum", solicitation(wrong=1)),
    Question("solicitation, forwarded", solicitation(hops=254)),
    Question("solicitation, code 1", solicitation(code=1)),
    Question("solicitation names another", solicitation(SOURCE + PEER)),
    Question("solicitation, option without length", solicitation(b"\1\0" + CLIENT)),
    Question("solicitation, option too long", solicitation(b"\1\2" + CLIENT)),
    Question("solicitation, half an option", solicitation(SOURCE + CLIENT + NONCE[:4])),
    Question("solicitation, truncated", solicitation()[:-1]),
    Question("DAD to the address", solicitation(b"", source=NOBODY6, destination=LED6, to=OURS)),
    Question("DAD to another group", solicitation(b"", source=NOBODY6, destination=OTHER_GROUP)),
    Question("DAD names somebody", solicitation(source=NOBODY6)),
    Question("solicitation, VLAN 5", tagged(solicitation(), 5)),
    Question("claim: advertisement", ndp.unsolicited(CLIENT, LED6)),
    Question("router solicitation", solicitation(kind=133)),
    Question("IPv4 packet", ethernet.build(OURS, CLIENT, ethernet.IPV4, b"\x45" + bytes(15) + LED.packed)),
    Question("shared: one of ours asks", request(SHARED), reply(about=SHARED), replace(SEEN, vip=SHARED)),
    Question("shared: one of ours probes", request(SHARED, NOBODY4), reply(NOBODY4, SHARED)),
    Question("shared: one of another's asks", request(OTHERS), asker=replace(SEEN, vip=OTHERS), ends=True),
    Question("shared: one of another's probes", request(OTHERS, NOBODY4), ends=True),
    Question(
        "shared: one of another's asks this node alone",
        request(OTHERS, to=OURS),
        reply(about=OTHERS),
        replace(SEEN, vip=OTHERS),
    ),
    Question(
        "shared: one of ours solicits",
        solicitation(target=SHARED6),
        advertised(about=SHARED6),
        replace(SEEN6, vip=SHARED6),
    ),
    Question(
        "shared: one of another's solicits",
        solicitation(target=OTHERS6),
        asker=replace(SEEN6, vip=OTHERS6),
        ends=True,
    ),
    Question("shared: DAD of one of another's", solicitation(b"", target=OTHERS6, source=NOBODY6), ends=True),
    Question(
        "shared: one of another's solicits this node alone",
        solicitation(target=OTHERS6, destination=OTHERS6, to=OURS),
        advertised(about=OTHERS6),
        replace(SEEN6, vip=OTHERS6),
    ),
    Question("shared: claim", arp.gratuitous(CLIENT, SHARED)[0]),
    Question("headers alone", CLIENT + OURS + b"\x08\x06"),
    Question("IPv6 header alone", solicitation()[:54]),
)
