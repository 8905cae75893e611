"""Round trips: only an answer to the last question counts, and what is old is forgotten."""

import pytest

from roost.observe.round_trips import RoundTrips


def test_an_answer_is_measured_from_the_last_question() -> None:
    trips = RoundTrips[str]()
    trips.asked("n2", 10.0)
    trips.asked("n2", 10.5)
    trips.answered("n2", 10.504)
    trips.answered("n2", 10.9)  # nobody asked for that one
    ((key, trip),) = trips.look(11.0)
    assert key == "n2"
    assert (trip.last, trip.mean, trip.longest) == pytest.approx((0.004, 0.004, 0.004))


def test_the_mean_is_smooth_and_the_longest_is_that_since_the_last_look() -> None:
    trips = RoundTrips[str]()
    for at, seconds in ((1, 0.001), (2, 0.009), (3, 0.001)):
        trips.asked("n2", at)
        trips.answered("n2", at + seconds)
    ((_, trip),) = trips.look(4)
    assert trip.mean == pytest.approx(0.001875)
    assert trip.longest == pytest.approx(0.009)
    ((_, trip),) = trips.look(5)
    assert trip.longest == pytest.approx(0.001)


@pytest.mark.parametrize("seconds", [-0.5, 1.5])
def test_a_clock_that_was_set_is_no_round_trip(seconds: float) -> None:
    trips = RoundTrips[str]()
    trips.asked("n2", 100.0)
    trips.answered("n2", 100.0 + seconds)
    assert not list(trips.look(101.0))


def test_who_is_not_heard_any_more_or_not_asked_has_none() -> None:
    trips = RoundTrips[str]()
    for name in ("n2", "n3"):
        trips.asked(name, 1.0)
        trips.answered(name, 1.001)
    trips.keep(frozenset({"n3"}))
    assert [name for name, _ in trips.look(5.0)] == ["n3"]
    assert not list(trips.look(20.0))
