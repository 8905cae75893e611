"""What may befall a LAN while connections are passed on: routers in between, new cards, two leaders."""

import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS, Namespace, network
from tests.system.routed import behind_a_router
from tests.system.speakers import Lan, Speaker, lan, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
WEB = {"name": "web", "addresses": [VIP, VIP6]}
COUNT = 20  # of each family
HOPS = 64


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path) as made:
        begin(made)
        yield made


def begin(made: Lan, profile: str = "default") -> None:
    for speaker in made.speakers:
        serve(speaker.namespace)
    made.configure([WEB], profile=profile)
    made.start()
    made.answered_once([VIP])


def held(client: Namespace, pause: float = 0.05) -> Connections:
    return Connections(client, [VIP, VIP6] * COUNT, pause)


def moved(nodes: Lan, count: int = COUNT) -> tuple[Speaker, Speaker]:
    """Drain the leader, where so many are open for each address; return it and who passes them on."""
    holder = nodes.leader(VIP)
    roost(holder, "drain", holder.name, "--deadline", "0.5")
    successor = nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    nodes.settle_on(VIP, {successor.name})
    told = [f"{address}: passing on to {holder.name}: {count} connections" for address in (VIP, VIP6)]
    until(lambda: explained(successor, told), f"explain says {told}")
    return holder, successor


def explained(speaker: Speaker, told: list[str]) -> bool:
    text = roost(speaker, "explain", VIP).stdout
    return all(each in text for each in told)


def all_explained(speakers: list[Speaker], told: list[str]) -> bool:
    return all(explained(each, told) for each in speakers)


def test_clients_behind_a_router_keep_their_connections(tmp_path: Path) -> None:
    """One more hop: for every node they are at the router's hardware address."""
    with network() as net:
        made = Lan(net, tmp_path, 3)
        try:
            inner = behind_a_router(made)
            begin(made)
            before, direct = held(inner), held(made.client)
            _, successor = moved(made, 2 * COUNT)
            between = held(inner)
            time.sleep(1)
            assert (before.broken(), direct.broken(), between.broken()) == ([], [], []), successor.text()
        finally:
            made.close()


def test_a_new_hardware_address_of_the_holder_is_followed_within_a_second(nodes: Lan) -> None:
    """A bond's failover or another network card: the rules and the kernel's own neighbours follow."""
    connections = held(nodes.client)
    holder, successor = moved(nodes)
    holder.namespace.ip("link set eth0 address 02:00:00:00:aa:01")
    time.sleep(3)
    assert connections.broken() == [], successor.text()
    assert connections.longest < 1.5


def test_a_replaced_network_card_of_the_successor_costs_no_connection(nodes: Lan) -> None:
    connections = held(nodes.client)
    _, successor = moved(nodes)
    node = successor.namespace
    index = json.loads(node.ip("-j link show dev eth0"))[0]["ifindex"]
    port = f"p{nodes.speakers.index(successor)}"
    for number in (index, index + 1000):  # the same index, and another one
        node.run("ip", "link", "del", "eth0")
        nodes.switch.run(
            *f"ip link add {port} type veth peer name eth0 index {number} netns {node.name}".split()
        )
        nodes.switch.ip(f"link set {port} master br0 up")
        node.ip("link set eth0 up")
        node.ip(f"addr add {successor.address}/24 dev eth0")
        node.ip(f"addr add {successor.address.replace('192.0.2.', '2001:db8::')}/64 dev eth0")
        nodes.forget_macs()
        nodes.answered_once([VIP])
        time.sleep(1)
    assert connections.broken() == [], "\n=====\n".join(each.name + each.text() for each in nodes.speakers)


UDP_SERVER = """
import socket, sys, threading
def serve(family, host):
    listening = socket.socket(family, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind((host, 9000))
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    while True:
        _, client = listening.recvfrom(64)
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((host, 9000)); one.connect(client)
        one.send(sys.argv[1].encode())
        threading.Thread(target=follow, args=(one,), daemon=True).start()
def follow(one):
    while one.recv(64):
        one.send(sys.argv[1].encode())
for family, host in ((socket.AF_INET, sys.argv[2]), (socket.AF_INET6, sys.argv[3])):
    threading.Thread(target=serve, args=(family, host)).start()
"""


def asked(flows: list[socket.socket]) -> list[str]:
    """Who answers on each flow: two questions may be lost while an address moves."""
    found = []
    for flow in flows:
        for _ in range(3):
            flow.send(b"who?")
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                found.append(flow.recv(64).decode())
                break
    return found


def test_flows_of_udp_stay_with_the_server_that_has_them_and_are_told(nodes: Lan) -> None:
    """A server with a socket for each client, as those of DTLS and QUIC have."""
    for speaker in nodes.speakers:
        speaker.namespace.sysctl("net/ipv4/ip_nonlocal_bind", 1)
        speaker.namespace.sysctl("net/ipv6/ip_nonlocal_bind", 1)
        server = speaker.namespace.spawn(sys.executable, "-c", UDP_SERVER, speaker.name, VIP, VIP6)
        assert server.stdout is not None
        assert [server.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    with nodes.client.entered():
        flows = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6) * 5]
        for flow in flows:
            flow.settimeout(0.5)
            flow.connect((VIP if flow.family is socket.AF_INET else VIP6, 9000))
    holder = nodes.leader(VIP)
    assert asked(flows) == [holder.name] * 10
    roost(holder, "drain", holder.name, "--deadline", "2")
    successor = nodes.leader(VIP, among=[each for each in nodes.speakers if each is not holder])
    told = [f"{address}: passing on to {holder.name}: 5 connections" for address in (VIP, VIP6)]
    until(lambda: explained(successor, told), f"explain says {told}")
    until(lambda: asked(flows) == [holder.name] * 10, "each is answered where it was")
    for flow in flows:
        flow.close()


