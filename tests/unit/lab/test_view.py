"""The live view says everything without colour, at any width, for few addresses and for many."""

import io
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from roost.lab.events import Coming, Event
from roost.lab.view import picture

FULL = 50  # pings in a tenth of a second


def shown(lab: Any, columns: int = 80) -> list[str]:
    """What a terminal without colours shows."""
    console = Console(file=io.StringIO(), width=columns, height=60, no_color=True, force_terminal=True)
    with console.capture() as capture:
        console.print(picture(lab, "roost lab: cut, 3 nodes, profile default", now=112.34))
    text = capture.get()
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[7m", "\x1b[1;7m"):
        text = text.replace(code, "")
    assert "\x1b" not in text
    return [line.rstrip() for line in text.splitlines()]


def lab(histories: dict[str, list[tuple[str, int, int]]], coming: Coming) -> Any:
    client = SimpleNamespace(
        name="c1",
        history={address: deque(entries) for address, entries in histories.items()},
        seen={address: entries[-1] for address, entries in histories.items()},
    )
    nodes = {name: SimpleNamespace(state="cut" if name == "n2" else "up") for name in ("n1", "n2", "n3")}
    return SimpleNamespace(
        nodes=nodes,
        clients=[client],
        held={"c1": SimpleNamespace(held=8, broken=3)},
        addresses=list(histories),
        targets=list(histories),
        router=None,
        events=[Event("cut", "n2", 105.0)],
        began=100.0,
        coming=coming,
        led_by=lambda node: tuple(each for each, entries in histories.items() if entries[-1][0] == node),
    )


MOVED = [("n2", FULL, FULL), ("n2", FULL // 2, FULL), ("n2", 0, FULL), ("n3", FULL, FULL), ("n3", FULL, FULL)]


@pytest.mark.parametrize("columns", [80, 160])
def test_title_clock_legend_and_what_comes(columns: int) -> None:
    lines = shown(lab({"192.0.2.200": MOVED}, Coming("n2's port forwards again", 113.6)), columns)
    assert lines[0] == "roost lab: cut, 3 nodes, profile default   12.3 s"
    assert "answered by: 1 n1  2 n2  3 n3  x some lost  · no answer" in lines
    assert "connections: 8 held, 3 broken so far" in lines
    assert lines[-1] == "next: n2's port forwards again, in 1.3 s"
    assert "  5.00 s  n2 cut" in lines
    (line,) = [line for line in lines if line.startswith("c1")]
    assert line.split() == ["c1", "192.0.2.200", "2x·33", "n3"]
    (state,) = [line for line in lines if line.startswith("n2")]
    assert state.split() == ["n2", "cut"]


def test_an_answer_that_came_a_moment_late_is_no_loss() -> None:
    late = [("n1", FULL - 5, FULL), ("n1", FULL + 5, FULL), ("n1", FULL - 5, FULL)]
    lines = shown(lab({"192.0.2.200": late}, Coming("x", 120.0, waits=True)))
    assert any(line.split() == ["c1", "192.0.2.200", "111", "n1"] for line in lines)
    assert lines[-1] == "next: when x (8 s at most)"


def test_many_addresses_are_taken_together() -> None:
    entries = {f"198.18.0.{at}": [(f"n{1 + 2 * (at % 2)}", FULL, FULL)] * 40 for at in range(200)}
    lines = shown(lab(entries, Coming("Ctrl-C ends the lab")))
    lanes = [line.split() for line in lines if line.startswith("c1")]
    assert lanes == [
        ["c1", "100", "of", "n1", "1" * 40, "n1"],
        ["c1", "100", "of", "n3", "3" * 40, "n3"],
    ]
    assert "100 addresses: 198.18.0.0 198.18.0.2 198.18.0.4 ..." in " ".join(lines)
    assert lines[-1] == "next: Ctrl-C ends the lab"
