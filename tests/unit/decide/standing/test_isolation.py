"""Who is cut off: this node, rather than all the others."""

import pytest
from tests.unit.decide.builders import link

from roost.decide.standing.isolation import Isolation, has_carrier
from roost.protocols.machine import Endpoint

STEP = 0.02  # seconds between two looks


def look(isolation: Isolation, start: float, seconds: float, proven: int = 2) -> float | None:
    """Look all the time; when it was found to be cut off."""
    for step in range(round(seconds / STEP) + 1):
        if isolation.look(start + step * STEP, proven):
            return start + step * STEP
    return None


def test_a_node_that_hears_none_of_several_peers_is_deaf() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    found = look(isolation, 0.0, 2.0)
    assert found is not None
    assert 0.25 < found < 0.4
    assert isolation.cut_off
    assert isolation.isolated


@pytest.mark.parametrize("proven", [0, 1])
def test_the_silence_of_one_peer_says_nothing(proven: int) -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    assert look(isolation, 0.0, 2.0, proven) is None


def test_anybody_heard_proves_the_link() -> None:
    isolation = Isolation()
    for step in range(100):
        isolation.heard(step * STEP)
        assert not isolation.look(step * STEP, 3)


def test_it_is_found_once_and_ends_with_a_word() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    found = look(isolation, 0.0, 2.0)
    assert found is not None
    assert look(isolation, found + STEP, 1.0) is None, "that is no news"
    assert isolation.heard(found + 1.0)
    assert not isolation.cut_off
    assert not isolation.heard(found + 1.1)


def test_who_did_not_run_cannot_say_that_nobody_spoke() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    look(isolation, 0.0, 0.2)
    assert not isolation.look(10.0, 3)
    assert look(isolation, 10.0 + STEP, 0.2, 3) is None
    assert look(isolation, 10.22 + STEP, 0.2, 3) is not None


def test_an_accusation_is_believed_unless_somebody_is_heard_within_a_moment() -> None:
    accused, heard = Isolation(), Isolation()
    for each in (accused, heard):
        look(each, 9.0, 1.0, 0)
        each.accused(10.0)
        assert each.next_wake() == 10.25
    heard.heard(10.1)
    assert not look(heard, 10.0, 1.0, 0)
    found = look(accused, 10.0, 1.0, 0)
    assert found is not None
    assert 10.25 <= found < 10.3
    assert heard.next_wake() is None


def test_who_is_cut_off_goes_on_asking_others_until_somebody_is_heard() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    found = look(isolation, 0.0, 2.0)
    assert found is not None
    asked: list[float] = []
    while len(asked) < 3 and (due := isolation.next_wake()) is not None:
        assert isolation.wonders(due, 0)
        asked.append(round(due - found, 6))
    assert asked == [0.1, 0.2, 0.3]
    assert isolation.heard(found + 0.31)
    assert isolation.next_wake() is None
    assert not isolation.wonders(found + 1.0, 0)


def test_the_cable_pulled_and_back() -> None:
    isolation = Isolation()
    assert not isolation.plug(0.0, carrier=True)
    assert not isolation.plug(1.0, carrier=False)
    assert isolation.unplugged
    assert isolation.isolated
    assert isolation.plug(2.0, carrier=True)
    assert not isolation.isolated


def test_silence_counts_from_when_the_cable_is_back() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    isolation.plug(0.0, carrier=False)
    assert look(isolation, 0.0, 1.0) is not None, "it hears nobody, and has no cable"
    isolation.plug(1.0, carrier=True)
    assert not isolation.cut_off, "being back is told once"
    assert look(isolation, 1.0, 0.2) is None
    assert look(isolation, 1.2 + STEP, 0.2) is not None


BIND = Endpoint("192.0.2.11", 7946)


@pytest.mark.parametrize(
    ("links", "bind", "works"),
    [
        ((link(),), BIND, True),
        ((link(carrier=False),), BIND, False),
        ((link(up=False),), BIND, False),
        ((link(address="198.51.100.1/24"),), BIND, False),
        ((link(carrier=False), link(2, index=3)), BIND, False),
        ((link(carrier=False), link(2, index=3)), Endpoint("0.0.0.0", 7946), True),
        ((link(address=""),), Endpoint("0.0.0.0", 7946), False),
        ((link(loopback=True),), Endpoint("::", 7946), False),
        ((), Endpoint("127.0.0.1", 7946), True),
        ((), BIND, True),
        ((link(carrier=False),), Endpoint("127.0.0.1", 7946), True),
        ((), None, True),
    ],
)
def test_whether_the_link_that_carries_gossip_works(
    links: tuple[object, ...], bind: Endpoint | None, works: bool
) -> None:
    assert has_carrier(links, bind) is works  # type: ignore[arg-type]


def test_looks_that_come_seldom_and_a_cable_that_is_back_do_not_say_that_anybody_spoke() -> None:
    isolation = Isolation()
    isolation.heard(0.0)
    assert isolation.hears(0.2)
    isolation.look(10.0, 0)
    assert not isolation.hears(10.0)
    isolation.plug(11.0, carrier=False)
    assert isolation.plug(12.0, carrier=True)
    assert not isolation.hears(12.0)
