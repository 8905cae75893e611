"""The filter never keeps a wanted frame from us, and keeps foreign ones away while it has the room."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols import arp, ethernet, icmp, ndp
from roost.protocols import filter as filters
from roost.protocols.filter import MAX_INSTRUCTIONS, Instruction
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.frames import ETHERTYPE, MAGIC, Framed, FrameKind

MAC = bytes.fromhex("020000000001")


def passes(program: list[Instruction], frame: bytes, *, tagged: bool = False) -> bool:
    """Interpret classic BPF as the kernel does: a load beyond the frame drops it."""
    accumulator = 0
    at = 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        match code:
            case 0x20 if k == 0xFFFFF004:
                accumulator = frame[0] & 1  # 0: PACKET_HOST
            case 0x20 if k == 0xFFFFF030:
                accumulator = int(tagged)
            case 0x20 | 0x28 | 0x30:
                size = {0x20: 4, 0x28: 2, 0x30: 1}[code]
                if len(frame) < k + size:
                    return False
                accumulator = int.from_bytes(frame[k : k + size], "big")
            case 0x05:
                at += k
            case 0x15:
                at += jt if accumulator == k else jf
            case 0x25:
                at += jt if accumulator > k else jf
            case 0x35:
                at += jt if accumulator >= k else jf
            case 0x45:
                at += jt if accumulator & k else jf
            case 0x06:
                return k > 0
            case _:
                raise AssertionError(f"code {code:#x}")


def ask(target: IPv4Address, sender: str = "192.0.2.101") -> bytes:
    packet = arp.Arp(arp.REQUEST, MAC, IPv4Address(sender), bytes(6), target)
    return ethernet.build(ethernet.BROADCAST, MAC, ethernet.ARP, packet.encode())


ipv4 = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
ipv6 = st.builds(IPv6Address, st.integers(0, 2**128 - 1)).filter(lambda address: not address.is_multicast)


@given(st.sets(ipv4, max_size=600), st.sets(ipv6, max_size=600))
def test_every_frame_about_our_addresses_passes(ours4: set[IPv4Address], ours6: set[IPv6Address]) -> None:
    program = filters.build([*ours4, *ours6])
    assert len(program) <= MAX_INSTRUCTIONS
    for address in list(ours4)[:20]:
        assert passes(program, ask(address))
        assert passes(program, ask(IPv4Address("203.0.113.1"), sender=str(address)))
        assert not passes(program, ask(address), tagged=True)
    for target in list(ours6)[:20]:
        assert passes(program, ndp.solicitation_frame(MAC, target))
        assert passes(program, ndp.unsolicited(MAC, target))


@given(st.sets(ipv4, max_size=100), st.sets(ipv6, max_size=100), ipv4, ipv6)
def test_foreign_frames_do_not_wake_us(
    ours4: set[IPv4Address], ours6: set[IPv6Address], other4: IPv4Address, other6: IPv6Address
) -> None:
    program = filters.build([*ours4, *ours6])
    if other4 not in ours4 and IPv4Address("192.0.2.101") not in ours4:
        assert not passes(program, ask(other4))
    if int(other6) & 0xFFFFFFFF not in {int(each) & 0xFFFFFFFF for each in ours6}:
        assert not passes(program, ndp.solicitation_frame(MAC, other6))


@given(st.binary(max_size=100))
def test_anything_else_is_dropped_and_ends(data: bytes) -> None:
    assert not passes(filters.build([]), data)


def test_neighbours_become_one_interval() -> None:
    block = [IPv4Address(f"198.51.100.{last}") for last in range(1, 251)]
    assert len(filters.build(block)) < 50


def test_two_thousand_scattered_addresses_still_fit() -> None:
    scattered = [IPv4Address(number * 7919 + 1) for number in range(2000)]
    program = filters.build(scattered)
    assert len(program) <= MAX_INSTRUCTIONS
    assert all(passes(program, ask(address)) for address in scattered[::50])


@given(st.sets(ipv4, min_size=1, max_size=300), st.sets(ipv6, min_size=1, max_size=300))
def test_traffic_for_our_addresses_passes_and_neighbor_discovery_does_not(
    ours4: set[IPv4Address], ours6: set[IPv6Address]
) -> None:
    program = filters.build_traffic([*ours4, *ours6])
    assert len(program) <= MAX_INSTRUCTIONS
    for v4 in list(ours4)[:10]:
        assert passes(program, MAC + MAC + b"\x08\x00" + bytes(16) + v4.packed)
    for v6 in list(ours6)[:10]:
        header = MAC + MAC + b"\x86\xdd" + bytes(6)
        assert passes(program, header + b"\x11\x40" + bytes(16) + v6.packed)
        echo, solicitation = bytes([128]), bytes([135])
        assert passes(program, header + b"\x3a\x40" + bytes(16) + v6.packed + echo)
        assert not passes(program, header + b"\x3a\xff" + bytes(16) + v6.packed + solicitation)
    assert not passes(program, ask(next(iter(ours4))))


@given(st.sets(ipv4, max_size=300), st.sets(ipv6, max_size=300))
def test_where_the_kernel_answers_claims_pass_and_questions_do_not(
    ours4: set[IPv4Address], ours6: set[IPv6Address]
) -> None:
    program = filters.build_claims([*ours4, *ours6], longer_than=128)
    assert len(program) <= MAX_INSTRUCTIONS
    for address in list(ours4)[:10]:
        assert passes(program, ask(IPv4Address("203.0.113.1"), sender=str(address)))
        assert passes(program, arp.gratuitous(MAC, address)[0])
        assert not passes(program, arp.gratuitous(MAC, address)[0], tagged=True)
        if IPv4Address("192.0.2.101") not in ours4:
            assert not passes(program, ask(address))
    for target in list(ours6)[:10]:
        assert passes(program, ndp.unsolicited(MAC, target))
        question = ndp.solicitation_frame(MAC, target)
        assert not passes(program, question)
        for length, passed in ((128, False), (129, True)):
            changed = question[:18] + length.to_bytes(2, "big") + question[20:]
            assert passes(program, changed) is passed


PEER = bytes.fromhex("020000000002")


@given(st.sets(ipv4, min_size=1, max_size=300), st.sets(ipv6, min_size=1, max_size=300))
def test_what_peers_send_this_station_alone_can_wait_and_comes_to_one_program(
    ours4: set[IPv4Address], ours6: set[IPv6Address]
) -> None:
    ours: list[IPv4Address | IPv6Address] = [*ours4, *ours6]
    patient = filters.build_patient(ours, {PEER})
    others = (filters.build(ours, without={PEER}), filters.build_claims(ours, 128, {PEER}))
    assert all(len(each) <= MAX_INSTRUCTIONS for each in (patient, *others))
    address, target = next(iter(ours4)), next(iter(ours6))
    reply = arp.Arp(arp.REPLY, PEER, address, MAC, IPv4Address(0))
    own = IPv6Address("2001:db8::1")
    waiting = (
        arp.probe(PEER, address, MAC),
        ethernet.build(MAC, PEER, ethernet.ARP, reply.encode()),
        ndp.question(PEER, own, target, MAC),
        ndp.advertisement_frame(ndp.Advertisement(target, own, target, PEER), PEER, MAC),
    )
    for frame in waiting:
        assert passes(patient, frame)
        assert not passes(patient, frame, tagged=True)
        assert not any(passes(each, frame) for each in others)
        stranger = frame[:6] + MAC[:5] + b"\x09" + frame[12:]
        assert not passes(patient, stranger)
    for frame in (arp.probe(PEER, address), arp.gratuitous(PEER, address)[0], ndp.unsolicited(PEER, target)):
        assert not passes(patient, frame), "everybody hears it: it may not wait"
        assert all(passes(each, frame) for each in others)
    request = arp.Arp(arp.REQUEST, PEER, IPv4Address("192.0.2.102"), bytes(6), address)
    by_kernel = ethernet.build(MAC, PEER, ethernet.ARP, request.encode())
    assert not passes(patient, by_kernel), "a peer's kernel asks: it wants to use the address"
    assert all(passes(each, by_kernel) for each in others)


@given(st.sets(ipv4, max_size=600), st.sets(ipv6, max_size=600), st.sets(st.binary(min_size=6, max_size=6)))
def test_what_peers_ask_everybody_about_our_addresses_passes(
    ours4: set[IPv4Address], ours6: set[IPv6Address], peers: set[bytes]
) -> None:
    program = filters.build_claims([*ours4, *ours6], 128, {*peers, MAC})
    assert len(program) <= MAX_INSTRUCTIONS
    for address in list(ours4)[:10]:
        assert passes(program, ask(address))
        assert passes(program, arp.probe(MAC, address))
    for target in list(ours6)[:10]:
        assert passes(program, ndp.solicitation_frame(MAC, target))
    unknown = IPv4Address("203.0.113.1")
    if len(ours4) < 50 and not ours4 & {unknown, IPv4Address("192.0.2.101")}:
        assert not passes(program, ask(unknown))


def test_traffic_for_others_does_not_pass() -> None:
    program = filters.build_traffic([IPv4Address("192.0.2.200")])
    assert not passes(program, MAC + MAC + b"\x08\x00" + bytes(16) + IPv4Address("192.0.2.201").packed)
    assert not passes(filters.build_traffic([]), MAC + MAC + b"\x08\x00" + bytes(40))


ECHOES = [
    icmp.Echo(IPv4Address("192.0.2.11"), IPv4Address("192.0.2.12"), 0x1234, 7),
    icmp.Echo(IPv6Address("2001:db8::11"), IPv6Address("2001:db8::12"), 0x1234, 7, b"data"),
]


@pytest.mark.parametrize("echo", ECHOES)
def test_echo_replies_with_our_identifier_pass_and_nothing_else_of_ip(echo: icmp.Echo) -> None:
    program = filters.build([IPv4Address("192.0.2.11"), IPv6Address("2001:db8::11")], echo=0x1234)
    frame = icmp.reply_frame(echo, MAC, MAC)
    assert passes(program, frame)
    assert not passes(program, frame, tagged=True)
    assert not passes(program, icmp.request_frame(echo, MAC, MAC))
    assert not passes(filters.build([], echo=0x1235), frame)
    assert not passes(filters.build([IPv4Address("192.0.2.11"), IPv6Address("2001:db8::11")]), frame)
    for length in range(len(MAC + MAC) + 2, 40):
        assert not passes(program, frame[:length])


def test_an_echo_reply_with_options_or_in_fragments_does_not_pass() -> None:
    frame = bytearray(icmp.reply_frame(ECHOES[0], MAC, MAC))
    program = filters.build([], echo=0x1234)
    for at, value in ((14, 0x46), (20, 0x20), (21, 0x01), (23, 17), (34, 3)):
        changed = bytearray(frame)
        changed[at] = value
        assert not passes(program, bytes(changed)), at


def test_with_echo_replies_the_largest_program_still_fits() -> None:
    ours4 = [IPv4Address(number * 7919 + 1) for number in range(600)]
    ours6 = [IPv6Address((0x20010DB8 << 96) + number * 7919 + 1) for number in range(600)]
    program = filters.build([*ours4, *ours6], echo=1)
    assert len(program) <= MAX_INSTRUCTIONS
    assert all(passes(program, ask(address)) for address in ours4[::50])
    assert all(passes(program, ndp.unsolicited(MAC, address)) for address in ours6[::50])


@given(st.binary(max_size=100))
def test_with_echo_replies_anything_else_is_dropped_and_ends(data: bytes) -> None:
    assert not passes(filters.build([], echo=0x1234), data.replace(b"\x12\x34", b"\x12\x35"))


@given(st.sets(ipv4, min_size=1, max_size=300), st.sets(ipv6, min_size=1, max_size=300))
def test_pings_of_our_addresses_pass(ours4: set[IPv4Address], ours6: set[IPv6Address]) -> None:
    program = filters.build_echo_requests([*ours4, *ours6])
    assert len(program) <= MAX_INSTRUCTIONS
    client4, client6 = IPv4Address("192.0.2.101"), IPv6Address("2001:db8::101")
    for v4 in list(ours4)[:10]:
        echo = icmp.Echo(client4, v4, 1, 1, b"data")
        assert passes(program, icmp.request_frame(echo, MAC, MAC))
        assert not passes(program, icmp.request_frame(echo, MAC, MAC), tagged=True)
        assert not passes(program, icmp.reply_frame(echo, MAC, MAC))
    for v6 in list(ours6)[:10]:
        echo = icmp.Echo(client6, v6, 1, 1, b"data")
        assert passes(program, icmp.request_frame(echo, MAC, MAC))
        assert not passes(program, icmp.reply_frame(echo, MAC, MAC))


@pytest.mark.parametrize("echo", ECHOES)
def test_pings_of_others_and_of_nothing_do_not_pass(echo: icmp.Echo) -> None:
    frame = icmp.request_frame(echo, MAC, MAC)
    assert not passes(filters.build_echo_requests([]), frame)
    others: list[IPv4Address | IPv6Address] = [IPv4Address("192.0.2.200"), IPv6Address("2001:db8::200")]
    assert not passes(filters.build_echo_requests(others), frame)
    program = filters.build_echo_requests([echo.destination])
    assert passes(program, frame)
    for length in range(14, 54 if frame[12] == 0x86 else 34):
        assert not passes(program, frame[:length])
    assert not passes(program, ask(IPv4Address("192.0.2.12")))


def test_a_ping_with_options_or_in_fragments_does_not_pass() -> None:
    program = filters.build_echo_requests([ECHOES[0].destination])
    for at, value in ((14, 0x46), (20, 0x20), (21, 0x01), (23, 17), (34, 0)):
        frame = bytearray(icmp.request_frame(ECHOES[0], MAC, MAC))
        frame[at] = value
        assert not passes(program, bytes(frame))


OURS, OTHERS = Endpoint("192.0.2.11", 7946), Endpoint("192.0.2.12", 7946)


def gossip(target: Endpoint, ethertype: int = ETHERTYPE) -> bytes:
    return ethernet.build(MAC, MAC, ethertype, Framed(FrameKind.PACKET, OTHERS, target, b"x").pack())


@pytest.mark.parametrize("ours", [OURS, Endpoint("2001:db8::11", 7946)])
def test_frames_of_gossip_for_this_node_pass_and_no_others(ours: Endpoint) -> None:
    program = filters.build_gossip(ETHERTYPE, MAGIC, ours)
    assert passes(program, gossip(ours))
    assert not passes(program, gossip(ours), tagged=True)
    assert not passes(program, gossip(OTHERS))
    assert not passes(program, gossip(Endpoint(ours.host, 7947)))
    assert not passes(program, gossip(ours, ethernet.IPV4))
    assert not passes(program, gossip(ours).replace(b"RST\x01", b"RST\x02"))
    assert not passes(program, gossip(ours)[:60])


@given(st.binary(max_size=120))
def test_what_is_no_gossip_is_dropped_and_ends(data: bytes) -> None:
    assert not passes(filters.build_gossip(ETHERTYPE, MAGIC, OURS), data)
