"""A leader that is not heard is asked for, and stood in for until it is."""

from ipaddress import IPv4Address

import pytest

from roost.decide.succession import WAIT, Succession
from roost.model.address import IPAddress

VIP, OTHER = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
MANY = [IPv4Address("198.51.100.0") + number for number in range(250)]


def play(
    succession: Succession, until: float, now: float = 0.0
) -> tuple[list[tuple[float, frozenset[IPAddress]]], frozenset[IPAddress]]:
    """Wake as wanted; what was asked for and when, and what was found mute."""
    asked, mute = [], frozenset[IPAddress]()
    while (due := succession.next_wake()) is not None and due <= until:
        now = max(now, due)
        ask, found = succession.wake(now)
        if ask:
            asked.append((round(now, 6), ask))
        mute |= found
        after = succession.next_wake()
        assert after is None or after > now, "it wants to be woken for nothing"
    return asked, mute


def test_a_mute_successor_is_asked_for_twice_and_then_stood_in_for() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 10.0, wait=WAIT)
    asked, mute = play(succession, 20.0, now=10.0)
    assert [when for when, _ in asked] == [10.07, 10.115]
    assert mute == {VIP}
    assert succession.instead_of(VIP) == "n2"
    assert set(succession.stood_in) == {VIP}
    assert succession.next_wake() is None


def test_who_is_heard_is_awaited_no_more() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    succession.heard(VIP)
    assert play(succession, 10.0) == ([], frozenset())


def test_a_claim_of_who_may_hear_no_questions_is_known_but_ends_no_waiting() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    succession.claimed(VIP, "n3")
    assert succession.claimed_by(VIP) is None
    succession.claimed(VIP, "n2")
    assert succession.claimed_by(VIP) == "n2"
    assert succession.awaits(VIP)
    succession.expect(VIP, "n2", 0.0, wait=WAIT, question=True)
    assert succession.claimed_by(VIP) is None


def test_an_answer_to_the_question_is_as_good() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    succession.wake(WAIT)
    succession.heard(VIP)
    assert play(succession, 10.0, now=WAIT) == ([], frozenset())


def test_where_an_answer_counts_alone_an_earlier_claim_ends_no_waiting() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    succession.expect(VIP, "n2", 0.0, wait=WAIT, question=True)
    succession.heard(VIP)
    assert succession.awaits(VIP)
    assert succession.wake(WAIT)[0] == {VIP}
    succession.heard(VIP)
    assert not succession.awaits(VIP)


def test_the_next_standby_waits_longer_and_so_hears_the_one_before_it() -> None:
    first, second = Succession(), Succession()
    first.expect(VIP, "n2", 0.0, wait=WAIT)
    second.expect(VIP, "n2", 0.0, wait=2 * WAIT)
    assert play(first, 2 * WAIT + 0.02)[1] == {VIP}, "the first stands in before the second has to"
    assert play(second, 2 * WAIT + 0.02)[1] == frozenset()


def test_the_leader_heard_again_ends_standing_in_once() -> None:
    succession = Succession()
    succession.stand_in(VIP, "n2")
    assert succession.heard_leader(VIP)
    assert succession.instead_of(VIP) is None
    assert not succession.heard_leader(VIP)


def test_a_claim_of_somebody_else_does_not_end_standing_in() -> None:
    succession = Succession()
    succession.stand_in(VIP, "n2")
    succession.heard(VIP)
    assert succession.instead_of(VIP) == "n2"


def test_standing_in_ends_when_the_lead_moves_on() -> None:
    succession = Succession()
    succession.stand_in(VIP, "n2")
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    assert succession.instead_of(VIP) == "n2", "that is the one it stands in for"
    succession.expect(VIP, "n3", 0.0, wait=WAIT)
    assert succession.instead_of(VIP) is None
    assert play(succession, 10.0)[1] == {VIP}
    assert succession.instead_of(VIP) == "n3"


def test_expecting_the_same_leader_again_does_not_begin_anew() -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 0.0, wait=WAIT)
    succession.expect(VIP, "n2", 0.09, wait=WAIT)
    assert play(succession, 10.0)[0][0][0] == WAIT


def test_a_leader_that_a_lead_returns_to_is_awaited_on_since_it_was_not_heard() -> None:
    """A link that flaps often enough would make it begin anew each time, and be silent as long."""
    succession = Succession()
    succession.expect(VIP, "n2", 10.0, wait=WAIT)
    succession.forget([VIP])
    succession.expect(VIP, "n2", 10.06, wait=WAIT)
    assert play(succession, 20.0, now=10.06)[0][0][0] == 10.0 + WAIT


@pytest.mark.parametrize(
    ("leader", "again", "heard"), [("n3", 10.1, False), ("n2", 11.0, False), ("n2", 10.1, True)]
)
def test_another_leader_or_one_heard_since_or_awaited_long_ago_is_awaited_anew(
    leader: str, again: float, heard: bool
) -> None:
    succession = Succession()
    succession.expect(VIP, "n2", 10.0, wait=WAIT)
    succession.forget([VIP])
    if heard:
        succession.heard(VIP)
    succession.expect(VIP, leader, again, wait=WAIT)
    assert play(succession, 20.0, now=again)[0][0][0] == pytest.approx(again + WAIT)


def test_what_is_forgotten_is_neither_awaited_nor_stood_in_for() -> None:
    succession = Succession()
    succession.stand_in(VIP, "n2")
    succession.expect(OTHER, "n2", 0.0, wait=WAIT)
    succession.forget([VIP, OTHER])
    assert not succession.stood_in
    assert play(succession, 10.0) == ([], frozenset())


def test_many_are_asked_for_in_batches() -> None:
    succession = Succession()
    for address in MANY:
        succession.expect(address, "n2", 0.0, wait=WAIT)
    asked, mute = play(succession, 10.0)
    assert max(len(group) for _, group in asked) == 100
    assert mute == set(MANY)
    for address in MANY:
        assert sum(address in group for _, group in asked) == 2


def test_with_many_awaited_at_once_claims_and_answers_are_given_more_time() -> None:
    """They come one by one: who does not wait for them takes over hundreds from nodes that are well."""
    few, many = Succession(), Succession()
    addresses = [IPv4Address("198.51.100.0") + number for number in range(400)]
    for address in addresses:
        many.expect(address, "n2", 0.0, wait=0.07)
    few.expect(addresses[0], "n2", 0.0, wait=0.07)
    assert few.wake(0.1)[0]
    assert many.wake(0.1) == (frozenset(), frozenset())
    assert many.wake(0.5)[0]
