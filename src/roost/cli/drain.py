"""`roost drain`: move a node's addresses to others and wait until nobody uses it for them any more."""

import json
import time
from pathlib import Path
from typing import Any, Final

import click

from roost.cli.client import ask, asks_cluster, json_option, socket_option
from roost.cli.cluster import wish_drain
from roost.cli.completion import complete_nodes
from roost.cli.exits import Exit, Failure
from roost.cli.screen import Screen

__all__ = ["command"]

_POLL: Final = 0.2  # seconds
_QUIET: Final = 1.0  # seconds without packets after which a node is drained


@click.command()
@click.argument("node", shell_complete=complete_nodes)
@click.option("--undo", is_flag=True, help="Let the node lead again.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait until the node leads nothing, and no connection is open there.",
)
@socket_option
@json_option
def command(node: str, deadline: float, socket_path: Path | None, *, undo: bool, as_json: bool) -> None:
    """Hand over everything that NODE leads, without leaving the cluster.

    The successors answer first, and pass on to NODE what belongs to connections that are open there; NODE
    serves these, and whoever still sends to it. Its own kernel counts both. An address that no other node
    can lead stays. A drained node stays so until --undo or the restart of its speaker.
    """
    progress = _watch(node, deadline, socket_path, undo=undo, quiet=as_json)
    if as_json:
        click.echo(json.dumps(progress))
    if not undo and not progress["done"]:
        raise Failure(_why_not(node, progress), Exit.INVALID)


def _watch(node: str, deadline: float, path: Path | None, *, undo: bool, quiet: bool) -> dict[str, Any]:
    """Wish, and follow the node until it is done or time is up; the wish is repeated: packets get lost."""
    screen = None if quiet else Screen()
    wish = "false" if undo else "true"
    if asks_cluster(path):
        if not undo:
            ask(path, "drain", node)  # a node that cannot be drained is refused before anything is written
        wish_drain(node, wish=not undo)
    end = time.monotonic() + deadline
    line = ""
    while True:
        progress: dict[str, Any] = ask(path, "drain", node, query={"wish": wish}, method="POST")
        progress["done"] = _is_done(progress, undo=undo)
        if screen is not None and (now := _line(progress)) != line:
            screen.line(line := now)
        if progress["done"] or time.monotonic() > end:
            return progress
        time.sleep(_POLL)


def _is_done(progress: dict[str, Any], *, undo: bool) -> bool:
    if not progress["known"] or progress["draining"] is undo:
        return False
    return undo or (progress["leads"] == 0 and progress["connections"] == 0 and progress["quiet"] >= _QUIET)


def _line(progress: dict[str, Any]) -> str:
    if not progress["known"]:
        return f"{progress['node']}: no word yet"
    state = "draining" if progress["draining"] else "not draining"
    leads, packets, held = progress["leads"], progress["packets"], progress["connections"]
    return (
        f"{progress['node']}: {state}, leads {_addresses(leads)}; for those of others "
        f"{held} connections are open there, and {packets} packets came from clients"
    )


def _why_not(node: str, progress: dict[str, Any]) -> str:
    if not progress["known"]:
        return f"{node} has not answered; is it alive and a Roost node of this cluster?"
    if progress["leads"]:
        return (
            f"{node} still leads {_addresses(progress['leads'])} that no other node can lead;"
            " it goes on serving"
        )
    if held := progress["connections"]:
        return f"{node} leads no address any more, but {held} connections are open there; it serves them on"
    return f"{node} leads no address any more, but packets still come there; it goes on serving them"


def _addresses(count: int) -> str:
    return f"{count} address" if count == 1 else f"{count} addresses"
