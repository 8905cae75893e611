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
        assert after is not None
        assert after > due
    return asked


def test_it_goes_round_one_address_at_a_time() -> None:
    patrol = Patrol()
    patrol.doubt(0.0, holds=True)
    asked = play(patrol, 1.8, VIPS)
    assert [when for when, _ in asked] == [0.3, 0.6, 0.9, 1.2, 1.5, 1.8]
    for start in (0, 3):
        assert {address for _, address in asked[start : start + 3]} == set(VIPS)


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
    assert patrol.next_wake() == 0.3, "the doubt of before goes on"
    patrol.doubt(0.25, holds=False)
    assert patrol.next_wake() is None
    assert patrol.wake(9.0, VIPS) == frozenset()


def test_a_node_that_has_lost_a_peer_asks_for_what_it_answers() -> None:
    one = One(web(MINE))
    one.run(2.0)
    assert one.asked() == set(), "while all are there it asks for nothing"
    one.have(2, Verdict.DEAD)
    one.run(2.0)
    assert one.asked() == {MINE}
    assert one.answered == {MINE}, "it goes on answering meanwhile"
