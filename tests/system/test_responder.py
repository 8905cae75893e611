"""What one leader answers on the wire, frame by frame, asked by hand-made frames of a client."""

import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, until

from roost.protocols import arp, ethernet, ndp
from roost.protocols.arp import Arp
from roost.protocols.ndp import Advertisement

pytestmark = NETNS

V4, V6 = IPv4Address("192.0.2.200"), IPv6Address("2001:db8::200")
MINE = IPv4Address("192.0.2.101")
MINE6 = IPv6Address("2001:db8::101")
SERVICES: list[dict[str, Any]] = [{"name": "web", "addresses": [str(V4), str(V6)]}]
ALL_NODES_MAC = bytes.fromhex("333300000001")


class Wire:
    """A packet socket of the client, and the hardware addresses of both ends."""

    def __init__(self, alone: Lan) -> None:
        self.mac = alone.client.mac("eth0")
        self.node = alone.speakers[0].namespace.mac("eth0")
        with alone.client.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind(("eth0", 3))

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def replies(self, wait: float = 0.3) -> list[tuple[ethernet.Frame, Arp | Advertisement]]:
        """All ARP and advertisements that come from the node within `wait` seconds."""
        found = []
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame = ethernet.parse(self._socket.recv(2048))
            except TimeoutError:
                break
            if frame.source == self.node and (message := _read(frame)):
                found.append((frame, message))
        return found

    def ask(self, frame: bytes) -> list[tuple[ethernet.Frame, Arp | Advertisement]]:
        self.replies(0.01)
        self.send(frame)
        return self.replies()

    def close(self) -> None:
        self._socket.close()


def _read(frame: ethernet.Frame) -> Arp | Advertisement | None:
    if frame.ethertype == ethernet.ARP:
        packet = arp.parse(frame.payload)
        return packet if V4 in (packet.sender, packet.target) else None
    if frame.ethertype == ethernet.IPV6 and frame.payload[6] == 58 and frame.payload[40] == 136:
        message = ndp.parse(frame.payload)
        return message if isinstance(message, Advertisement) and message.target == V6 else None
    return None


@pytest.fixture(params=["tcx", "packet"])
def alone(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lan]:
    with lan(tmp_path, 1) as made:
        made.configure(SERVICES, announce={"responder": request.param})
        made.speakers[0].write(membership=None)
        yield made


@pytest.fixture
def wire(alone: Lan) -> Iterator[Wire]:
    """One leader whose first rounds of gratuitous frames are over, and a client beside it."""
    alone.start()
    alone.settle_on(str(V4), {"n1"})
    time.sleep(4.5)
    made = Wire(alone)
    yield made
    made.close()


def _request(wire: Wire, to: bytes = ethernet.BROADCAST, sender: IPv4Address = MINE) -> bytes:
    packet = Arp(arp.REQUEST, wire.mac, sender, bytes(6), V4)
    return ethernet.build(to, wire.mac, ethernet.ARP, packet.encode())


def _solicitation(
    wire: Wire, *, unicast: bool = False, option: bool = True, source: IPv6Address = MINE6, hops: int = 255
) -> bytes:
    """A Neighbor Solicitation made from RFC 4861 section 4.3 alone, not by the code under test."""
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(V6) & 0xFFFFFF)
    destination = V6 if unicast else group
    message = struct.pack("!BBHI16s", 135, 0, 0, 0, V6.packed) + (b"\x01\x01" + wire.mac if option else b"")
    pseudo = source.packed + destination.packed + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, hops) + source.packed + destination.packed
    to = wire.node if unicast else b"\x33\x33" + group.packed[12:]
    return to + wire.mac + b"\x86\xdd" + header + message


def test_arp_is_answered_to_the_asker_alone(wire: Wire) -> None:
    for frame in (
        _request(wire),
        _request(wire, to=wire.node),
        _request(wire, sender=IPv4Address(0)),  # RFC 5227: a probe before somebody takes the address
        _request(wire).ljust(1500, b"\xff"),
    ):
        ((answer, packet),) = wire.ask(frame)
        assert answer.destination == wire.mac
        assert isinstance(packet, Arp)
        assert (packet.operation, packet.sender, packet.sender_mac) == (arp.REPLY, V4, wire.node)
        assert packet.target_mac == wire.mac
        assert len(answer.payload) <= 46, "no more than an answer has"


