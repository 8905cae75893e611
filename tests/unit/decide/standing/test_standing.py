"""Why a node would rather not lead, and what it says about that."""

from roost.decide.standing.standing import Standing
from roost.model.event import Event, Happening, Level


def test_one_loss_is_nothing_and_the_next_one_makes_it_wait() -> None:
    standing = Standing()
    assert standing.lost(0.0) is None
    assert standing.waits(0.0) == 0
    event = standing.lost(10.0)
    assert event is not None
    assert (event.what, event.level) == (Happening.DAMPED, Level.WARNING)
    assert event.facts == {"losses": 2, "seconds": 2.0}
    assert standing.waits(10.0) == 2


def test_the_end_of_the_wait_has_to_be_told() -> None:
    standing = Standing()
    standing.lost(0.0)
    standing.lost(10.0)
    assert standing.next_wake() == 12.0
    assert standing.wake(12.0, lambda: True) == (True, None)
    assert standing.waits(12.0) == 0
    assert standing.next_wake() is None


def test_a_silent_source_makes_it_blind_then_outdated_and_it_says_so() -> None:
    standing = Standing()
    standing.start(0.0)
    standing.troubled = True
    said: list[tuple[float, Event]] = []
    while (due := standing.next_wake()) is not None and due < 60.0:
        changed, event = standing.wake(due, lambda: True)
        assert changed is (event is not None)
        if event is not None:
            said.append((due, event))
        if len(said) == 2:
            standing.troubled = False
    assert [when for when, _ in said] == [3.0, 33.0, 36.0]
    assert [event.level for _, event in said] == [Level.WARNING, Level.WARNING, Level.INFO]
    assert (standing.blind, standing.outdated) == (False, False)


def test_before_the_start_nobody_looks() -> None:
    standing = Standing()
    assert standing.next_wake() is None
    assert standing.wake(100.0, lambda: True) == (False, None)


def test_a_link_that_flaps_holds_after_a_while() -> None:
    standing = Standing()
    assert standing.holds(0.0)
    standing.flaps(1.5)
    assert (standing.holds(1.4), standing.next_wake()) == (False, 1.5)
    assert standing.wake(1.4, lambda: True) == (False, None)
    assert standing.wake(1.5, lambda: True) == (True, None), "the others are to be told"
    assert (standing.holds(1.5), standing.next_wake()) == (True, None)
