"""What `roost top` makes of samples and keys, and how it looks."""

from typing import Any

import pytest
from rich.cells import cell_len

from roost.cli.keys import decode
from roost.cli.top.draw import HELP, draw
from roost.cli.top.model import Action, Model, Sample

SINCE = "2026-01-01T00:00:00Z"
HOSTILE = "[red]x[/red]\x1b[31m\n"


def service(number: int, leader: str | None, *, here: bool = False, **changed: Any) -> dict[str, Any]:
    return {
        "name": f"s{number}",
        "addresses": [f"192.0.2.{number}"],
        "leader": leader,
        "since": SINCE,
        "answering": here,
        "interfaces": [],
        "connections": {f"192.0.2.{number}": 2 if here else 0},
        "passing_on": [],
        "problems": [],
    } | changed


def member(name: str, verdict: str = "alive", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "192.0.2.11:7946",
        "verdict": verdict,
        "draining": False,
        "since": SINCE,
        "evidence": "why",
    } | changed


def status(**changed: Any) -> dict[str, Any]:
    return {
        "node": "n1",
        "version": "0",
        "started_at": SINCE,
        "profile": "default",
        "problems": [],
        "members": [member("n1"), member("n2", "dead")],
        "services": [service(9, "n1", here=True), service(10, "n2"), service(100, None)],
    } | changed


def sample(at: float = 1.0, packets: int = 0, **changed: Any) -> Sample:
    fields: dict[str, Any] = {
        "status": status(),
        "traffic": {"192.0.2.9": {"packets": packets, "requests": 3}},
    }
    return Sample(at, **fields | changed)


def model(*samples: Sample) -> Model:
    made = Model()
    for each in samples or (sample(),):
        made.take(each)
    return made


def press(made: Model, *keys: str) -> Action | None:
    action = None
    for key in keys:
        action = made.press(key)
    return action


def addresses(made: Model) -> list[str]:
    return [row.key for row in made.rows("addresses")]


def selected(made: Model) -> str | None:
    return made.selected.key if made.selected else None


def text(made: Model, width: int = 100, height: int = 30) -> list[str]:
    return [line.plain for line in draw(made, width, height, 5.0)]


# -- samples ---------------------------------------------------------------------------------------


def test_packets_are_counted_per_second() -> None:
    made = model(sample(1.0, 100), sample(3.0, 300))
    assert (made.packets, made.rows("addresses")[0].values["packets"]) == (100.0, 100.0)


def test_connections_are_shown_where_there_may_be_any() -> None:
    left = service(10, "n2", connections={"192.0.2.10": 7})
    proxied = service(11, "n1", here=True, connections={"192.0.2.11": None})
    idle = service(12, "n1", here=True, connections={"192.0.2.12": 0})
    services = [service(9, "n1", here=True), left, proxied, idle, service(100, None)]
    made = model(sample(status=status(services=services)))
    assert [row.values["connections"] for row in made.rows("addresses")] == [2, 7, None, 0, None]


def test_who_holds_connections_is_in_the_notes_of_the_address() -> None:
    held = [{"address": "192.0.2.9", "node": HOSTILE, "connections": 3}]
    two = service(9, "n1", here=True, passing_on=held)
    two |= {"addresses": ["192.0.2.9", "192.0.2.10"], "connections": {"192.0.2.9": 2, "192.0.2.10": 0}}
    made = model(sample(status=status(services=[two])))
    notes = [row.values["notes"] for row in made.rows("addresses")]
    assert notes == [f"passing on to {HOSTILE}: 3 connections", None]
    assert any("[red]x[/red]?[31m?: 3 connections" in line for line in text(made, 200))


def test_a_counter_that_begins_anew_is_no_traffic() -> None:
    assert model(sample(1.0, 100), sample(2.0, 3)).packets == 0.0
    other = sample(2.0, 900, status=status(started_at="2026-01-02T00:00:00Z"))
    assert model(sample(1.0, 100), other).packets is None


def test_a_failover_is_shown_in_ms_with_its_service() -> None:
    event = {"serial": 1, "time": SINCE, "level": "info", "text": "lead moved"}
    made = model(sample(events=[event | {"facts": {"service": "s9", "silent_s": 0.0731}}]))
    assert made.rows("addresses")[0].values["failover"] == pytest.approx(73.1)


def test_a_speaker_that_is_gone_leaves_what_was_known_and_says_so() -> None:
    made = model(sample(), Sample(2.0, error="no speaker answers"), Sample(3.0, error="no speaker answers"))
    header = text(made)[0]
    assert "no speaker answers for 3 s, trying again: what follows is old" in header
    assert any("192.0.2.9" in line for line in text(made))
    made.take(sample(6.0, status=status(started_at="2026-01-02T00:00:00Z")))
    assert "connected again: the speaker was started anew" in text(made)[-1]
    assert "● live" in text(made)[0]


def test_before_the_first_answer_it_says_what_it_waits_for() -> None:
    assert "asking the speaker" in text(Model())[0]
    assert "trying again: no socket" in text(model(Sample(4.0, error="no socket")))[0]


# -- keys ------------------------------------------------------------------------------------------


