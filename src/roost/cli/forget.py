"""`roost forget NODE`: a lost member that is not to come back is missed no more."""

import json
from pathlib import Path

import click

from roost.cli.client import ask, asks_cluster, json_option, socket_option
from roost.cli.completion import complete_lost
from roost.cli.exits import Exit, Failure
from roost.cli.screen import clean

__all__ = ["command"]


@click.command()
@click.argument("node", shell_complete=complete_lost)
@socket_option
@json_option
def command(node: str, socket_path: Path | None, *, as_json: bool) -> None:
    """Miss NODE no more, on all nodes: it was lost, and is not to come back.

    Until then every node lists it under problems. A node that left on purpose (SIGTERM), or, with Kubernetes,
    whose Node object was deleted, is forgotten by itself. One that comes back is a member as before.
    """
    if asks_cluster(socket_path):
        raise Failure(f"with Kubernetes: delete the Node object ({node}), and it is forgotten", Exit.INVALID)
    answer = ask(socket_path, "forget", node, method="POST")
    click.echo(json.dumps(answer) if as_json else f"{clean(answer['node'])} is forgotten")
