"""What `roost top` knows and where its user is: samples and keys come in, actions come out. No I/O."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Literal

from roost.cli.output import passed_on

__all__ = ["PANES", "SORTS", "Action", "Model", "Pane", "Row", "Sample"]

Pane = Literal["addresses", "nodes"]
PANES: Final[tuple[Pane, ...]] = ("addresses", "nodes")

_EVENTS: Final = 200
_PAGE: Final = 10  # rows


@dataclass(frozen=True, slots=True)
class Sample:
    """What a speaker says at one moment (`at`: monotonic seconds), or why it says nothing (`error`)."""

    at: float
    error: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    traffic: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """What the user wants done: `what` about `target`."""

    what: Literal["quit", "explain", "what-if", "drain", "undrain", "forget"]
    target: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One address or node; values by column, None for what is not known."""

    key: str
    values: Mapping[str, Any]

    def matches(self, text: str) -> bool:
        """Tell whether any value has `text` in it, in any case."""
        return any(text.lower() in str(value).lower() for value in self.values.values() if value is not None)


SORTS: Final[Mapping[Pane, tuple[str, ...]]] = {
    "addresses": ("address", "service", "leader", "since", "packets", "connections", "failover"),
    "nodes": ("node", "verdict", "since", "leads"),
}


class Model:
    """`pane` has the cursor; `page` is a text over everything, `question` waits for y or n."""

    def __init__(self) -> None:
        self.status: Mapping[str, Any] = {}
        self.events: deque[Mapping[str, Any]] = deque(maxlen=_EVENTS)
        self.error = ""
        self.lost_at: float | None = None  # since when no speaker answers
        self.pane: Pane = "addresses"
        self.filter = ""
        self.typing = False
        self.page: tuple[str, Sequence[str]] | None = None  # title, lines
        self.page_at = 0
        self.question: tuple[str, Action] | None = None
        self.message = ""
        self.sort: dict[Pane, int] = dict.fromkeys(PANES, 0)
        self.reverse: dict[Pane, bool] = dict.fromkeys(PANES, False)
        self.cursor: dict[Pane, int] = dict.fromkeys(PANES, 0)
        self._sample: Sample | None = None
        self._rates: dict[str, float] = {}
        self._failovers: dict[str, float] = {}  # service -> ms, of the last one

    # -- what comes in ---------------------------------------------------------------------------

    def take(self, sample: Sample) -> None:
        """Take what a speaker says; another process than before begins to count anew."""
        if sample.error:
            self.error = sample.error
            self.lost_at = sample.at if self.lost_at is None else self.lost_at
            return
        before = self._sample
        again = before is not None and before.status["started_at"] != sample.status["started_at"]
        if again or self.lost_at is not None:
            self.message = "connected again" + (": the speaker was started anew" if again else "")
        self.error, self.lost_at = "", None
        self._rates = {} if before is None or again else _rates(before, sample)
        self._sample, self.status = sample, sample.status
        for event in sample.events:
            self.events.append(event)
            silent = event["facts"].get("silent_s")
            if silent is not None:
                self._failovers[event["facts"].get("service", "")] = 1000 * silent

    def press(self, key: str) -> Action | None:
        """Take a key."""
        if key == "":
            return Action("quit")
        if self.typing:
            self._type(key)
            return None
        if self.question is not None:
            return self._answer(key)
        self.message = ""
        if self.page is not None:
            self._turn(key)
            return None
        return self._command(key)

    def show(self, title: str, lines: Sequence[str]) -> None:
        """Show a text over everything, until it is closed."""
        self.page, self.page_at = (title, lines), 0

    # -- views -----------------------------------------------------------------------------------

    def rows(self, pane: Pane) -> list[Row]:
        """Return what the pane shows: filtered, sorted."""
        found = self._addresses() if pane == "addresses" else self._nodes()
        column = SORTS[pane][self.sort[pane]]
        wanted = [row for row in found if row.matches(self.filter)]
        known = [row for row in wanted if row.values[column] is not None]
        unknown = [row for row in wanted if row.values[column] is None]
        known.sort(key=_order(column), reverse=self.reverse[pane])
        return known + unknown

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        rows = self.rows(self.pane)
        return rows[min(self.cursor[self.pane], len(rows) - 1)] if rows else None

    @property
    def packets(self) -> float | None:
        """Packets per second for all addresses that are answered here."""
        return sum(self._rates.values()) if self._rates else None

    def _addresses(self) -> list[Row]:
        sample = self._sample
        rows: list[Row] = []
        for service in self.status.get("services", ()) if sample else ():
            for address in service["addresses"]:
                here, connections = service["answering"], service["connections"][address]
                held = [each for each in service["passing_on"] if each["address"] == address]
                values = {
                    "address": address,
                    "service": service["name"],
                    "leader": service["leader"],
                    "sharers": len(service.get("shares") or ()),
                    "since": service["since"],
                    "here": here,
                    "packets": self._rates.get(address),
                    "connections": connections if here or connections else None,
                    "requests": sample.traffic.get(address, {}).get("requests") if sample else None,
                    "failover": self._failovers.get(service["name"]),
                    "notes": "; ".join([*map(passed_on, held), *service["problems"]]) or None,
                }
                rows.append(Row(address, values))
        return rows

    def _nodes(self) -> list[Row]:
        leaders = [
            node
            for service in self.status.get("services", ())
            for node in service.get("shares") or (service["leader"],)
        ]
        return [
            Row(
                member["name"],
                {
                    "node": member["name"],
                    "address": member["address"],
                    "verdict": "draining"
                    if member["verdict"] == "alive" and member["draining"]
                    else member["verdict"],
                    "since": member["since"],
                    "leads": leaders.count(member["name"]),
                    "evidence": member["evidence"],
                },
            )
            for member in self.status.get("members", ())
        ]

    # -- keys ------------------------------------------------------------------------------------

    def _command(self, key: str) -> Action | None:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -_PAGE, "page down": _PAGE}
        if key in moves or key in ("home", "end", "g", "G"):
            self._move(moves.get(key, -(10**6) if key in ("home", "g") else 10**6))
            return None
        simple: dict[str, Callable[[], None]] = {
            "tab": self._next_pane,
            "s": self._next_sort,
            "r": self._turn_round,
            "/": self._begin_typing,
            "esc": self._clear_filter,
        }
        if key in simple:
            simple[key]()
            return None
        if key == "q":
            return Action("quit")
        return self._about_selected(key)

    def _about_selected(self, key: str) -> Action | None:
        row = self.selected
        if row is None:
            return None
        node = row.key if self.pane == "nodes" else row.values["leader"]
        if key in ("e", "enter") and self.pane == "addresses":
            return Action("explain", row.key)
        if key == "e":
            self.message = "e explains an address: tab goes there"
        if key == "w" or (key == "enter" and self.pane == "nodes"):
            return Action("what-if", node) if node else None
        asked = {
            "d": ("drain {}: hand over all that it leads?", "drain"),
            "u": ("let {} lead again?", "undrain"),
            "f": ("forget {}: it is not to come back?", "forget"),
        }
        if key in asked and node:
            text, what = asked[key]
            self.question = (text.format(node), Action(what, node))  # type: ignore[arg-type]
        return None

    def _answer(self, key: str) -> Action | None:
        assert self.question is not None  # noqa: S101 - asked before
        (_, action), self.question = self.question, None
        return action if key in ("y", "Y") else None

    def _type(self, key: str) -> None:
        if key == "enter":
            self.typing = False
        elif key == "esc":
            self.typing, self.filter = False, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter += key
        self.cursor = dict.fromkeys(PANES, 0)

    def _turn(self, key: str) -> None:
        assert self.page is not None  # noqa: S101 - there is one
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -_PAGE, "page down": _PAGE}
        if key in steps:
            self.page_at = max(0, min(len(self.page[1]) - 1, self.page_at + steps[key]))
        else:
            self.page = None

    def _move(self, by: int) -> None:
        last = max(0, len(self.rows(self.pane)) - 1)
        self.cursor[self.pane] = max(0, min(last, min(last, self.cursor[self.pane]) + by))

    def _next_pane(self) -> None:
        self.pane = PANES[(PANES.index(self.pane) + 1) % len(PANES)]

    def _next_sort(self) -> None:
        self.sort[self.pane] = (self.sort[self.pane] + 1) % len(SORTS[self.pane])

    def _turn_round(self) -> None:
        self.reverse[self.pane] = not self.reverse[self.pane]

    def _begin_typing(self) -> None:
        self.typing = True

    def _clear_filter(self) -> None:
        self.filter = ""


def _rates(before: Sample, now: Sample) -> dict[str, float]:
    """Return packets per second; an address that has just come here begins with none."""
    seconds = max(now.at - before.at, 0.001)
    return {
        address: max(0, counts["packets"] - before.traffic[address]["packets"]) / seconds
        for address, counts in now.traffic.items()
        if address in before.traffic
    }


def _order(column: str) -> Callable[[Row], Any]:
    if column == "address":
        return lambda row: _address_order(row.values["address"])
    if column in ("packets", "connections", "failover", "leads"):  # the most first
        return lambda row: (-row.values[column], row.key)
    if column == "since":  # the latest first
        return lambda row: _Descending(row.values["since"])
    return lambda row: (str(row.values[column]), row.key)


def _address_order(text: str) -> tuple[int, float]:
    try:
        address = ip_address(text)
    except ValueError:
        return 0, math.inf
    return address.version, int(address)


@dataclass(frozen=True, slots=True)
class _Descending:
    text: str

    def __lt__(self, other: "_Descending") -> bool:
        return self.text > other.text
