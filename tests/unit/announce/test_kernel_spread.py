"""Where the kernel sends a packet of an address that is spread by connection, frame by frame."""

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roost.announce.kernel_answers import How, KernelAnswers, key_of
from roost.model.address import IPAddress
from roost.model.flow import TCP, UDP, Flow
from roost.model.sharing import table
from roost.model.spreading import ME, Spread, Station, flow_slot, numbered
from roost.protocols import ethernet
from roost.protocols.icmp import internet_checksum
from roost.runtime.bpf import Program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs needs root")

NEXT, DROPPED, REDIRECTED = -1, 2, 7
LINK, OURS = 1, bytes(6)  # lo: the program is run on frames, nothing is attached anywhere
ROUTER = bytes.fromhex("020000000099")
MACS = {2: bytes.fromhex("020000000002"), 3: bytes.fromhex("020000000003")}
NUMBERS = {"n1": ME, "n2": 2, "n3": 3}
EVEN = tuple((name, 1) for name in NUMBERS)
VIP, VIP6 = IPv4Address("192.0.2.200"), IPv6Address("2001:db8::200")
CLIENT: dict[int, IPAddress] = {4: IPv4Address("198.51.100.7"), 6: IPv6Address("2001:db8:7::7")}
SYN, ACK, SYN_ACK, RST = 2, 16, 18, 4
LOCALHOST = IPv4Address("127.0.0.1")

STAYS = "stays"  # on this host
GONE = "dropped"


def numbers(*there: str) -> bytes:
    return numbered(table(EVEN, frozenset(there or NUMBERS)), NUMBERS)


@dataclass(frozen=True)
class Packet:
    """An IP packet of a flow; `part` is where it is in a datagram of that `id` in parts: (offset, more)."""

    port: int
    address: IPAddress = VIP
    protocol: int = TCP
    flags: int = SYN
    part: tuple[int, bool] | None = None
    id: int = 7
    hops: int = 64
    client: IPAddress | None = None

    @property
    def flow(self) -> Flow:
        return Flow(self.protocol, self.sender, self.port, self.address, 80)

    @property
    def sender(self) -> IPAddress:
        return self.client or CLIENT[self.address.version]

    @property
    def raw(self) -> bytes:
        offset, more = self.part or (0, False)
        payload = b"x" * 24 if offset else self._transport() + b"y" * 8
        return ip_packet(
            self.sender,
            self.address,
            self.protocol,
            payload,
            self.hops,
            self.part and (offset, more),
            self.id,
        )

    def _transport(self) -> bytes:
        if self.protocol == UDP:
            return struct.pack(">HHHH", self.port, 80, 16, 0)
        return struct.pack(">HHIIBBHHH", self.port, 80, 1, 1, 5 << 4, self.flags, 1024, 0, 0)


def ip_packet(
    source: IPAddress,
    target: IPAddress,
    protocol: int,
    payload: bytes,
    hops: int = 64,
    part: tuple[int, bool] | None = None,
    id_: int = 7,
) -> bytes:
    offset, more = part or (0, False)
    if source.version == 4:
        place = offset // 8 | more << 13
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), id_, place, hops, protocol, 0)
        head += source.packed + target.packed
        return head[:10] + struct.pack(">H", internet_checksum(head)) + head[12:] + payload
    if part:
        payload = struct.pack(">BBHI", protocol, 0, offset | more, id_) + payload
        protocol = 44
    return (
        struct.pack(">IHBB", 6 << 28, len(payload), protocol, hops) + source.packed + target.packed + payload
    )


def error_about(packet: Packet) -> bytes:
    """Return what a router on the way says of an answer that is too large for the next link."""
    inner = replace(packet)
    answer = ip_packet(inner.address, inner.sender, inner.protocol, struct.pack(">HHI", 80, inner.port, 1))
    router = ip_address("198.51.100.1") if packet.address.version == 4 else ip_address("2001:db8:7::1")
    kind, protocol = (b"\x03\x04", 1) if packet.address.version == 4 else (b"\x02\x00", 58)
    return ip_packet(router, packet.address, protocol, kind + bytes(4) + struct.pack(">H", 1280) + answer)


def program(answers: KernelAnswers) -> Program:
    assert answers.spreading is not None, answers.why_not_spread
    return answers.spreading


