"""Outages and segments from pings."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from roost.lab.events import Event
from roost.lab.held import Break
from roost.lab.records import Outage, Pings, Segment, outage, segments
from roost.lab.report import rows, summary

INFINITY = float("inf")


def pings(answers: str, begin: float = 0.0) -> Pings:
    """One ping a second; a letter is who answered, a dot nobody."""
    return Pings([begin + at for at in range(len(answers))], [who.strip(".") for who in answers])


def test_an_outage_lasts_from_the_first_ping_lost_to_the_first_one_answered() -> None:
    assert outage(pings("aa...bb"), 0, INFINITY) == Outage(longest=3.0, lost=3, sent=7, moves=1)


def test_the_longest_of_several_counts_and_all_losses() -> None:
    assert outage(pings("a.a..a.a"), 0, INFINITY) == Outage(longest=2.0, lost=4, sent=8)


def test_an_outage_that_never_ends_lasts_until_the_last_ping() -> None:
    assert outage(pings("aa...."), 0, INFINITY) == Outage(longest=3.0, lost=4, sent=6)


def test_only_the_window_counts() -> None:
    assert outage(pings(".a..a."), 1, 5) == Outage(longest=2.0, lost=2, sent=4)
    assert outage(pings("aaa"), 10, INFINITY) == Outage(0.0, 0, 0)


def test_a_move_counts_from_the_last_answer_before_the_window() -> None:
    assert outage(pings("aa..bb"), 2, INFINITY).moves == 1
    assert outage(pings("aa..bb"), 3, INFINITY).moves == 1
    assert outage(pings("aabb"), 3, INFINITY).moves == 0
    assert outage(pings("..bb"), 1, INFINITY).moves == 0


def test_segments_are_runs_of_one_answerer_that_touch() -> None:
    assert list(segments(pings("aa.bb"))) == [
        Segment(0, 2, "a"),
        Segment(2, 3, ""),
        Segment(3, 4, "b"),
    ]
    assert not list(segments(Pings([], [])))


@given(st.text("ab.", max_size=60))
def test_segments_cover_all_pings_and_agree_with_the_outage(answers: str) -> None:
    seen = pings(answers)
    found = list(segments(seen))
    assert all(one.end == two.begin and one.node != two.node for one, two in itertools.pairwise(found))
    silent = [each.end - each.begin for each in found if not each.node]
    assert outage(seen, 0, INFINITY).longest == max(silent, default=0.0)


def test_an_event_is_judged_until_the_next_one_at_the_addresses_that_its_node_led() -> None:
    events = [Event("cut", "n1", 2.0, ("v1",)), Event("healed", "n1", 6.0)]
    seen = {"c1": {"v1": pings("aa..bbbb.a"), "v2": pings("..........")}}
    cut, healed = rows(events, seen)
    assert (cut.longest, cut.lost, cut.sent) == (2.0, 2, 4)
    assert (healed.longest, healed.lost, healed.sent) == (1.0, 1, 4), "it led nothing when it was healed"
    assert (cut.broken, healed.broken) == (0, 0)
    breaks = {"c1": [Break("v1", 1.9), Break("v1", 2.0), Break("v2", 5.9), Break("v1", 6.0)]}
    assert [row.broken for row in rows(events, seen, breaks)] == [2, 1], "one broke before anything was done"
    figures = summary([cut, healed])
    assert (figures["outage_ms"], figures["lost"], figures["sent"]) == (2000.0, 3, 8)
