"""What a page's events are made of: what is alike is one, and bounds hold."""

from datetime import UTC, datetime, timedelta

from roost.model.event import Event, Happening, Level
from roost.observe.events import Events, Line
from roost.speaker.live import one_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def moved(service: str, to: str = "n2") -> Event:
    facts = {"service": service, "from": "n1", "to": to, "why": "n1 is dead"}
    return Event(Happening.LEAD_MOVED, "lead moved", Level.INFO, facts)


def test_moves_for_one_reason_are_one_line_with_all_their_services() -> None:
    later: list[object] = []
    events = Events(later.append)
    lines: list[Line] = []
    events.read(lines.append)
    for number in range(20):
        events.happened(moved(f"s{number}", "n2" if number % 2 else "n3"))
    events.happened(Event(Happening.CLAIMED, "claimed", Level.WARNING, {"address": "192.0.2.200"}))
    events.happened(Event(Happening.SETTLED, "settled", Level.DEBUG))
    assert [len(line.services) for line in lines] == [10, 10], (
        "claims and what is for developers are no lines"
    )
    shown = one_of([(NOON, lines[0])])
    assert shown["count"] == 10
    assert shown["facts"]["services"] == [f"s{number}" for number in range(0, 16, 2)]
    assert shown["facts"]["to"] == "n3"
    assert "service" not in shown["facts"]


def test_alike_events_of_many_addresses_are_one_with_what_they_have_in_common() -> None:
    lines = [
        (
            NOON + timedelta(milliseconds=number),
            Line(
                Event(
                    Happening.STOOD_IN,
                    "its leader is not heard: standing in",
                    Level.INFO,
                    {"address": f"192.0.2.{number}", "leader": "n1", "took": number},
                )
            ),
        )
        for number in range(1, 30)
    ]
    shown = one_of(lines)
    assert shown["time"] == "2026-11-26T12:00:00.001Z"
    assert shown["count"] == 29
    assert shown["facts"]["leader"] == "n1"
    assert shown["facts"]["addresses"] == [f"192.0.2.{number}" for number in range(1, 9)]
    assert "took" not in shown["facts"], "it is not the same in all"


def test_one_event_is_shown_as_it_is() -> None:
    shown = one_of([(NOON, Line(moved("web"), ["web"]))])
    assert (shown["what"], shown["level"], shown["count"]) == ("lead moved", "info", 1)
    assert shown["facts"] == {"service": "web", "from": "n1", "to": "n2", "why": "n1 is dead"}