class Kernel:
    """The program on a node whose number is ME, and where it sends things."""

    def __init__(self, *, returns: bool = True, visits: bytes = bytes([1, 2, 3])) -> None:
        self.answers = KernelAnswers()
        self.returns, self.visits = returns, visits
        self.put()
        self.leave()
        self.answers.leave(frozenset(MACS.values()))
        self.answers.renew(time.monotonic() + 600)

    def leave(self, *numbers: int) -> None:
        """Let the nodes with these numbers leave, and no others."""
        places = {(LINK, number): Station(mac, number in numbers) for number, mac in MACS.items()}
        self.answers.place(places)

    def put(self, *there: str, passes_on: bool = False, leads: bool = True) -> None:
        spread = Spread(numbers(*there), self.visits, self.returns, passes_on)
        how = How(OURS, OURS if leads else None, spread=spread)
        wanted = dict.fromkeys((key_of(LINK, each) for each in (VIP, VIP6, LOCALHOST)), how)
        self.answers.put(wanted)

    def __call__(self, packet: Packet | bytes, source: bytes = ROUTER) -> str | int:
        """Return the number of the node that it goes to, or STAYS, or GONE."""
        raw = packet if isinstance(packet, bytes) else packet.raw
        kind = ethernet.IPV4 if raw[0] >> 4 == 4 else ethernet.IPV6
        frame = ethernet.build(OURS, source, kind, raw)
        verdict, after = program(self.answers).run(frame, LINK)
        if verdict == REDIRECTED:
            assert after[6:12] == OURS, "from this station: switches learn from it"
            self.last = after
            return next(number for number, mac in MACS.items() if mac == after[:6])
        assert after == frame, "what is not sent on is not touched"
        return GONE if verdict == DROPPED else STAYS


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.answers.close()


def wanted(packet: Packet, *there: str) -> str | int:
    number = numbers(*there)[flow_slot(packet.flow)]
    return STAYS if number == ME else number


def of_node(number: int, **how: object) -> Packet:
    """Return a packet that begins a flow in a slot of that node."""
    packets = (Packet(port, **how) for port in range(2000, 3000))  # type: ignore[arg-type]
    return next(each for each in packets if numbers()[flow_slot(each.flow)] == number)


@pytest.mark.parametrize("address", [VIP, VIP6])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_flows_go_to_the_nodes_of_their_slots(kernel: Kernel, address: IPAddress, protocol: int) -> None:
    packets = [Packet(port, address, protocol) for port in range(1000, 1200)]
    found = [kernel(each) for each in packets]
    assert found == [wanted(each) for each in packets]
    assert all(40 < found.count(each) < 95 for each in (STAYS, 2, 3))
    ((_, counts),) = kernel.answers.counts([key_of(LINK, address)])
    assert counts.spread == 200 - found.count(STAYS)


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_what_comes_from_a_peer_is_not_spread_again(kernel: Kernel, address: IPAddress) -> None:
    for protocol in (TCP, UDP):
        assert {kernel(Packet(port, address, protocol), MACS[2]) for port in range(1000, 1050)} == {STAYS}


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_flow_stays_where_it_was_begun_when_others_come_and_weigh_more(
    kernel: Kernel, protocol: int
) -> None:
    kernel.put("n1", "n2")
    packets = [Packet(port, VIP, protocol) for port in range(1000, 1100)]
    before = [kernel(each) for each in packets]
    assert 3 not in before
    kernel.put()
    assert [kernel(replace(each, flags=ACK)) for each in packets] == before
    again = [replace(each, port=each.port + 1000) for each in packets]
    assert 3 in [kernel(each) for each in again]


def test_flows_of_a_node_that_dies_alone_move(kernel: Kernel) -> None:
    packets = [Packet(port, VIP, UDP) for port in range(1000, 1100)]
    before = [kernel(each) for each in packets]
    kernel.put("n1", "n2")
    kernel.answers.place({(LINK, 2): Station(MACS[2])})
    after = [kernel(each) for each in packets]
    assert 3 in before
    assert 3 not in after
    assert all(was in (now, 3) for was, now in zip(before, after, strict=True))


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_flows_of_udp_alone_leave_a_node_that_leaves(address: IPAddress) -> None:
    """A socket of UDP does not say who has sent: when it ends, so does its address there."""
    datagram, segment = (of_node(3, address=address, protocol=each) for each in (UDP, TCP))
    for returns in (True, False):  # a proxy's flows of UDP are tracked like those of TCP
        kernel = Kernel(returns=returns)
        assert (kernel(datagram), kernel(segment)) == (3, 3)
        kernel.put("n1", "n2")
        assert (kernel(datagram), kernel(replace(segment, flags=ACK))) == (3, 3)
        kernel.leave(3)
        elsewhere = wanted(datagram, "n1", "n2") if returns else 3
        assert (kernel(datagram), kernel(replace(segment, flags=ACK))) == (elsewhere, 3)
        kernel.answers.close()


