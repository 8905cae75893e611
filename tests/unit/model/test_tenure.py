"""Who has a lead that stays: of two tenures one counts, whoever hears of them in whatever order."""

from functools import reduce
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.tenure import ALWAYS, LONGEST, NEVER, Tenure, failback_of, failback_text

VIP = ip_address("192.0.2.100")
tenures = st.builds(Tenure, st.sampled_from(["", "n1", "n2", "n3"]), st.integers(0, 4))


def later(one: Tenure, other: Tenure) -> Tenure:
    return one if one.beats(other, VIP) else other


def test_the_later_one_counts() -> None:
    assert Tenure("n2", 3).beats(Tenure("n1", 2), VIP)
    assert not Tenure("n1", 2).beats(Tenure("n2", 3), VIP)
    assert Tenure("n1", 1).beats(None, VIP)


def test_an_end_counts_more_than_the_tenure_that_it_ends_and_less_than_the_next() -> None:
    assert Tenure("", 2).beats(Tenure("n1", 2), VIP)
    assert not Tenure("n1", 2).beats(Tenure("", 2), VIP)
    assert Tenure("n1", 3).beats(Tenure("", 2), VIP)


@given(st.permutations([Tenure("n1", 2), Tenure("n2", 2), Tenure("n3", 2), Tenure("n1", 1)]))
def test_of_two_halves_of_a_network_all_choose_the_same(heard: list[Tenure]) -> None:
    assert reduce(later, heard) == reduce(later, sorted(heard, key=lambda each: (each.node, each.term)))


@given(tenures, tenures)
def test_of_two_that_differ_exactly_one_counts(one: Tenure, other: Tenure) -> None:
    assert one.beats(other, VIP) + other.beats(one, VIP) == (one != other)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("always", ALWAYS), ("never", NEVER), ("0s", 0.0), ("500ms", 0.5), ("30s", 30.0), ("24h", LONGEST)],
)
def test_what_a_text_stands_for(text: str, seconds: float) -> None:
    assert failback_of(text) == seconds
    assert failback_of(failback_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "Never", "no", "30", "-1s", "25h", "inf", "nan", "never "])
def test_what_is_no_failback(text: str) -> None:
    assert failback_of(text) is None
