"""What the lab's fabrics do with ARP: count it, and answer it for the dead."""

from ipaddress import IPv4Address

from roost.lab.arp_proxy import Known, answer
from roost.lab.inspection import Meter
from roost.protocols import arp, ethernet

DEAD, ASKER = IPv4Address("192.0.2.11"), IPv4Address("192.0.2.12")
MAC, ASKERS = bytes((2, 0, 0, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 2))
KNOWN = {DEAD: Known("p-n1", MAC)}


def test_more_than_the_limit_within_a_second_is_too_many() -> None:
    meter = Meter(3)
    assert [meter.count(when) for when in (0.0, 0.2, 0.4, 0.9)] == [False, False, False, True]


def test_as_many_over_more_than_a_second_are_not() -> None:
    meter = Meter(3)
    assert not any(meter.count(0.34 * number) for number in range(100))


def test_a_question_for_the_dead_is_answered_with_their_own_mac() -> None:
    for to in (ethernet.BROADCAST, MAC):
        found = answer(arp.question(ASKERS, ASKER, DEAD, to), KNOWN)
        assert found is not None
        known, frame = found
        assert known.port == "p-n1"
        reply = ethernet.parse(frame)
        assert (reply.destination, reply.source) == (ASKERS, MAC)
        assert arp.parse(reply.payload) == arp.Arp(arp.REPLY, MAC, DEAD, ASKERS, ASKER)


def test_nothing_else_is_answered() -> None:
    assert answer(arp.question(ASKERS, ASKER, IPv4Address("192.0.2.200"), ethernet.BROADCAST), KNOWN) is None
    assert not any(answer(frame, KNOWN) for frame in arp.gratuitous(MAC, DEAD))
    assert answer(b"\xff" * 20, KNOWN) is None