def test_a_new_connection_on_the_same_ports_goes_to_its_slot(kernel: Kernel) -> None:
    packet = of_node(3)
    kernel.put("n1", "n2")
    assert kernel(packet) != 3
    kernel.put()
    assert kernel(packet) == 3


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_connection_that_a_node_does_not_know_is_looked_for_at_each_once(
    kernel: Kernel, address: IPAddress
) -> None:
    packet = of_node(2, address=address, flags=ACK)  # taken over: its beginning was not seen here
    assert kernel(packet) == 2
    assert kernel(packet, MACS[2]) == 3, "back from there"
    assert kernel(packet, MACS[2]) == 3, "a second one that was under way"
    assert kernel(packet) == 3, "from now on at once"
    assert kernel(packet, MACS[3]) == STAYS, "nobody knows it: this host refuses it"
    assert kernel(packet) == STAYS
    assert kernel(replace(packet, flags=SYN)) == 2


def test_who_leads_no_more_lets_the_leader_find_out_where_a_connection_is(kernel: Kernel) -> None:
    """Else it would be passed on by a node that may be about to leave."""
    packet = of_node(3, flags=ACK)
    assert kernel(packet) == 3
    assert kernel(packet, MACS[3]) == 2, "back from there"
    assert kernel(packet, MACS[3]) == 2, "a second one that was under way"
    kernel.put(leads=False)
    assert kernel(packet, MACS[3]) == 3, "n3 leads now, and asks"


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_what_a_peer_sends_by_mistake_goes_back_with_one_hop_less(kernel: Kernel, address: IPAddress) -> None:
    packet = of_node(ME, address=address, flags=ACK)
    assert kernel(packet, MACS[3]) == 3
    data = kernel.last[14:]
    assert data[8 if address.version == 4 else 7] == 63
    if address.version == 4:
        assert internet_checksum(data[:20]) == 0
        data = data[:8] + b"\x40" + data[9:10] + packet.raw[10:12] + data[12:]
    else:
        data = data[:7] + b"\x40" + data[8:]
    assert data == packet.raw
    assert kernel(replace(packet, hops=1), MACS[3]) == GONE


class Three:
    """Three nodes that may hold anything of each other; each is ME to itself, the next are 2 and 3."""

    macs = (bytes.fromhex("020000000011"), bytes.fromhex("020000000012"), bytes.fromhex("020000000013"))

    def __init__(self) -> None:
        self.nodes = [KernelAnswers() for _ in self.macs]
        for at, node in enumerate(self.nodes):
            macs = {(LINK, number): self.macs[(at + number - 1) % 3] for number in (2, 3)}
            node.place({where: Station(mac) for where, mac in macs.items()})
            node.leave(frozenset(macs.values()))

    def believe(
        self, owners: list[int], visits: list[list[int]], in_time: list[bool], leads: list[bool]
    ) -> None:
        facts = zip(self.nodes, owners, visits, in_time, leads, strict=True)
        for node, owner, order, good, answers in facts:
            spread = Spread(bytes([owner]) * 4096, bytes(order), returns=True)
            node.put({key_of(LINK, VIP): How(OURS, OURS if answers else None, spread=spread)})
            node.renew(time.monotonic() + (60 if good else -1))

    def journey(self, raw: bytes, at: int) -> int:
        """Return how often a packet is sent on that a client sends to one of them."""
        source, hops = ROUTER, 0
        while True:
            frame = ethernet.build(OURS, source, ethernet.IPV4, raw)
            verdict, after = program(self.nodes[at]).run(frame, LINK)
            if verdict != REDIRECTED:
                return hops
            hops += 1
            assert hops < 25, "in circles"
            source, at, raw = self.macs[at], self.macs.index(after[:6]), after[14:]

    def close(self) -> None:
        for node in self.nodes:
            node.close()


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    made = Three()
    yield made
    made.close()


