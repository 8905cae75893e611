"""Another host with this node's name: remembered for a while, and given way to."""

from tests.unit.decide.builders import endpoint, mac
from tests.unit.decide.one import One, address_of, web

from roost.decide.namesakes import Namesakes
from roost.model.event import Happening

MINE, THEIRS = address_of(1, 2, 3), address_of(2, 1, 3)
LOWER, TWIN = 0, 42  # numbers of machines: n1 itself has 1


def test_one_is_news_once_and_forgotten_when_it_is_heard_no_more() -> None:
    namesakes = Namesakes()
    assert namesakes.hear(endpoint(TWIN), (mac(TWIN),), 10.0)
    assert not namesakes.hear(endpoint(TWIN), (mac(TWIN),), 60.0)
    assert namesakes.are_at(mac(TWIN), 100.0)
    assert not namesakes.are_at(mac(2), 100.0)
    assert not namesakes.known(130.0)
    assert namesakes.hear(endpoint(TWIN), (mac(TWIN),), 130.0)


def test_so_many_are_remembered_and_no_more() -> None:
    namesakes = Namesakes()
    for number in range(100):
        namesakes.hear(endpoint(number), (), 10.0)
    assert len(namesakes.known(10.0)) == 8
    assert endpoint(99) in namesakes.known(10.0)


def meet(one: One, number: int = TWIN) -> None:
    one.tell(one.decider.namesake, endpoint(number), (mac(number),))


def test_a_namesake_that_answers_already_keeps_the_address() -> None:
    one = One(web(MINE), settled=False)
    meet(one)
    assert one.happened().count(Happening.NAMESAKE) == 1
    one.claim(MINE, TWIN)
    one.tell(one.decider.synchronized)
    for _ in range(10):
        one.run(0.1)
        one.claim(MINE, TWIN)
    assert one.answered == frozenset()
    one.run(1.0)
    assert one.answered == {MINE}, "it fell silent"


def test_who_answers_already_keeps_the_address_from_a_namesake_that_comes() -> None:
    one = One(web(MINE))
    meet(one)
    for _ in range(10):
        one.run(0.1)
        one.claim(MINE, TWIN)
    assert one.answered == {MINE}


def test_of_two_that_answer_the_one_with_the_lower_hardware_address_goes_on() -> None:
    one = One(web(MINE))
    meet(one, LOWER)
    for _ in range(5):
        one.run(0.1)
        one.claim(MINE, LOWER)
    assert one.answered == frozenset()


def test_peers_that_know_the_namesake_only_are_given_way_to() -> None:
    one = One(web(MINE))
    meet(one)
    one.claim(MINE, 2)
    assert one.answered == {MINE}, "it may be the claim of a moment ago"
    for _ in range(5):
        one.run(0.1)
        one.claim(MINE, 2)
    assert one.answered == frozenset()


def test_they_are_given_way_to_for_as_long_as_the_namesake_is_known_and_go_on() -> None:
    one = One(web(MINE))
    meet(one)
    for turn in range(80):  # seconds 0 to 8: longer than what gossip has not settled is left to anybody
        one.run(0.1)
        one.claim(MINE, 2)
        assert turn < 10 or one.answered == frozenset(), turn
    one.run(1.0)
    assert one.answered == {MINE}, "it fell silent"


def test_what_was_left_to_the_namesake_is_left_to_a_peer_at_once() -> None:
    one = One(web(MINE), settled=False)
    meet(one)
    one.claim(MINE, TWIN)
    one.claim(MINE, 2)
    one.tell(one.decider.synchronized)
    for _ in range(8):
        one.run(0.1)
        one.claim(MINE, 2)
        assert one.answered == frozenset()


def test_this_host_under_another_address_is_no_namesake() -> None:
    one = One(web(MINE))
    one.tell(one.decider.namesake, endpoint(7), (mac(1),))
    assert not one.decider.state.namesakes.known(one.now)


def test_hardware_addresses_of_peers_are_not_a_namesakes() -> None:
    one = One(web(MINE), settled=False)
    one.tell(one.decider.namesake, endpoint(7), (mac(2),))
    assert not one.decider.state.namesakes.are_at(mac(2), one.now)