def test_addresses_are_in_their_own_order_not_in_that_of_letters() -> None:
    made = model()
    assert addresses(made) == ["192.0.2.9", "192.0.2.10", "192.0.2.100"]
    press(made, "r")
    assert addresses(made) == ["192.0.2.100", "192.0.2.10", "192.0.2.9"]


def test_what_is_not_known_sorts_last_either_way() -> None:
    made = model()
    press(made, "s", "s")  # leader
    assert addresses(made)[-1] == "192.0.2.100"
    press(made, "r")
    assert addresses(made)[-1] == "192.0.2.100"


def test_a_filter_is_typed_kept_and_cleared() -> None:
    made = model()
    press(made, "/", "s", "1", "0", "x", "backspace", "q", "backspace", "enter")
    assert addresses(made) == ["192.0.2.10", "192.0.2.100"]
    press(made, "esc")
    assert len(addresses(made)) == 3
    press(made, "/", "z", "esc")
    assert (len(addresses(made)), made.typing) == (3, False)


def test_the_cursor_stays_among_the_rows() -> None:
    made = model()
    press(made, "up")
    assert selected(made) == "192.0.2.9"
    press(made, *["j"] * 9)
    assert selected(made) == "192.0.2.100"
    press(made, "/", "9", "enter")
    assert selected(made) == "192.0.2.9"
    press(made, "/", "z", "z", "enter")
    assert selected(made) is None
    assert press(made, "e") is None


def test_what_is_asked_about_the_selected() -> None:
    made = model()
    assert press(made, "e") == Action("explain", "192.0.2.9")
    assert press(made, "w") == Action("what-if", "n1")
    press(made, "tab", "down")
    assert press(made, "enter") == Action("what-if", "n2")
    press(made, "tab", "end")
    assert press(made, "w") is None, "nobody leads it"


@pytest.mark.parametrize(("key", "what"), [("d", "drain"), ("u", "undrain"), ("f", "forget")])
def test_what_changes_something_is_asked_for_twice(key: str, what: Any) -> None:
    made = model()
    press(made, "tab")
    assert press(made, key) is None
    assert "y / n" in text(made)[-1]
    assert press(made, "y") == Action(what, "n1")
    assert press(made, key, "n") is None
    assert press(made, "y") is None


def test_a_page_is_scrolled_and_closed() -> None:
    made = model()
    made.show("title", [f"line {number}" for number in range(100)])
    assert "line 0" in text(made)[2 + 1]
    press(made, "page down", "j")
    assert "line 11" in text(made)[2 + 1]
    press(made, "q")
    assert made.page is None
    assert press(made, "q") == Action("quit")


def test_a_terminal_that_is_closed_ends_it() -> None:
    assert press(model(), "") == Action("quit")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[Bj", ["up", "down", "j"]),
        (b"\x1b", ["esc"]),
        (b"\x1b[15~x", ["x"]),
        ("aé界".encode(), ["a", "é", "界"]),
        (b"\xff\xfe", []),
        (b"\r\t\x7f", ["enter", "tab", "backspace"]),
        (b"\x1b[", []),
    ],
)
def test_keys_are_read(data: bytes, keys: list[str]) -> None:
    assert decode(data) == keys


# -- looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 100, 200])
@pytest.mark.parametrize("height", [10, 24, 60])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    problem = {"kind": "lost member", "severity": "warning", "text": HOSTILE * 30, "cure": HOSTILE}
    crowd = [service(number, HOSTILE, name=HOSTILE, problems=[HOSTILE]) for number in range(200)]
    said = status(node=HOSTILE, services=crowd, problems=[problem] * 9, members=[member(HOSTILE)] * 50)
    event = {"serial": 1, "time": SINCE, "level": "info", "text": HOSTILE, "facts": {"why": HOSTILE}}
    made = model(sample(status=said, events=[event] * 9))
    for keys in ((), ("end",), ("tab", "end")):
        press(made, *keys)
        lines = text(made, width, height)
        assert len(lines) == height
        assert max(map(cell_len, lines)) <= width
        assert all(letter.isprintable() for line in lines for letter in line)
    assert any(line.startswith("> ") for line in text(made, width, 60)), "the cursor is a sign, too"


def test_verdicts_and_missing_leaders_are_words() -> None:
    shown = "\n".join(text(model()))
    assert "✗ dead" in shown
    assert "✗ nobody" in shown
    assert "no problems" in shown


def test_on_80_columns_the_way_to_the_help_is_seen_and_a_key_is_one_line() -> None:
    made = model(sample(status=status()))
    assert "? help" in text(made, 80, 24)[-1]
    made.show("keys", HELP)
    page = text(made, 80, 30)
    assert all(line in page for line in HELP[: HELP.index("")])


def test_the_help_and_the_keys_fit_a_terminal_of_80_columns() -> None:
    made = model()
    assert not text(made, 80)[-1].endswith("…")
    made.show("keys", HELP)
    shown = [line.rstrip() for line in text(made, 80)]
    assert [line for line in HELP if line not in shown] == []


def test_what_explains_nothing_says_so() -> None:
    made = model()
    press(made, "tab", "e")
    assert "tab" in text(made)[-1]
