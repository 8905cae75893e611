"""One stream of events: to the log, and to every follower in order."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from roost.model.event import Event, Happening, Level
from roost.observe.events import Events
from roost.observe.history import History


@pytest.mark.parametrize("level", Level)
def test_an_event_is_a_line_of_its_level_with_its_facts(
    level: Level, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "roost.speaker")
    Events().happened(Event(Happening.CLAIMED, "100 % sure", level, {"address": "192.0.2.200"}))
    (record,) = caplog.records
    assert record.getMessage() == "100 % sure"
    assert record.levelname == level.name
    assert record.__dict__["address"] == "192.0.2.200"


def test_followers_hear_of_everything_from_then_on_in_order() -> None:
    events = Events()
    first: list[str] = []
    second: list[str] = []
    events.happened(Event(Happening.SETTLED, "before"))
    events.follow(lambda event: first.append(event.text))
    events.happened(Event(Happening.SETTLED, "one"))
    events.follow(lambda event: second.append(event.text))
    events.happened(Event(Happening.SETTLED, "two"))
    assert first == ["one", "two"]
    assert second == ["two"]


@pytest.mark.parametrize("happening", Happening)
def test_facts_of_every_kind_can_be_logged(happening: Happening, caplog: pytest.LogCaptureFixture) -> None:
    """`extra` of a log record refuses some names: "name", "message", "module" and others."""
    caplog.set_level(logging.DEBUG, "roost.speaker")
    facts = {
        "address": "192.0.2.200",
        "to": "n1",
        "from": None,
        "why": "",
        "service": "web",
        "silent_s": 0.1,
        "leader": "n1",
        "peer": None,
        "mac": "02:00:00:00:00:01",
        "interface": "eth0",
        "count": 1,
        "reason": "",
        "losses": 2,
        "seconds": 2.0,
    }
    Events().happened(Event(happening, "text", facts=facts))
    assert len(caplog.records) == 1


def test_the_history_follows_moves_of_the_lead_alone() -> None:
    history = History(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    events = Events()
    events.follow(history.follow)
    events.happened(Event(Happening.SETTLED, "membership is settled"))
    facts = {"service": "web", "from": None, "to": "n2", "why": "n2 came and stands first"}
    events.happened(Event(Happening.LEAD_MOVED, "lead moved", facts=facts))
    assert (history.last("web").leader, history.last("web").why) == ("n2", "n2 came and stands first")
    history.keep({"mail"})
    assert history.last("web").leader is None


def test_claims_of_ever_new_machines_are_few_lines_and_all_are_heard_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Anybody can make them up: they must not fill a disk."""
    caplog.set_level(logging.WARNING, "roost.speaker")
    events = Events()
    heard: list[Event] = []
    events.follow(heard.append)
    for number in range(5000):
        facts = {
            "address": f"192.0.2.{number % 100}",
            "mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        }
        events.happened(Event(Happening.CLAIMED, "claimed by a stranger", Level.WARNING, facts))
    assert len(heard) == 5000
    assert len(caplog.records) == 16


def moved(service: str, leader: str | None = "n2", why: str = "n1 is dead: silent") -> Event:
    facts = {"service": service, "from": "n1", "to": leader, "why": why}
    return Event(Happening.LEAD_MOVED, "lead moved", facts=facts)


def test_services_that_move_together_are_one_line_and_each_is_heard_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "roost.speaker")
    later: list[Callable[[], None]] = []
    events = Events(lambda _, call: later.append(call))
    heard: list[str] = []
    events.follow(lambda event: heard.append(event.facts.get("service", "-")))
    for number in range(500):
        events.happened(moved(f"s{number}"))
    events.happened(moved("other", "n3"))
    assert not caplog.records
    assert len(heard) == 501
    (flush,) = later
    flush()
    first, second = (record.__dict__ for record in caplog.records)
    assert first["services"] == "s0, s1, s2, s3, s4, s5, s6, s7, and 492 more"
    assert (first["from"], first["to"], first["why"]) == ("n1", "n2", "n1 is dead: silent")
    assert (second["service"], second["to"]) == ("other", "n3")
    assert "services" not in second


def test_addresses_that_fare_alike_are_one_line_though_it_takes_a_moment(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "roost.speaker")
    later: list[tuple[float, Callable[[], None]]] = []
    events = Events(lambda *when: later.append(when))
    events.happened(moved("web"))
    for number in range(100):
        facts = {"address": f"192.0.2.{number}", "to": "n2" if number else "n3", "interface": "eth0"}
        events.happened(Event(Happening.HANDED_OVER, "handed over", facts=facts))
    events.happened(
        Event(Happening.STOOD_IN, "standing in", facts={"address": "192.0.2.200", "leader": "n2"})
    )
    assert [seconds > 0 for seconds, _ in later] == [False, True, True]
    later[-1][1]()
    lead, single, many, stood_in = (record.__dict__ for record in caplog.records)
    assert lead["service"] == "web"
    assert (single["address"], single["to"]) == ("192.0.2.0", "n3")
    assert many["addresses"].startswith("192.0.2.1, 192.0.2.2, ")
    assert many["addresses"].endswith(", and 91 more")
    assert (many["to"], many["interface"]) == ("n2", "eth0")
    assert stood_in["address"] == "192.0.2.200"


def test_what_happens_after_a_move_is_logged_after_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "roost.speaker")
    events = Events(lambda *_: None)
    events.happened(moved("web"))
    events.happened(Event(Happening.SETTLED, "settled"))
    assert [record.getMessage() for record in caplog.records] == ["lead moved", "settled"]