@pytest.mark.parametrize("unicast", [False, True], ids=["multicast", "unicast"])
@pytest.mark.parametrize("option", [True, False], ids=["with-option", "without-option"])
def test_solicitations_are_answered_with_and_without_source_option(
    wire: Wire, *, unicast: bool, option: bool
) -> None:
    """cilium#44311: neighbour unreachability detection asks by unicast and leaves the option out."""
    ((answer, message),) = wire.ask(_solicitation(wire, unicast=unicast, option=option))
    assert answer.destination == wire.mac
    assert isinstance(message, Advertisement)
    assert message.link_layer == wire.node
    assert message.destination == MINE6
    assert (message.solicited, message.override, message.router) == (True, True, False)


def test_a_duplicate_address_probe_is_answered_to_all_nodes_at_the_probers_hardware_address(
    wire: Wire,
) -> None:
    """RFC 6085: so a peer, that asks in the same way, knows that it was heard."""
    ((answer, message),) = wire.ask(_solicitation(wire, option=False, source=IPv6Address(0)))
    assert answer.destination == wire.mac
    assert isinstance(message, Advertisement)
    assert str(message.destination) == "ff02::1"
    assert (message.solicited, message.override) == (False, True)


def test_what_is_tagged_broken_or_spoofed_is_not_answered(wire: Wire) -> None:
    request, solicitation = _request(wire), _solicitation(wire)
    other = bytes.fromhex("020000000099")
    silent = {
        "VLAN 5": request[:12] + bytes.fromhex("81000005") + request[12:],
        "VLAN 5, solicitation": solicitation[:12] + bytes.fromhex("81000005") + solicitation[12:],
        "truncated": request[:40],
        "another hardware type": request[:14] + b"\0\6" + request[16:],
        "sender is not the source": request[:22] + other + request[28:],
        "for another station": _request(wire, to=other),
        "forwarded": _solicitation(wire, hops=64),
        "wrong checksum": solicitation[:56] + b"\xde\xad" + solicitation[58:],
        "option is not the source": solicitation[:-6] + other,
    }
    for about, frame in silent.items():
        assert wire.ask(frame) == [], about
    assert len(wire.ask(request)) == len(wire.ask(solicitation)) == 1


def test_frames_about_other_addresses_do_not_wake_the_process(alone: Lan, wire: Wire) -> None:
    speaker = alone.speakers[0]
    before = speaker.status()["counters"]["announce"]
    packet = Arp(arp.REQUEST, wire.mac, MINE, bytes(6), IPv4Address("192.0.2.222"))
    for _ in range(200):
        wire.send(ethernet.build(ethernet.BROADCAST, wire.mac, ethernet.ARP, packet.encode()))
    wire.replies()
    assert speaker.status()["counters"]["announce"] == before


def test_the_router_flag_tells_whether_the_host_forwards(alone: Lan) -> None:
    alone.speakers[0].namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
    alone.start()
    alone.settle_on(str(V6), {"n1"})
    wire = Wire(alone)
    answers = wire.ask(_solicitation(wire))  # a gratuitous ARP frame of the start may be among them
    flags = {message.router for _, message in answers if hasattr(message, "router")}
    wire.close()
    assert flags == {True}


def test_a_takeover_is_told_again_over_seconds(alone: Lan) -> None:
    """Clients that slept through the first frames hear a later round."""
    speaker = alone.speakers[0]
    wire = Wire(alone)
    speaker.start()
    heard = wire.replies(7.0)
    wire.close()
    kinds = Counter(
        message.operation if isinstance(message, Arp) else "advertisement" for _, message in heard
    )
    assert kinds[arp.REQUEST] == kinds[arp.REPLY] == kinds["advertisement"]
    assert 4 <= kinds[arp.REPLY] <= 8
    for frame, message in heard:
        if isinstance(message, Arp):
            assert frame.destination == ethernet.BROADCAST
            assert (message.sender, message.target, message.sender_mac) == (V4, V4, wire.node)
        else:
            assert frame.destination == ALL_NODES_MAC
            assert (message.link_layer, message.solicited, message.override) == (wire.node, False, True)


