"""What the soak bench makes of a watcher's record and of the faults."""

from pathlib import Path

import pytest
from bench.soak.figures import Done, Span, counted, distribution, doubles, pauses, silences, well
from bench.soak.report import Seen, judge, text
from bench.soak.schedule import KINDS, Fault, draw, excerpt, load, save

WHOLE = Span(0, 100)
BEAT = 0.04


def requests(seconds: float) -> list[float]:
    return [number * BEAT for number in range(round(seconds / BEAT))]


def test_a_silence_lasts_from_the_first_unanswered_request_to_the_next_answer() -> None:
    asked = requests(4)
    answers = [when + 0.001 for when in asked if not 1.0 <= when < 1.6]
    [span] = silences(asked, answers)
    assert (span.begin, span.end) == pytest.approx((1.0, 1.601))


def test_one_lost_answer_is_no_silence_and_none_at_all_is_one() -> None:
    asked = requests(2)
    assert list(silences(asked, [when + 0.001 for when in asked if abs(when - 1.0) > 0.01])) == []
    assert list(silences(asked, [])) == [Span(0, asked[-1])]
    assert list(silences([], [])) == []


def test_a_node_is_well_while_it_runs_unfrozen_and_linked() -> None:
    record = [
        Done("freeze", "n1", Span(10, 12)),
        Done("cut", "n1", Span(11, 15)),
        Done("gossip", "n1", Span(20, 30)),  # has no say: it hears and answers
        Done("mute", "n2", Span(50, 60)),
    ]
    assert well("n1", record, WHOLE) == [Span(0, 10), Span(15, 100)]
    assert well("n2", record, WHOLE) == [Span(0, 50), Span(60, 100)]


def test_a_started_process_is_joined_after_three_seconds_with_its_peers() -> None:
    killed = Done("kill", "n1", Span(10, 11))
    assert well("n1", [killed], WHOLE) == [Span(0, 10), Span(14, 100)]
    apart = Done("gossip", "n1", Span(13, 20))
    assert well("n1", [killed, apart], WHOLE) == [Span(0, 10), Span(23, 100)]
    later = Done("gossip", "n1", Span(14, 20))
    assert well("n1", [killed, later], WHOLE) == [Span(0, 10), Span(14, 100)]


def test_a_silence_counts_as_far_as_one_node_was_well_all_along() -> None:
    wells = [[Span(0, 10.2)], [Span(10.1, 20)]]
    assert counted(Span(10, 11), wells, []) == pytest.approx(0.9)
    assert counted(Span(10, 11), [[Span(0, 10.2)]], []) == pytest.approx(0.2)
    assert counted(Span(30, 31), wells, []) == 0


def test_what_the_watcher_slept_through_does_not_count() -> None:
    asked = [*requests(1), *(when + 1.3 for when in requests(1))]
    [paused] = pauses(asked, BEAT)
    assert paused.length == pytest.approx(0.3)
    assert counted(Span(0.9, 1.6), [[WHOLE]], [paused]) == pytest.approx(0.4)


def test_double_answers_that_follow_closely_are_one_stretch() -> None:
    asked = requests(6)
    twice = [when for when in asked if 1.0 <= when < 1.5 or 1.9 <= when < 2.0 or 3.0 <= when < 3.02]
    answers = [(when + 0.001, "a") for when in asked] + [(when + 0.003, "b") for when in twice]
    first, second = doubles(asked, answers)
    assert (first.span.begin, first.span.end) == pytest.approx((1.0, 1.96))
    assert first.macs == {"a", "b"}
    assert second.span.length == 0


def test_answers_in_turn_are_a_move_and_not_double() -> None:
    asked = requests(2)
    assert doubles(asked, [(when + 0.001, "a" if when < 1 else "b") for when in asked]) == []


def test_a_distribution_counts_what_is_over_the_limits() -> None:
    assert distribution([0.1, 0.4, 0.6, 2.0]) == {
        "count": 4,
        "over_0.3": 3,
        "over_0.5": 2,
        "over_1": 1,
        "p50": 0.6,
        "p99": 2.0,
        "longest": 2.0,
    }
    assert distribution([])["longest"] == 0


def test_the_judgement_names_the_faults_before_what_was_too_long() -> None:
    asked = requests(10)
    answers = [(when + 0.001, "a" if when < 5 else "b") for when in asked if not 5 <= when < 6]
    seen = Seen(
        {"192.0.2.200": {"requests": asked, "answers": answers}},
        {},
        [Done("cut", "n1", Span(4.9, 8.0))],
        {"a": "n1", "b": "n2"},
        0.0,
        BEAT,
    )
    result = judge(seen)
    assert result["failed"]
    [case] = result["silent"]
    assert (case["before"], case["after"], case["well"]) == ("n1", "n2", ["n2"])
    assert case["seconds"] == pytest.approx(1.0, abs=0.01)
    assert [fault["what"] for fault in case["faults"]] == ["cut n1 begins"]
    run = {"who": "x", "schedule": "", "seed": 1, "faults": 1, "skipped": 0, "load": [0, 0]}
    assert "192.0.2.200 silent for 1.00 s" in text(run | result)


@pytest.mark.parametrize("seed", range(5))
def test_at_every_moment_of_a_drawn_schedule_some_node_is_well(seed: int) -> None:
    nodes = ["n1", "n2", "n3", "n4"]
    schedule = draw(seed, 120, nodes)
    assert len(schedule) > 20
    assert schedule == draw(seed, 120, nodes)
    record = [fault.planned for fault in schedule]
    spans = [well(node, record, Span(0, 120)) for node in nodes]
    for tenth in range(1200):
        when = tenth / 10
        assert any(span.begin <= when <= span.end for each in spans for span in each)
    assert {fault.kind for fault in schedule} <= KINDS.keys()


def test_a_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    schedule = draw(7, 60, ["n1", "n2"])
    save(tmp_path / "s.json", schedule)
    assert load(tmp_path / "s.json") == schedule


def test_an_excerpt_begins_with_what_is_under_way() -> None:
    long, short, gone = (
        Fault(1, "cut", "n1", 8),
        Fault(6, "loss", "n2", 1, "in", 20),
        Fault(0, "mute", "n2", 1),
    )
    assert excerpt([gone, long, short], 5, 10) == [
        Fault(0, "cut", "n1", 4),
        Fault(1, "loss", "n2", 1, "in", 20),
    ]
    assert excerpt([gone, long, short], 5, 6) == [Fault(0, "cut", "n1", 4)]