def test_what_is_passed_on_of_a_shared_address_is_told(tmp_path: Path) -> None:
    with lan(tmp_path) as nodes:
        for speaker in nodes.speakers:
            serve(speaker.namespace)
        nodes.configure([WEB | {"sharing": "per-client"}], profile="default")
        nodes.start()
        nodes.answered_once([VIP, VIP6])
        for vip, mine in ((VIP, 17), (VIP6, 18)):
            connections = Connections(nodes.client, [vip] * mine)
            (name,) = nodes.answerers(vip)
            holder = next(each for each in nodes.speakers if each.name == name)
            roost(holder, "drain", holder.name, "--deadline", "0.5")
            others = [each for each in nodes.speakers if each is not holder]
            told = [f"{vip}: passing on to {holder.name}: {mine} connections"]
            until(partial(all_explained, others, told), f"all say {told}")
            assert connections.broken() == []
            roost(holder, "drain", holder.name, "--undo")
            nodes.settle_on(vip, {holder.name})


BELIEVES = """
import sys
from ipaddress import ip_address
from roost.decide.connections.row import Others, stations
from roost.decide.effects import NextHop, Onward, PassOn
from roost.deliver.passing_on import PassingOn
circle, me, other, link, mac, *hosts = sys.argv[1:]
mac = bytes.fromhex(mac)
row = stations(me, Others({other}, me), answers=True)  # each takes itself for the leader
onward = {}
for vip, host in zip(("192.0.2.200", "2001:db8::200"), hosts):
    hop = NextHop(ip_address(host), int(link), mac)
    ways = (row.first, row.upward, row.led)
    hops = (hop if names or circle else None for names in ways)
    returned = frozenset({mac} if circle == "returned" else ())
    onward[ip_address(vip)] = Onward(*hops, returned=returned)
passing_on = PassingOn(me)
passing_on.start(600.0)
passing_on.follow(PassOn(onward, frozenset({mac}), frozenset({mac} if other < me or circle else ())))
print(passing_on.problem or "ready", flush=True)
sys.stdin.readline()
"""


def believe(two: Lan, circle: str = "") -> tuple[Namespace, Namespace]:
    """Let the rules of both nodes be those of a leader, or, for a `circle`, send everything to each other.

    With "returned" both hold the other for gone.
    """
    one, other = (speaker.namespace for speaker in two.speakers)
    for me, peer, number in ((one, other, 2), (other, one, 1)):
        with me.entered():
            link = socket.if_nametoindex("eth0")
        child = me.spawn(
            *(sys.executable, "-c", BELIEVES, circle, f"n{3 - number}", f"n{number}", str(link)),
            *(peer.mac("eth0").hex(), f"192.0.2.1{number}", link_local(peer.mac("eth0"))),
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    return one, other


def test_two_that_both_believe_to_lead_send_a_packet_once_to_each_other(tmp_path: Path) -> None:
    """The sender's hardware address is the hop mark: what a peer has sent does not come back to it."""
    with lan(tmp_path, 2) as two:
        one, other = believe(two)
        for first, second in ((one, other), (other, one)):
            for vip in (VIP, VIP6):
                assert visits(two, first, vip) == [first.mac("eth0"), second.mac("eth0")], vip


def test_a_circle_ends_with_the_hops_of_the_packet(tmp_path: Path) -> None:
    """Where nodes disagree in a way that nobody thought of: the kernel alone counts on from 0 to 255."""
    with lan(tmp_path, 2) as two:
        one, _ = believe(two, "circle")
        for vip in (VIP, VIP6):
            assert 10 < len(visits(two, one, vip)) <= HOPS, vip


def test_what_would_go_back_to_a_node_that_is_held_for_gone_ends_there(tmp_path: Path) -> None:
    """A node is back, or leaves still, and passes on: who has not heard of it does not send that to it."""
    with lan(tmp_path, 2) as two:
        one, other = believe(two, "returned")
        for vip in (VIP, VIP6):
            assert visits(two, one, vip) == [one.mac("eth0"), other.mac("eth0")], vip


def link_local(mac: bytes) -> str:
    return str(ip_address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]))


def visits(made: Lan, first: Namespace, vip: str) -> list[bytes]:
    """Send one packet in mid-stream to the host `first`; to which hardware addresses it goes then."""
    ports = []
    for port in ("p0", "p1", "p2"):
        with made.switch.entered():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.bind((port, 3))
        tap.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING: each frame is seen where it comes in
        tap.settimeout(0.5)
        ports.append(tap)
    client = made.client.mac("eth0")
    tcp = struct.pack("!HHIIBBHHH", 40000, 8080, 1, 1, 5 << 4, 0x10, 512, 0, 0)
    target = ip_address(vip)
    if target.version == 4:
        addresses = socket.inet_aton("192.0.2.101") + target.packed
        head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, HOPS, 6, 0)
        head = head[:10] + checksum(head + addresses) + addresses
    else:
        head = struct.pack("!IHBB", 6 << 28, 20, 6, HOPS) + ip_address("2001:db8::101").packed + target.packed
    packet = head + tcp
    with made.client.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind(("eth0", 0))
    raw.send(first.mac("eth0") + client + (b"\x08\x00" if target.version == 4 else b"\x86\xdd") + packet)
    found = []
    time.sleep(0.5)
    for tap in ports:
        with contextlib.suppress(TimeoutError):
            while True:
                frame = tap.recv(2048)
                if packet[-20:] in frame:
                    found.append((frame[6:12] != client, frame[:6]))
        tap.close()
    raw.close()
    return [mac for _, mac in sorted(found)]


def checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