PORTS = itertools.count(100)
NUMBER = st.integers(1, 3)
ORDER = st.lists(NUMBER, max_size=4)
BELIEFS = st.tuples(
    st.lists(NUMBER, min_size=3, max_size=3),
    st.lists(ORDER, min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(BELIEFS, st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=6)),
        min_size=1,
        max_size=4,
    ),
    flags=st.sampled_from([ACK, SYN, RST]),
)
@example(changes=[(([2, 3, 3], [[2], [3], [3]], [True] * 3, [True] * 3), [(0, 1)] * 3)], flags=ACK)
def test_whatever_nodes_hold_of_each_other_nothing_goes_in_circles(
    three: Three,
    changes: list[tuple[tuple[list[int], list[list[int]], list[bool], list[bool]], list[tuple[int, int]]]],
    flags: int,
) -> None:
    """Two that lead, or none; tables that differ; some that hang; a connection that nobody has."""
    for beliefs, packets in changes:
        three.believe(*beliefs)
        for at, port in packets:
            three.journey(Packet(port, flags=flags, hops=20).raw, at)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owner=st.integers(0, 2),
    order=st.permutations([0, 1, 2]),
    at=st.lists(st.integers(0, 2), min_size=2, max_size=6),
    leader=st.integers(0, 2),
)
def test_where_all_hold_the_same_a_connection_is_looked_for_once(
    three: Three, owner: int, order: list[int], at: list[int], leader: int
) -> None:
    def number(name: int, here: int) -> int:
        return (name - here) % 3 + 1

    three.believe(
        [number(owner, here) for here in range(3)],
        [[number(name, here) for name in order] for here in range(3)],
        [True] * 3,
        [here == leader for here in range(3)],
    )
    packet = Packet(next(PORTS), flags=ACK)
    for entry in at:
        assert three.journey(packet.raw, entry) <= 6, "to its owner, to each once, and back each time"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_connections_of_this_host_are_known_by_its_sockets(kernel: Kernel, family: int) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    kernel.answers.put(
        {
            key_of(LINK, ip_address(host)): How(
                OURS, OURS, spread=Spread(bytes([2]) * 4096, bytes([1, 2, 3]), True)
            )
        }
    )
    with closing(socket.create_server((host, 0), family=family)) as server:
        port = server.getsockname()[1]
        with closing(socket.create_connection((host, port))) as client:
            tcp = struct.pack(">HHIIBBHHH", client.getsockname()[1], port, 1, 1, 5 << 4, ACK, 1024, 0, 0)
            known = ip_packet(ip_address(host), ip_address(host), TCP, tcp)
            unknown = ip_packet(ip_address(host), ip_address(host), TCP, b"\0\1" + tcp[2:])
            assert kernel(known) == STAYS, "whatever its slot"
            assert kernel(known, MACS[3]) == STAYS
            assert kernel(unknown) == 2
            assert kernel(unknown, MACS[3]) == 3, "it was not sent there: back"


def test_where_a_proxy_translates_nothing_is_sent_back() -> None:
    kernel = Kernel(returns=False)
    packet = of_node(2, flags=ACK)
    assert kernel(packet) == 2
    assert kernel(packet, MACS[2]) == STAYS
    assert kernel(of_node(ME, flags=ACK)) == STAYS
    kernel.answers.close()


@pytest.mark.parametrize("address", [VIP, VIP6])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_an_error_goes_where_the_connection_is(kernel: Kernel, address: IPAddress, protocol: int) -> None:
    kernel.put("n1", "n2")
    packets = [Packet(port, address, protocol) for port in range(1000, 1060)]
    before = [kernel(each) for each in packets]
    kernel.put()
    assert [kernel(error_about(each)) for each in packets] == before
    unknown = [Packet(port, address, protocol) for port in range(2000, 2060)]
    assert [kernel(error_about(each)) for each in unknown] == [wanted(each) for each in unknown]
    assert kernel(error_about(of_node(3, address=address)), MACS[2]) == STAYS


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_parts_of_a_datagram_go_with_its_flow(kernel: Kernel, address: IPAddress) -> None:
    for number, port in enumerate(range(1000, 1060)):
        packet = Packet(port, address, UDP, id=number)
        first = kernel(replace(packet, part=(0, True)))
        assert first == wanted(packet)
        assert kernel(replace(packet, part=(1480, True))) == first
        assert kernel(replace(packet, part=(2960, False))) == first
        assert kernel(packet) == first, "what is not in parts, too"


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_parts_that_come_in_another_order_stay_together(kernel: Kernel, address: IPAddress) -> None:
    for number, port in enumerate(range(1000, 1060)):
        packet = Packet(port, address, UDP, id=number)
        last = kernel(replace(packet, part=(2960, False)))
        assert kernel(replace(packet, part=(0, True))) == last
        assert kernel(replace(packet, part=(1480, True))) == last


