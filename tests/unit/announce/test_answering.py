"""What is answered, what is noted, and what is dropped."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.announce.answering import (
    Answer,
    Asked,
    Claimed,
    Dropped,
    Outcome,
    correction_frames,
    gratuitous_frames,
    respond,
)
from roost.model.address import IPAddress
from roost.protocols import arp, ethernet, ndp
from roost.protocols.arp import REPLY, REQUEST, Arp
from roost.protocols.words.sightings import Sighting

OURS, CLIENT, PEER = (bytes.fromhex(f"02000000000{number}") for number in (1, 2, 3))
LED, HELD = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
LED6, HELD6 = IPv6Address("2001:db8::200"), IPv6Address("2001:db8::201")
CLIENT4, CLIENT6 = IPv4Address("192.0.2.101"), IPv6Address("2001:db8::101")
NOBODY4, NOBODY6 = IPv4Address(0), IPv6Address(0)
KNOWN: frozenset[IPAddress] = frozenset({LED, HELD, LED6, HELD6})


def decided(frame: bytes, *, router: bool = False) -> Outcome:
    """Decide as a node that leads LED and LED6 and knows HELD and HELD6."""
    answered: dict[IPAddress, bytes] = {LED: OURS, LED6: OURS}
    return respond(frame, OURS, answered.get, KNOWN, router=router)


def arp_frame(packet: Arp, *, to: bytes = ethernet.BROADCAST, source: bytes | None = None) -> bytes:
    return ethernet.build(to, packet.sender_mac if source is None else source, ethernet.ARP, packet.encode())


def ask(target: IPv4Address, sender: IPv4Address = CLIENT4, mac: bytes = CLIENT) -> Arp:
    return Arp(REQUEST, mac, sender, bytes(6), target)


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Dropped)
    return outcome.reason


@pytest.mark.parametrize("to", [ethernet.BROADCAST, OURS], ids=["broadcast", "unicast"])
@pytest.mark.parametrize("sender", [CLIENT4, NOBODY4], ids=["request", "probe"])
def test_an_arp_request_is_answered_to_its_sender_alone(to: bytes, sender: IPv4Address) -> None:
    answer = decided(arp_frame(ask(LED, sender), to=to))
    assert isinstance(answer, Answer)
    assert answer.address == LED
    assert answer.asker == (Sighting(LED, sender, CLIENT) if sender is CLIENT4 else None)
    frame = ethernet.parse(answer.frame)
    assert (frame.destination, frame.source, frame.ethertype) == (CLIENT, OURS, ethernet.ARP)
    assert arp.parse(frame.payload) == Arp(REPLY, OURS, LED, CLIENT, sender)


@pytest.mark.parametrize("router", [True, False])
def test_a_solicitation_is_answered_solicited_with_override(router: bool) -> None:
    for question in (
        ndp.question(CLIENT, CLIENT6, LED6, OURS),
        ndp.question(CLIENT, CLIENT6, LED6, ndp.solicited_node_mac(LED6)),
    ):
        answer = decided(question, router=router)
        assert isinstance(answer, Answer)
        frame = ethernet.parse(answer.frame)
        assert (frame.destination, frame.source) == (CLIENT, OURS)
        assert ndp.parse(frame.payload) == ndp.Advertisement(
            LED6, CLIENT6, LED6, OURS, router=router, solicited=True, override=True
        )


def test_a_duplicate_address_probe_is_answered_to_all_nodes_unsolicited() -> None:
    answer = decided(ndp.solicitation_frame(CLIENT, LED6))
    assert isinstance(answer, Answer)
    frame = ethernet.parse(answer.frame)
    assert frame.destination == CLIENT, "it alone is to know that it was heard (RFC 6085)"
    assert ndp.parse(frame.payload) == ndp.Advertisement(
        LED6, IPv6Address("ff02::1"), LED6, OURS, solicited=False, override=True
    )


def test_what_another_node_leads_is_noted_and_not_answered() -> None:
    assert decided(arp_frame(ask(HELD))) == Asked(HELD, Sighting(HELD, CLIENT4, CLIENT))
    assert decided(arp_frame(ask(HELD, NOBODY4))) == Asked(HELD, None)
    assert decided(ndp.question(CLIENT, CLIENT6, HELD6, ndp.solicited_node_mac(HELD6))) == Asked(
        HELD6, Sighting(HELD6, CLIENT6, CLIENT)
    )
    assert decided(ndp.solicitation_frame(CLIENT, HELD6)) == Asked(HELD6, None)


def test_other_addresses_are_none_of_our_business() -> None:
    assert reason(decided(arp_frame(ask(IPv4Address("192.0.2.9"))))) == "unknown_address"
    other = IPv6Address("2001:db8::9")
    assert reason(decided(ndp.solicitation_frame(CLIENT, other))) == "unknown_address"


@pytest.mark.parametrize(
    ("frame", "direct"),
    [
        *((frame, False) for frame in arp.gratuitous(PEER, LED)),
        (arp_frame(Arp(REPLY, PEER, LED, CLIENT, CLIENT4), to=OURS), True),
        (arp_frame(Arp(REPLY, PEER, LED, CLIENT, CLIENT4), to=CLIENT), False),
        (arp_frame(ask(IPv4Address("192.0.2.9"), sender=LED, mac=PEER)), False),
        (arp_frame(ask(IPv4Address("192.0.2.9"), sender=LED, mac=PEER), to=OURS), False),
    ],
    ids=["gratuitous request", "gratuitous reply", "reply", "reply to another", "request", "unicast request"],
)
def test_a_frame_from_our_address_is_a_claim_direct_only_where_it_answers_us(
    frame: bytes, direct: bool
) -> None:
    """Who answers hears questions; whoever speaks to all, or asks, may be deaf."""
    assert decided(frame) == Claimed(LED, PEER, direct=direct)


def test_an_advertisement_of_our_address_is_a_claim_for_the_hardware_address_that_it_names() -> None:
    assert decided(ndp.unsolicited(PEER, LED6)) == Claimed(LED6, PEER, direct=False)


def test_probes_claim_nothing() -> None:
    assert isinstance(decided(arp.probe(PEER, LED)), Answer)
    assert isinstance(decided(ndp.solicitation_frame(PEER, LED6)), Answer)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (arp_frame(ask(LED, mac=OURS)), "own_frame"),
        (arp_frame(ask(LED), source=PEER), "spoofed_sender"),
        (arp_frame(ask(LED), source=ethernet.BROADCAST), "spoofed_source"),
        (arp_frame(ask(LED), source=bytes(6)), "spoofed_source"),
        (arp_frame(ask(LED), to=PEER), "not_for_us"),
        (arp_frame(ask(LED), to=bytes.fromhex("01005e000001")), "not_for_us"),
        (arp_frame(replace(ask(LED), operation=REPLY)), "foreign_reply"),
        (ethernet.build(OURS, CLIENT, 0x0800, bytes(40)), "other_protocol"),
        (ethernet.build(OURS, CLIENT, 0x8100, bytes(40)), "other_protocol"),
        (ethernet.build(OURS, CLIENT, ethernet.ARP, bytes(28)), "malformed"),
        (ethernet.build(OURS, CLIENT, ethernet.IPV6, bytes(80)), "malformed"),
        (ndp.question(CLIENT, CLIENT6, LED6, PEER), "not_for_us"),
        (b"", "malformed"),
    ],
)
def test_what_is_wrong_is_dropped_under_its_name(frame: bytes, why: str) -> None:
    assert reason(decided(frame)) == why


def test_a_solicitation_that_names_another_hardware_address_is_spoofed() -> None:
    frame = bytearray(ndp.question(PEER, CLIENT6, LED6, OURS))
    frame[6:12] = CLIENT
    assert reason(decided(bytes(frame))) == "spoofed_sender"


@given(st.binary(max_size=128))
def test_hostile_bytes_are_dropped(data: bytes) -> None:
    assert isinstance(decided(data), Dropped)


@given(
    st.sampled_from(
        [arp_frame(ask(LED)), ndp.question(CLIENT, CLIENT6, LED6, OURS), *arp.gratuitous(PEER, LED)]
    ),
    st.integers(0, 85),
    st.integers(0, 255),
)
def test_damaged_frames_never_make_us_answer_for_what_we_do_not_lead(
    frame: bytes, at: int, value: int
) -> None:
    damaged = bytearray(frame)
    damaged[min(at, len(frame) - 1)] = value
    outcome = decided(bytes(damaged))
    if isinstance(outcome, Answer):
        assert outcome.address in {LED, LED6}
        assert ethernet.parse(outcome.frame).source == OURS


def test_a_correction_goes_to_the_client_alone_and_is_a_claim_to_it() -> None:
    for sighting in (Sighting(LED, CLIENT4, CLIENT), Sighting(LED6, CLIENT6, CLIENT)):
        frames = correction_frames(PEER, sighting)
        assert {ethernet.parse(frame).destination for frame in frames} == {CLIENT}
        assert {decided(frame) for frame in frames} == {Claimed(sighting.vip, PEER, direct=False)}
    request, reply = (
        arp.parse(ethernet.parse(f).payload) for f in correction_frames(PEER, Sighting(LED, CLIENT4, CLIENT))
    )
    assert request == Arp(REQUEST, PEER, LED, CLIENT, LED)
    assert reply == Arp(REPLY, PEER, LED, CLIENT, CLIENT4)


@pytest.mark.parametrize(("address", "frames"), [("192.0.2.200", 2), ("2001:db8::200", 1)])
def test_gratuitous_frames_are_claims_to_whoever_hears_them(address: str, frames: int) -> None:
    ours: IPAddress = ip_address(address)
    sent = gratuitous_frames(PEER, ours)
    assert [decided(frame) for frame in sent] == [Claimed(ours, PEER, direct=False)] * frames


def test_an_answer_with_another_hardware_address_comes_from_it() -> None:
    """A frame whose sender is not its source is spoofed to whoever hears it, and to switches."""
    answered: dict[IPAddress, bytes] = {LED: PEER, LED6: PEER}
    for question, address in ((arp_frame(ask(LED)), LED), (ndp.solicitation_frame(CLIENT, LED6), LED6)):
        answer = respond(question, OURS, answered.get, KNOWN)
        assert isinstance(answer, Answer)
        heard = respond(answer.frame, CLIENT, lambda _: None, KNOWN)
        assert heard == Claimed(address, PEER, direct=True)
