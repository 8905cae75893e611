"""What a page's events are made of: what is alike is one, and bounds hold."""

from datetime import UTC, datetime, timedelta

from roost.model.event import Event, Happening, Level
from roost.speaker.live import one_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def moved(service: str, **more: object) -> Event:
    facts = {"service": service, "from": "n1", "to": "n2", "why": "n1 is dead", **more}
    return Event(Happening.LEAD_MOVED, "lead moved", Level.INFO, facts)


def test_moves_of_many_services_are_one_with_some_names_and_the_longest_silence() -> None:
    shown = one_of([(NOON, moved(f"s{number}", silent_s=0.08 + number / 1000)) for number in range(20)])
    assert shown["count"] == 20
    assert shown["facts"] == {
        "services": [f"s{number}" for number in range(8)],
        "from": "n1",
        "to": "n2",
        "why": "n1 is dead",
        "silent_s": 0.099,
    }


def test_alike_events_of_many_addresses_are_one() -> None:
    text = "its leader is not heard: standing in"
    news = [
        (
            NOON + timedelta(milliseconds=number),
            Event(Happening.STOOD_IN, text, facts={"address": f"192.0.2.{number}", "leader": "n1"}),
        )
        for number in range(1, 30)
    ]
    shown = one_of(news)
    assert (shown["time"], shown["count"], shown["text"]) == ("2026-11-26T12:00:00.001Z", 29, text)
    assert shown["facts"] == {"leader": "n1", "addresses": [f"192.0.2.{number}" for number in range(1, 9)]}


def test_one_event_is_shown_as_it_is() -> None:
    shown = one_of([(NOON, moved("web"))])
    assert (shown["what"], shown["level"], shown["count"]) == ("lead moved", "info", 1)
    assert shown["facts"] == {"service": "web", "from": "n1", "to": "n2", "why": "n1 is dead"}
