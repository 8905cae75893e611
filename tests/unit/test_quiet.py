"""Lines that may flood a log, on virtual time."""

from hypothesis import given
from hypothesis import strategies as st

from roost.observe.quiet import Once, Quiet


def test_one_line_per_key_and_interval_with_the_number_left_out() -> None:
    quiet = Quiet(10.0)
    said = [quiet.due("a", now) for now in (0.0, 0.1, 9.9, 10.0, 10.1, 30.0)]
    assert said == [0, None, None, 2, None, 1]
    assert quiet.due("b", 30.0) == 0


def test_made_up_keys_gain_no_lines_and_are_counted() -> None:
    quiet = Quiet(10.0, most=16)
    lines = [left for at in range(40_000) if (left := quiet.due(at, at / 1000)) is not None]
    assert len(lines) == 4 * 16
    assert sum(lines) + len(lines) + quiet._others == 40_000
    assert len(quiet._until) <= 16
    assert len(quiet._suppressed) <= 16


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 3)), max_size=200))
def test_whatever_comes_is_bounded_and_nothing_is_lost(steps: list[tuple[int, float]]) -> None:
    quiet, now, lines = Quiet(5.0, most=4), 0.0, list[tuple[float, int]]()
    for key, wait in steps:
        now += wait
        if (left := quiet.due(key, now)) is not None:
            lines.append((now, left))
    kept = quiet._others + sum(quiet._suppressed.values())
    assert sum(left for _, left in lines) + len(lines) + kept == len(steps)
    for begin, _ in lines:
        assert sum(begin <= at < begin + 5.0 for at, _ in lines) <= 2 * 4
    assert len(quiet._until) <= 4


def test_a_complaint_is_new_once_until_it_is_over() -> None:
    once = Once()
    assert [once.new(text) for text in ("a", "a", "b", "a")] == [True, False, True, True]
    once.over()
    assert once.new("a")
