"""The picture is well-formed and shows what was lost, however short."""

import itertools
from xml.etree import ElementTree as ET

from roost.lab.events import Event
from roost.lab.records import Pings
from roost.lab.report import rows
from roost.lab.timeline import draw

SVG = "{http://www.w3.org/2000/svg}"


def picture(pings: Pings, events: list[Event]) -> ET.Element:
    seen = {"c<1>": {"192.0.2.200": pings}}
    found = rows(events, seen)
    return ET.fromstring(draw("a & b", ["n1", "n2"], began=0.0, events=events, seen=seen, found=found))


def tips(root: ET.Element) -> list[str]:
    return [title.text or "" for title in root.iter(f"{SVG}title")]


def test_every_segment_is_there_with_who_and_how_long() -> None:
    times = [at * 0.01 for at in range(300)]
    answered = ["n1"] * 100 + [""] * 50 + ["n2"] * 150
    root = picture(Pings(times, answered), [Event("cut", "n1", 1.0, ("192.0.2.200",))])
    assert sorted(tips(root)) == ["n1 cut: 500 ms", "n1, 1000 ms", "n2, 1490 ms", "no answer, 500 ms"]
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "a & b" in texts
    assert "c<1>  192.0.2.200" in texts
    assert "n1 cut: 500 ms" in texts


def test_one_lost_ping_in_an_hour_can_be_seen() -> None:
    times = [float(at) for at in range(3600)]
    answered = ["n1"] * 1800 + [""] + ["n1"] * 1799
    root = picture(Pings(times, answered), [])
    lost = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    red = [rect for rect in lost if "no answer" in (rect.findtext(f"{SVG}title") or "")]
    assert len(red) == 1
    assert float(red[0].get("width", "0")) >= 1.0


def test_a_lab_without_pings_has_a_picture_too() -> None:
    assert picture(Pings([], []), []).tag == f"{SVG}svg"


def texts(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_every_event_has_a_label_and_none_covers_another() -> None:
    times = [at * 0.01 for at in range(2000)]
    events = [Event("blocked", "n1", 1.0 + 0.1 * at, ("192.0.2.200",)) for at in range(40)]
    root = picture(Pings(times, ["n1"] * 2000), [*events, Event("late", "n1", 19.9, ("192.0.2.200",))])
    labels = [text for text in root.iter(f"{SVG}text") if "blocked" in (text.text or "")]
    assert len(labels) == 40
    assert "n1 late: 0 ms" in texts(root)
    for one, other in itertools.combinations(labels, 2):
        same_row = one.get("y") == other.get("y")
        assert not same_row or abs(float(one.get("x", "0")) - float(other.get("x", "0"))) >= 100
    assert all(float(label.get("y", "0")) > 50 for label in labels), "below the legend"


def test_many_addresses_are_shown_together_and_a_short_loss_of_one_is_seen() -> None:
    times = [at * 0.1 for at in range(100)]
    seen = {
        client: {
            f"198.18.0.{at}": Pings(
                times, [f"n{1 + at % 2}"] * 50 + ([""] if at == 4 else ["n3"]) + ["n3"] * 49
            )
            for at in range(200)
        }
        for client in ("c1", "c2")
    }
    root = ET.fromstring(draw("t", ["n1", "n2", "n3"], began=0.0, events=[], seen=seen, found=[]))
    assert float(root.get("height", "0")) < 800
    assert len(list(root.iter())) < 200
    lanes = [text for text in texts(root) if text.startswith("c")]
    assert lanes == ["c1  100 of n1", "c1  100 of n2", "c2  100 of n1", "c2  100 of n2"]
    said = tips(root)
    assert said.count("n1: 100 of 100") == 2
    assert said.count("no answer: 1 of 100") == 2
    assert said.count("n3: 99 of 100") == 2
