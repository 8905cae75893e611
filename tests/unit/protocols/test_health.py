"""When results of a check count."""

import pytest

from roost.protocols.health import Health


def _states(health: Health, results: str) -> str:
    """Return the states after each of `results`: + well, - not, in both."""
    return "".join("+" if (health.take(each == "+"), health.up)[1] else "-" for each in results)


@pytest.mark.parametrize("first", ["+", "-"])
def test_the_first_result_decides_alone(first: str) -> None:
    assert _states(Health(rise=3, fall=3), first) == first


def test_so_many_in_a_row_are_needed() -> None:
    assert _states(Health(rise=2, fall=3, up=True), "--+---+-++-") == "+++++----++"


def test_a_change_is_told_once() -> None:
    health = Health(fall=2, up=True)
    assert [health.take(ok) for ok in (False, False, False, True, True)] == [False, True, False, True, False]


def test_who_begins_down_has_to_rise() -> None:
    assert _states(Health(rise=3, fall=1, up=False), "++-+++") == "-----+"
