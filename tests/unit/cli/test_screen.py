"""Text for people: whole in a pipe, fitted on a terminal, never markup."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from roost.cli.screen import Cell, Screen, age, clean

HOSTILE = "[red]x[/red] [/] \x1b[31mred\x07\r\n[link=http://x]"
LONG = "witness " * 30
NOTE = "passing on to n2: connections, not counted yet"
ROWS: list[tuple[Cell, ...]] = [
    ("n1", "192.0.2.11:7946", ("● alive", "green"), "3 min", "this node"),
    (HOSTILE, "", "x", "y", HOSTILE),
    ("界", "", "", "", LONG),
]
HEADERS = ("member", "address", "verdict", "since", "evidence")


def screen(width: int | None = None, *, colour: bool = False) -> tuple[Screen, io.StringIO]:
    """A screen for a pipe, or for a terminal so wide."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=width is not None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return Screen(console), file


def test_in_a_pipe_a_line_is_a_line_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    made, file = screen()
    made.line(("problem", "red"), f": {LONG}", f"{HOSTILE}end")
    made.table(HEADERS, ROWS)
    lines = file.getvalue().splitlines()
    assert len(lines) == 1 + 1 + len(ROWS)
    assert lines[0] == f"problem: {LONG}{clean(HOSTILE)}end"
    assert lines[-1].endswith(LONG.rstrip())
    assert "\x1b" not in file.getvalue()


def test_in_a_pipe_columns_are_aligned_whatever_their_letters_take() -> None:
    made, file = screen()
    made.table(("a", "b"), [("界", "x"), ("long", "y")])
    assert {
        cell_len(line[: line.rindex(end)])
        for line, end in zip(file.getvalue().splitlines(), "bxy", strict=True)
    } == {6}


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_on_a_terminal_nothing_is_cut_and_nothing_is_wider(width: int) -> None:
    made, file = screen(width)
    made.line("◐ warning  ", f"lost member: {LONG}", indent=4)
    made.table(HEADERS, ROWS)
    text = file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count("witness") == 30 + 30
    assert "192.0.2.11:7946" in text, "what is short is not broken"


SERVICE_HEADERS = ("service", "addresses", "leader", "since", "here", "open", "notes")


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("width", [40, 60, 72, 80, 120, 200])
def test_addresses_are_whole_on_narrow_terminals_however_many_services(width: int, count: int) -> None:
    made, file = screen(width)
    six = "2001:db8:1234:5678::"
    rows = [
        (
            f"shop/web-frontend-{at}",
            f"192.0.2.{at} {six}{at:x}",
            "n1",
            "3 min",
            "answering on eth0",
            "0",
            NOTE,
        )
        for at in range(count)
    ]
    made.table(SERVICE_HEADERS, rows)
    text = file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    words = text.split()
    assert max(map(cell_len, text.splitlines())) <= width
    for at in range(count):
        assert {f"shop/web-frontend-{at}", f"192.0.2.{at}", f"{six}{at:x}"} <= set(words)
    assert words.count("counted") == count
    assert words.count("addresses") == (1 if width > 80 or not count else count)


def test_a_word_that_is_wider_than_the_terminal_is_broken_and_not_cut() -> None:
    made, file = screen(40)
    made.table(("name", "notes"), [("x" * 70, "y" * 90)])
    text = file.getvalue()
    assert (text.count("x"), text.count("y")) == (70, 90)


def test_a_column_without_anything_takes_no_room() -> None:
    made, file = screen(80)
    made.table(("name", "notes", "end"), [("a", "", "b")])
    assert "notes" not in file.getvalue()


def test_no_colour_loses_no_word() -> None:
    (one, plain), (other, coloured) = screen(80), screen(80, colour=True)
    for made in (one, other):
        made.line(("✗ dead", "red"), " n2")
    assert "✗ dead n2" in plain.getvalue()
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b[31m" not in plain.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (180, "3 min"), (7300, "2 h"), (86400 * 3, "3 d"), (-5, "0 s")],
)
def test_ages(seconds: float, shown: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age((now - timedelta(seconds=seconds)).isoformat(), now) == shown


def test_a_time_that_is_none_is_shown_as_it_is() -> None:
    assert age("\x1b[31mnever") == "?[31mnever"
