"""A node that hears of no changes gives way, if and only if others hear of them."""

from collections.abc import Iterable
from functools import partial

from roost.decide.standing.freshness import Freshness

Seen = list[tuple[int, str]]


def follow(steps: Iterable[tuple[int, bool, bool]]) -> Seen:
    """Look once a second; steps are (until, troubled, others hear). Returns when it became what."""
    freshness, now = Freshness(), 0
    seen: Seen = []
    for until, troubled, others_hear in steps:
        while now < until:
            if freshness.look(float(now), troubled=troubled, others_hear=partial(bool, others_hear)):
                state = "outdated" if freshness.outdated else "blind" if freshness.blind else "informed"
                seen.append((now, state))
            now += 1
    return seen


def test_while_the_source_tells_of_changes_nothing_happens() -> None:
    assert follow([(100, False, True)]) == []


def test_a_short_silence_is_nothing_and_a_long_one_makes_it_pass_its_addresses_on() -> None:
    assert follow([(10, False, True), (12, True, True), (20, False, True)]) == []
    seen = follow([(10, False, True), (60, True, True), (70, False, True)])
    assert seen == [(12, "blind"), (42, "outdated"), (62, "informed")]


def test_where_nobody_hears_of_changes_everybody_goes_on() -> None:
    assert follow([(10, False, True), (600, True, False)]) == [(12, "blind")]


def test_others_that_hear_a_little_longer_do_not_count() -> None:
    seen = follow([(25, True, True), (40, True, False), (65, True, True), (70, False, True)])
    assert "outdated" not in {state for _, state in seen}


def test_a_word_in_between_begins_anew() -> None:
    seen = follow([(20, True, True), (25, False, True), (50, True, True)])
    assert [state for _, state in seen] == ["blind", "informed", "blind"]
