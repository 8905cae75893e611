"""What is new between two looks at a speaker."""

from typing import Any

from roost.cli.watch import Leaders


def status(
    *services: tuple[str, str | None, str], started: str = "t0", settled: bool = True
) -> dict[str, Any]:
    told = [
        {"name": name, "leader": leader, "since": since, "addresses": ["192.0.2.1"], "change": "because"}
        for name, leader, since in services
    ]
    return {"started_at": started, "settled": settled, "services": told}


def moves(leaders: Leaders, said: dict[str, Any]) -> list[tuple[str, str | None, str | None, bool]]:
    return [(each["service"], each["from"], each["to"], each["gone"]) for each in leaders.changes(said)]


def test_moves_arrivals_and_ends_are_told_once() -> None:
    leaders = Leaders()
    assert moves(leaders, status(("a", "n1", "t1"))) == [("a", None, "n1", False)]
    assert moves(leaders, status(("a", "n1", "t1"))) == []
    assert moves(leaders, status(("a", "n2", "t2"), ("b", None, "t2"))) == [
        ("a", "n1", "n2", False),
        ("b", None, None, False),
    ]
    assert moves(leaders, status(("b", "n1", "t3"))) == [("a", "n2", None, True), ("b", None, "n1", False)]


def test_there_and_back_between_two_looks_is_told_too() -> None:
    leaders = Leaders()
    moves(leaders, status(("a", "n1", "t1")))
    assert moves(leaders, status(("a", "n1", "t9"))) == [("a", "n1", "n1", False)]


def test_a_new_process_with_the_same_leaders_is_no_news() -> None:
    leaders = Leaders()
    moves(leaders, status(("a", "n1", "t1")))
    assert moves(leaders, status(("a", "n1", "t9"), started="t8")) == []


def test_what_a_starting_process_guesses_is_no_news() -> None:
    leaders = Leaders()
    moves(leaders, status(("a", "n2", "t1")))
    assert moves(leaders, status(("a", "n1", "t8"), started="t8", settled=False)) == []
    assert moves(leaders, status(("a", "n2", "t9"), started="t8")) == []
    assert moves(leaders, status(("a", "n3", "t10"), started="t8")) == [("a", "n2", "n3", False)]
