"""Asking for one's own addresses, while others may be there that gossip does not reach."""

from ipaddress import ip_address

from tests.unit.decide.one import One, address_of, web

from roost.decide.patrol import Patrol
from roost.model.address import IPAddress
from roost.model.node import Verdict

MINE = address_of(1, 2, 3)
VIPS = [ip_address(f"198.51.100.{number}") for number in range(3)]


def play(patrol: Patrol, until: float, answered: list[IPAddress]) -> list[tuple[float, IPAddress]]:
    asked: list[tuple[float, IPAddress]] = []
    while (due := patrol.next_wake()) is not None and due <= until:
        asked += [(round(due, 6), address) for address in patrol.wake(due, answered)]
        after = patrol.next_wake()
        assert after is None or after > due
    return asked


def test_it_goes_round_one_address_at_a_time() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    asked = play(patrol, 1.5, VIPS)
    assert [when for when, _ in asked] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    for start in (0, 3):
        assert {address for _, address in asked[start : start + 3]} == set(VIPS)


def test_several_at_once_are_the_next_ones_of_the_round() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    first, second = patrol.wake(0.25, VIPS, 2), patrol.wake(0.5, VIPS, 2)
    assert len(first) == 2
    assert first | second == set(VIPS)
    assert patrol.wake(0.75, VIPS[:1], 2) == set(VIPS[:1])


def test_once_another_has_been_found_all_are_asked_for_in_a_hurry_for_a_while() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    patrol.wake(0.25, VIPS)
    patrol.hurry(0.3)
    asked = play(patrol, 0.5, VIPS)
    assert {address for _, address in asked} == set(VIPS)
    times = sorted({when for when, _ in play(patrol, 2.5, VIPS)})
    assert len([when for when in times if when <= 1.3]) > 8
    assert len([when for when in times if when > 1.4]) < 6
    patrol.doubt(2.5, holds=False)
    patrol.wake(3.0, VIPS)
    assert patrol.next_wake() is None


def test_one_that_is_disputed_again_and_again_keeps_no_other_from_being_asked_for() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    patrol.hurry(0.0)
    asked: set[IPAddress] = set()
    for step in range(1, 6):
        patrol.look_again(VIPS[0], step / 10, 0.02)
        asked |= patrol.wake(step / 10 + 0.02, VIPS)
    assert asked == set(VIPS)


def test_what_is_answered_no_more_is_left_out() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    patrol.wake(0.3, VIPS)
    assert {address for _, address in play(patrol, 3.0, VIPS[:1])} == {VIPS[0]}


def test_without_doubt_nothing_is_asked() -> None:
    patrol = Patrol()
    assert patrol.next_wake() is None
    patrol.doubt(0.0, holds=True)
    patrol.doubt(0.2, holds=True)
    assert patrol.next_wake() == 0.25, "the doubt of before goes on"
    patrol.doubt(0.2, holds=False)
    patrol.wake(0.25, VIPS)
    assert patrol.next_wake() is None, "what was due is done"
    assert patrol.wake(9.0, VIPS) == frozenset()


def test_what_somebody_claimed_is_looked_at_again_once_and_next() -> None:
    patrol = Patrol()
    patrol.look_again(VIPS[1], 10.0, 0.22)
    assert play(patrol, 20.0, VIPS) == [(10.22, VIPS[1])]
    patrol.look_again(VIPS[1], 30.0, 0.22)
    assert play(patrol, 40.0, VIPS[:1]) == [(30.22, VIPS[0])], "if it is answered here still"


def test_a_look_again_goes_before_the_round_which_goes_on() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    patrol.look_again(VIPS[2], 0.2, 0.01)
    asked = play(patrol, 1.0, VIPS)
    assert asked[0] == (0.21, VIPS[2])
    assert {address for _, address in asked} == set(VIPS)


def test_a_node_that_has_lost_a_peer_asks_for_what_it_answers() -> None:
    one = One(web(MINE))
    one.run(2.0)
    assert one.asked() == set(), "while all are there it asks for nothing"
    one.have(2, Verdict.DEAD)
    one.run(2.0)
    assert one.asked() == {MINE}
    assert one.answered == {MINE}, "it goes on answering meanwhile"
