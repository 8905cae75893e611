"""A flapping node waits longer each time, and is forgiven."""

from roost.decide.standing.damping import Damping


def waits(*losses: float) -> list[float]:
    damping = Damping()
    found = []
    for now in losses:
        damping.lost(now)
        found.append(damping.wait)
    return found


def test_one_loss_costs_nothing_and_each_further_one_twice_as_much() -> None:
    assert waits(0, 10, 20, 30) == [0.0, 2.0, 4.0, 8.0]


def test_there_is_a_longest_wait() -> None:
    assert waits(*range(0, 1000, 50))[-1] == 60.0


def test_several_signs_of_one_loss_count_once() -> None:
    assert waits(0, 0.2, 0.4, 10) == [0.0, 0.0, 0.0, 2.0]


def test_a_link_that_never_stops_flapping_is_lost_again_and_again() -> None:
    assert waits(*(0.4 * step for step in range(14)))[-1] == 4.0


def test_after_a_long_peace_all_is_forgiven() -> None:
    assert waits(0, 10, 20, 141) == [0.0, 2.0, 4.0, 0.0]


def test_the_wait_ends() -> None:
    damping = Damping()
    assert not damping.lost(0)
    assert damping.lost(10)
    assert damping.waiting(11.9)
    assert not damping.waiting(12.0)
    assert damping.until == 12.0
