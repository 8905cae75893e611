"""`roost events`: what has happened, also before the speaker's last start."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.client import ask, json_option, socket_option
from roost.cli.completion import complete_events
from roost.cli.screen import COLOURS, Cell, Screen

__all__ = ["command"]

_COLOURS = {"warning": COLOURS["warning"], "error": COLOURS["critical"]}


@click.command()
@click.argument("about", default="", shell_complete=complete_events)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many at most, the last ones.")
@socket_option
@json_option
def command(about: str, limit: int, socket_path: Path | None, *, as_json: bool) -> None:
    """Show the last events of a node, oldest first; with ABOUT those that name this service, address or node.

    They are kept over restarts. Claims of others are no events here.
    """
    answer = ask(socket_path, "history", query={"limit": limit, **({"about": about} if about else {})})
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        _draw(answer, Screen())


def _shown(fact: object) -> str:
    return "nobody" if fact is None else str(fact)


def _draw(answer: dict[str, Any], screen: Screen) -> None:
    for event in answer["events"]:
        facts = "  ".join(f"{name}={_shown(fact)}" for name, fact in event["facts"].items())
        text: Cell = (event["text"], _COLOURS.get(event["level"], ""))
        screen.line(f"{event['time']}  ", text, (f"  {facts}" if facts else "", "dim"), indent=4)
    if not answer["events"]:
        screen.line("nothing is known to have happened")
    if answer["unreadable"]:
        screen.line((f"{answer['unreadable']} lines of what is kept cannot be read", "yellow"))
    if answer["trouble"]:
        screen.line((f"events are not kept: {answer['trouble']}", "yellow"))