@pytest.mark.parametrize(
    "raw",
    [
        ip_packet(CLIENT[4], VIP, 1, b"\x08\x00" + bytes(14)),  # echo request
        ip_packet(CLIENT[6], VIP6, 58, b"\x80\x00" + bytes(14)),
        ip_packet(CLIENT[4], VIP, 47, bytes(30)),
        ip_packet(CLIENT[4], VIP, 1, b"\x03\x04" + bytes(6) + b"\x45\x00"),
        ip_packet(CLIENT[6], VIP6, 44, b"\x11"),
    ],
)
def test_what_is_no_flow_stays_with_who_answers(kernel: Kernel, raw: bytes) -> None:
    assert kernel(raw) == STAYS


def test_after_the_lease_all_stays_here_as_with_a_leader(kernel: Kernel) -> None:
    begun, udp = of_node(2), of_node(2, protocol=UDP)
    assert kernel(begun) == 2
    kernel.answers.renew(time.monotonic() - 0.01)
    assert kernel(begun) == STAYS
    assert kernel(udp) == STAYS
    assert kernel(replace(begun, flags=ACK)) == GONE, "another takes over in moments: it must not be refused"
    kernel.answers.renew(time.monotonic() - 60)
    assert kernel(replace(begun, flags=ACK)) == STAYS
    kernel.answers.renew(time.monotonic() + 60)
    assert kernel(replace(begun, flags=ACK)) == 2


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_what_is_not_known_in_mid_stream_stays_where_the_host_passes_it_on(address: IPAddress) -> None:
    kernel = Kernel(returns=False)
    with closing(kernel.answers):
        known, late = of_node(2, address=address), replace(of_node(3, address=address), flags=ACK)
        assert kernel(known) == 2
        kernel.put(passes_on=True)
        assert kernel(replace(known, flags=ACK)) == 2
        assert [kernel(late), kernel(error_about(late))] == [STAYS, STAYS]
        assert kernel(of_node(3, address=address, protocol=UDP)) == 3, "of UDP nobody knows what is open"
        assert kernel(replace(late, port=late.port, flags=SYN)) == 3
        kernel.put()
        other = next(each for each in map(Packet, range(5000, 6000)) if wanted(each) == 3)
        assert kernel(replace(other, flags=ACK)) == 3, "nobody holds any: the node of its slot says so"


def test_after_the_lease_what_a_proxy_elsewhere_serves_waits_for_the_next_leader() -> None:
    kernel = Kernel(returns=False)
    with closing(kernel.answers):
        elsewhere, here, unknown = of_node(2), of_node(ME), replace(of_node(3), flags=ACK)
        udp = of_node(2, protocol=UDP)
        assert [kernel(each) for each in (elsewhere, here, udp)] == [2, STAYS, 2]
        kernel.answers.renew(time.monotonic() - 0.01)
        assert kernel(replace(elsewhere, flags=ACK)) == GONE
        assert kernel(elsewhere) == STAYS, "it begins anew"
        for stays in (replace(here, flags=ACK), unknown, udp):
            assert kernel(stays) == STAYS
        kernel.answers.renew(time.monotonic() - 60)
        assert kernel(replace(elsewhere, flags=ACK)) == STAYS


def test_what_is_known_outlives_more_addresses_than_there_was_room_for(kernel: Kernel) -> None:
    kernel.put("n1", "n2")
    packets = [Packet(port) for port in range(1000, 1050)]
    before = [kernel(each) for each in packets]
    many = [IPv4Address(0x0A000000 + number) for number in range(3000)]
    kernel.answers.put({key_of(LINK, each): How(OURS, OURS) for each in many})
    tables = {each: Spread(bytes([2]) * 4095 + bytes([number])) for number, each in enumerate(many[:40])}
    kernel.answers.put(
        {key_of(LINK, each): How(OURS, OURS, spread=spread) for each, spread in tables.items()}
    )
    kernel.put()
    assert [kernel(replace(each, flags=ACK)) for each in packets] == before
    assert kernel(Packet(1000, many[0])) == 2
