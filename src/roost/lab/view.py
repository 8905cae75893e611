"""The lab while it runs: nodes with what they lead, and each client's reply line over time."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from roost.lab.lab import Lab
from roost.lab.report import Row

__all__ = ["View", "picture", "print_rows"]

_STYLES: Final = (
    "blue",
    "yellow",
    "green",
    "magenta",
    "cyan",
    "bright_blue",
    "bright_yellow",
    "bright_green",
)
_REFRESH: Final = 10  # a second
_SHOWN: Final = 40  # tenths of a second
_ROWS: Final = 16  # of clients and addresses; for more, addresses are taken together
_NAMED: Final = 4  # addresses
_SOME: Final = 10  # of so many pings one may be late, more are lost
_EVENTS: Final = 8
_GLYPHS: Final = "123456789abcdefghijk"  # of nodes, so that nothing is said by colour alone
_PARTLY: Final = "x"
_NOBODY: Final = "·"
_Entry = tuple[str, int, int]  # who answered last, answered, sent, in a tenth of a second


class View:
    """A picture of the lab on the terminal, drawn anew while time passes in it."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._live = Live(console=console, refresh_per_second=_REFRESH, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, lab: Lab) -> None:
        """Show the lab as it is now."""
        self._live.update(picture(lab, self._title, time.monotonic()))


def picture(lab: Lab, title: str, now: float) -> RenderableType:
    """Return the lab as it is at `now` (CLOCK_MONOTONIC seconds)."""
    styles = {name: _STYLES[at % len(_STYLES)] for at, name in enumerate(lab.nodes)}
    glyphs = dict(zip(lab.nodes, _GLYPHS, strict=False))
    spread = lab.router is not None
    nodes = Table(
        "node", "state", "answers" if spread else "answers for", box=None, header_style="bold", pad_edge=False
    )
    for name, node in lab.nodes.items():
        state = Text(node.state, style="green" if node.state == "up" else "red")
        nodes.add_row(
            Text(name, style=styles[name]), state, _part(lab, name) if spread else _some(lab.led_by(name))
        )
    replies = Table(
        "client",
        "address",
        f"who answered, the last {_SHOWN / 10:g} s",
        "now",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for client, label, history in _lanes(lab):
        who = history[-1][0] if history and history[-1][1] else "nobody"
        line = _line(history, styles, glyphs)
        replies.add_row(client, label, line, Text(who, style=styles.get(who, "red")))
    head = Text.assemble((title, "bold"), f"   {now - lab.began:.1f} s")
    happened = [
        f"{event.at - lab.began:6.2f} s  {event.node} {event.label}" for event in lab.events[-_EVENTS:]
    ]
    coming = Text(f"next: {_coming(lab, now)}", style="bold")
    legend = _legend(styles, glyphs)
    seen: list[RenderableType] = [replies, legend, _connections(lab), Text()] if lab.clients else []
    return Group(head, Text(), nodes, Text(), *seen, *map(Text, happened), coming)


def _connections(lab: Lab) -> Text:
    """Say how many TCP connections the clients hold, and how many broke so far."""
    held = sum(each.held for each in lab.held.values())
    broken = sum(each.broken for each in lab.held.values())
    return Text.assemble(
        f"connections: {held} held, ", (f"{broken} broken", "bold red" if broken else "green"), " so far"
    )


def _lanes(lab: Lab) -> Iterator[tuple[str, str, Sequence[_Entry]]]:
    """Yield client, address and history; of many addresses those together that one node answers for now."""
    together = len(lab.clients) * len(lab.targets) > _ROWS
    for client in lab.clients:
        if not together:
            for address in lab.targets:
                yield client.name, address, list(client.history.get(address, ()))[-_SHOWN:]
            continue
        groups: dict[str, list[str]] = {}
        for address in lab.targets:
            groups.setdefault(client.seen.get(address, ("", 0, 0))[0], []).append(address)
        for who, addresses in sorted(groups.items()):
            histories = [list(client.history.get(each, ()))[-_SHOWN:] for each in addresses]
            yield client.name, f"{len(addresses)} of {who or 'nobody'}", _together(histories)


def _together(histories: Sequence[Sequence[_Entry]]) -> Sequence[_Entry]:
    """Return one history of several: who answered most, and the sums of what was answered and sent."""
    shortest = min(map(len, histories), default=0)
    joint = []
    for entries in zip(*(history[len(history) - shortest :] for history in histories), strict=True):
        answerers = Counter(who for who, ok, _ in entries if ok)
        who = max(answerers, key=lambda each: answerers[each], default="")
        joint.append((who, sum(ok for _, ok, _ in entries), sum(sent for _, _, sent in entries)))
    return joint


def _line(history: Sequence[_Entry], styles: Mapping[str, str], glyphs: Mapping[str, str]) -> Text:
    line = Text(no_wrap=True)
    for (who, ok, sent), after in zip_longest(history, history[1:]):
        # What was under way at the end of a tenth is answered in the next one; of the newest nobody knows.
        late = max(0, after[1] - after[2]) if after else sent // 2
        if not (who and ok):
            line.append(_NOBODY, "bold red")
        elif ok + late < sent - max(1, sent // _SOME):
            line.append(_PARTLY, "bold red")
        else:
            line.append(glyphs.get(who, "?"), f"{styles.get(who, 'red')} reverse")
    return line


def _legend(styles: Mapping[str, str], glyphs: Mapping[str, str]) -> Text:
    legend = Text("answered by: ")
    for name, glyph in glyphs.items():
        legend.append(glyph, f"{styles[name]} reverse")
        legend.append(f" {name}  ")
    legend.append(_PARTLY, "bold red")
    legend.append(" some lost  ")
    legend.append(_NOBODY, "bold red")
    legend.append(" no answer")
    return legend


def _part(lab: Lab, node: str) -> str:
    """Say what a node leads, and which part of all flows it answers, where connections are spread."""
    led = [address for address in lab.addresses if lab.leader(address) == node]
    part = f"{lab.parts()[node]:.0%} of {len(lab.targets) * len(lab.clients)} flows"
    return f"{part}, leads {_some(led)}" if led else part


def _some(addresses: Sequence[str]) -> str:
    if len(addresses) <= _NAMED:
        return " ".join(addresses)
    return f"{len(addresses)} addresses: {' '.join(addresses[: _NAMED - 1])} ..."


def _coming(lab: Lab, now: float) -> str:
    coming = lab.coming
    if coming.at is None:
        return coming.what
    left = max(0.0, coming.at - now)
    if coming.waits:
        return f"when {coming.what} ({left:.0f} s at most)"
    return f"{coming.what}, in {left:.1f} s"


def print_rows(console: Console, found: Sequence[Row]) -> None:
    """Print the outages as a table."""
    table = Table(
        "event",
        "node",
        "client",
        "addresses",
        "outage ms",
        "lost",
        "of",
        "broken",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for column in (4, 5, 6, 7):
        table.columns[column].justify = "right"
    for row in found:
        outage = Text(f"{row.longest * 1e3:.1f}", style="red" if row.lost else "green")
        table.add_row(
            row.event.label,
            row.event.node,
            row.client,
            str(len(row.outages)),
            outage,
            str(row.lost),
            str(row.sent),
            Text(str(row.broken), style="red" if row.broken else "green"),
        )
    console.print(table)
