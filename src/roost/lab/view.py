"""The lab while it runs: nodes with what they lead, and each client's reply line over time."""

from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from roost.lab.lab import Lab
from roost.lab.report import Row

__all__ = ["View", "print_rows"]

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


class View:
    """A picture of the lab on the terminal, drawn anew while time passes in it."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=_REFRESH, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, lab: Lab) -> None:
        """Show the lab as it is now."""
        self._live.update(_picture(lab))


def _picture(lab: Lab) -> RenderableType:
    styles = {name: _STYLES[at % len(_STYLES)] for at, name in enumerate(lab.nodes)}
    nodes = Table("node", "state", "answers for", box=None, header_style="bold", pad_edge=False)
    for name, node in lab.nodes.items():
        state = Text(node.state, style="green" if node.state == "up" else "red")
        nodes.add_row(Text(name, style=styles[name]), state, " ".join(lab.led_by(name)))
    replies = Table(
        "client",
        "address",
        f"who answered, the last {_SHOWN / 10:g} s",
        "now",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for client in lab.clients:
        for address in lab.addresses:
            history = list(client.history.get(address, ()))[-_SHOWN:]
            line = Text("".join("█" if who and ok else "·" for who, ok, _ in history))
            for at, (who, ok, sent) in enumerate(history):
                line.stylize(styles.get(who, "red") if ok and ok >= sent - 1 else "red", at, at + 1)
            who = history[-1][0] if history and history[-1][1] else "nobody"
            replies.add_row(client.name, address, line, Text(who, style=styles.get(who, "red")))
    happened = Text(
        "\n".join(f"{event.at - lab.began:6.2f} s  {event.node} {event.label}" for event in lab.events)
    )
    return Group(nodes, Text(), replies, Text(), happened)


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
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for column in (4, 5, 6):
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
        )
    console.print(table)
