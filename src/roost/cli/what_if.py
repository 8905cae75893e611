"""`roost what-if`: what would move, asked of the speaker's own election."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from roost.cli.client import ask, json_option, socket_option
from roost.cli.completion import Complete, complete_lost, complete_nodes, complete_vips
from roost.cli.output import led_by
from roost.cli.screen import Screen

__all__ = ["command"]


def _nodes(name: str, complete: Complete, about: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, multiple=True, metavar="NODE", help=about, shell_complete=complete)


@click.command()
@click.argument("vip", required=False, shell_complete=complete_vips)
@_nodes("--down", complete_nodes, "As if NODE died; may be repeated.")
@_nodes("--add", complete_lost, "As if a NODE without labels came; may be repeated.")
@_nodes("--drain", complete_nodes, "As if NODE was drained; may be repeated.")
@socket_option
@json_option
def command(
    vip: str | None,
    down: tuple[str, ...],
    add: tuple[str, ...],
    drain: tuple[str, ...],
    socket_path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show which addresses would move, and where to, if nodes went down, came or drained.

    With VIP (an address or a service's name), only that one is shown, also when it would stay.
    """
    if not (down or add or drain):
        raise click.UsageError("say what should happen: --down NODE, --add NODE or --drain NODE")
    query: dict[str, object] = {"down": down, "add": add, "drain": drain}
    if vip:
        query["address"] = vip
    answer = ask(socket_path, "what-if", query=query)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        _draw(answer, Screen())


def _who(move: dict[str, Any], when: str) -> str | None:
    shares = move.get("shares")
    return led_by(move[when], shares and shares[when], move.get("sharing"))


def _draw(answer: dict[str, Any], screen: Screen) -> None:
    if not answer["moves"]:
        screen.line("nothing would move")
        return
    screen.table(
        ("service", "addresses", "from", "to", "why"),
        [
            (
                move["service"],
                " ".join(move["addresses"]),
                _who(move, "before") or "nobody",
                _who(move, "after")
                or (("nobody", "bold red") if move.get("known", True) else "not known here"),
                move["why"],
            )
            for move in answer["moves"]
        ],
    )
    stay = f"{answer['staying']} of {answer['total']} services stay where they are"
    screen.line((stay, "dim"), indent=4)
