"""The budget of ARP: its rate, its burst, and fair shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols.witness.budget import Budget


def test_half_of_the_rate_is_for_questions_and_a_burst_is_most_of_a_second_of_them() -> None:
    budget = Budget(10.0)
    assert budget.burst == 4
    assert not budget.take(100.0, urgent=True), "all nodes of a cluster may start together"
    assert [budget.take(110.0, urgent=True) for _ in range(5)] == [True] * 4 + [False]
    assert budget.wait(110.0, urgent=True) == pytest.approx(0.2)
    assert not budget.take(110.1, urgent=True)
    assert budget.take(110.2, urgent=True)


def test_routine_leaves_a_reserve_to_what_is_urgent() -> None:
    budget = Budget(10.0)
    budget.take(0.0)
    assert [budget.take(10.0) for _ in range(4)] == [True] * 2 + [False] * 2
    assert [budget.take(10.0, urgent=True) for _ in range(3)] == [True, True, False]
    assert budget.wait(10.0) == pytest.approx(2.4 / 5)


def test_without_a_rate_everything_has_leave_at_once() -> None:
    budget = Budget(None)
    assert not budget.limited
    assert all(budget.take(1.0) for _ in range(1000))
    budget.wish("any", [0.01] * 100)
    assert (budget.wait(1.0), budget.spacing(0.01)) == (0.0, 0.01)


def test_a_rate_that_lets_nobody_be_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        Budget(0.0)


def test_who_wants_less_leaves_the_rest_to_the_others() -> None:
    budget = Budget(10.0)  # 5 questions a second, 3.5 of them routine
    budget.wish("rare", [2.0, 2.0])
    budget.wish("often", [0.1, 0.1])
    assert budget.spacing(2.0) == 2.0
    assert budget.spacing(0.1) == pytest.approx(2 / 2.5)
    budget.wish("rare", [])
    assert budget.spacing(0.1) == pytest.approx(2 / 3.5)
    budget.wish("often", [1.0])
    assert budget.spacing(1.0) == 1.0


@given(st.floats(2, 1000), st.lists(st.floats(0.001, 60), min_size=1, max_size=12))
def test_routine_never_takes_more_than_its_part(rate: float, intervals: list[float]) -> None:
    budget = Budget(rate)
    budget.wish("one", intervals[::2])
    budget.wish("other", intervals[1::2])
    taken = sum(1 / budget.spacing(each) for each in intervals)
    assert taken <= rate / 2 * 0.9 * (1 + 1e-6)


@given(st.floats(2, 100), st.lists(st.floats(0, 0.5), max_size=200))
def test_no_second_has_more_than_burst_and_rate(rate: float, pauses: list[float]) -> None:
    budget, now, taken = Budget(rate), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if budget.take(now, urgent=True):
            taken.append(now)
    for at in taken:
        assert sum(at <= each < at + 1 for each in taken) <= rate + 1.001


def test_what_cannot_wait_is_counted_and_questions_wait_a_second_for_it_at_most() -> None:
    budget = Budget(10.0)
    budget.wait(0.0)
    budget.spend(10.0, 2)
    assert budget.take(10.0, urgent=True)
    assert budget.take(10.0, urgent=True)
    assert not budget.take(10.0, urgent=True)
    budget.spend(10.0, 1000)
    assert budget.wait(10.0, urgent=True) == pytest.approx(1.2)


def test_without_a_limit_nothing_is_counted() -> None:
    budget = Budget(None)
    budget.spend(10.0, 1000)
    assert budget.take(10.0)