def test_many_takeovers_together_keep_the_rate(tmp_path: Path) -> None:
    vips = [f"198.51.100.{number}" for number in range(1, 101)]
    with lan(tmp_path, 1) as alone:
        alone.configure([{"name": "many", "addresses": vips}], announce={"gratuitousRate": 50})
        alone.speakers[0].write(membership=None)
        with alone.client.entered():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        raw.bind(("eth0", 0x0806))
        begin = time.monotonic()
        alone.start()
        until(lambda: len(alone.speakers[0].answering()) == len(vips), "all are answered")
        time.sleep(2.0)
        raw.settimeout(0)
        heard = 0
        while True:
            try:
                heard += raw.recv(128)[6:12] == alone.speakers[0].namespace.mac("eth0")
            except BlockingIOError:
                break
        raw.close()
        # A burst of one second's worth, then 50 a second for as long as it took.
        assert 100 <= heard <= 50 + 50 * (time.monotonic() - begin)


@pytest.mark.parametrize("mode", ["none", "late"])
def test_a_link_local_address_that_is_missing_or_late_costs_nothing(alone: Lan, mode: str) -> None:
    """metallb#1680, #2685: IPv6 answers do not hang on the link-local address."""
    node = alone.speakers[0].namespace
    node.ip("link set eth0 addrgenmode none")
    for line in node.ip("-o -6 addr show dev eth0 scope link").splitlines():
        node.ip(f"addr del {line.split()[3]} dev eth0")
    alone.start()
    alone.settle_on(str(V6), {"n1"})
    if mode == "late":
        node.ip("addr add fe80::77/64 dev eth0")
        time.sleep(0.5)
        alone.settle_on(str(V6), {"n1"})


def test_a_renamed_interface_that_no_longer_fits_falls_silent_and_comes_back(alone: Lan) -> None:
    node = alone.speakers[0].namespace
    alone.start()
    alone.settle_on(str(V4), {"n1"})
    for name, answering in (("other0", set[str]()), ("eth0", {"n1"})):
        old = "eth0" if name == "other0" else "other0"
        node.ip(f"link set {old} down")
        node.ip(f"link set {old} name {name}")
        node.ip(f"link set {name} up")
        alone.settle_on(str(V4), answering)


def test_a_bridge_port_does_not_announce_and_its_bridge_does(alone: Lan) -> None:
    speaker = alone.speakers[0]
    node = speaker.namespace
    speaker.write(interfaces=None)
    node.ip("link add br-lan type bridge forward_delay 0 mcast_snooping 0")
    node.ip("link set eth0 master br-lan")
    node.ip(f"addr del {speaker.address}/24 dev eth0")
    node.ip("link set br-lan up")
    node.ip(f"addr add {speaker.address}/24 dev br-lan")
    speaker.start()
    until(lambda: speaker.status()["settled"], "the speaker is up")
    states = {link["name"]: (link["announcing"], link["reason"]) for link in speaker.status()["interfaces"]}
    assert states["br-lan"] == (True, "")
    assert states["eth0"] == (False, "is a port of a bridge")
    wire = Wire(alone)
    wire.node = node.mac("br-lan")
    answers = [frame for frame, _ in wire.ask(_request(wire)) if frame.destination == wire.mac]
    wire.close()
    assert [frame.source for frame in answers] == [wire.node]


def test_jumbo_frames_are_answered_like_others_and_what_comes_back_is_short(alone: Lan, wire: Wire) -> None:
    """In a frame of 9,000 bytes, part of which the kernel keeps in pages of its own."""
    for namespace, link in ((alone.client, "eth0"), (alone.speakers[0].namespace, "eth0")):
        namespace.ip(f"link set {link} mtu 9000")
    for port in ("br0", "p0", "p1"):
        alone.switch.ip(f"link set {port} mtu 9000")
    alone.settle_on(str(V4), {"n1"})
    request, solicitation = _request(wire), _solicitation(wire)
    for frame in (request, solicitation):
        answers = wire.ask(frame.ljust(9000, b"\xff"))
        assert answers
        assert all(len(each.payload) < 80 for each, _ in answers)
        assert wire.ask(frame), "and nothing is broken by it"
