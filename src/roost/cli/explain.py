"""`roost explain VIP`: why an address is where it is."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.client import ask, json_option, socket_option
from roost.cli.output import connections

__all__ = ["command"]


@click.command()
@click.argument("vip")
@socket_option
@json_option
def command(vip: str, socket_path: Path | None, *, as_json: bool) -> None:
    """Show every node's place for VIP, or the reason it is out, and the last change with its evidence.

    VIP is an address or the name of a service.
    """
    explanation = ask(socket_path, "explain", vip)
    if as_json:
        click.echo(json.dumps(explanation, indent=2))
    else:
        _draw(explanation)


def _draw(explanation: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - rich only for people
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False)
    leader = explanation["leader"] or "[red]nobody[/red]"
    console.print(
        f"[bold]{explanation['service']}[/bold] {' '.join(explanation['addresses'])}"
        f" is led by [bold]{leader}[/bold] since {explanation['since']} ({explanation['change']})"
    )
    places = Table(
        "place", "node", "verdict", "score", "hash", "why", box=None, header_style="bold", pad_edge=False
    )
    for place in explanation["places"]:
        places.add_row(
            str(place["position"]),
            place["node"],
            place["verdict"],
            str(place["score"]),
            place["digest"][:12],
            place["why"],
        )
    console.print(places)
    for exclusion in explanation["exclusions"]:
        console.print(f"[dim]out:[/dim] {exclusion['node']}: {exclusion['why']}")
    if unproven := explanation["judged_by_swim_alone"]:
        console.print(f"[dim]judged by SWIM alone, no answers to probes: {', '.join(unproven)}[/dim]")
    for each in explanation["passing_on"]:
        console.print(f"{each['address']}: passing on to [bold]{each['node']}[/bold]: {connections(each)}")
    for problem in explanation["problems"]:
        console.print(f"[yellow]{problem}[/yellow]")
