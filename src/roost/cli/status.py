"""`roost status`: who leads what, and who is alive."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.client import ask, json_option, socket_option
from roost.cli.output import connections
from roost.cli.watch import watch_leaders

__all__ = ["command"]


@click.command()
@click.option(
    "--watch",
    is_flag=True,
    help="Go on: a line for each service whose leader changes, and why, until Ctrl-C.",
)
@socket_option
@json_option
def command(socket_path: Path | None, *, as_json: bool, watch: bool) -> None:
    """Show who leads what, the members with their verdicts, and since when."""
    if watch:
        watch_leaders(socket_path, as_json=as_json)
        return
    status = ask(socket_path, "status")
    if as_json:
        click.echo(json.dumps(status, indent=2))
    else:
        _draw(status)


def _draw(status: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - rich only for people
    from rich.markup import escape  # noqa: PLC0415

    console = Console(highlight=False)
    for problem in status.get("problems", ()):
        console.print(f"[red]{escape(problem['kind'])}[/red]: {escape(problem['text'])}")
    settled = "" if status["settled"] else " [yellow](still listening for peers; claims nothing yet)[/yellow]"
    console.print(
        f"[bold]{escape(status['node'])}[/bold]  roost {status['version']}  up since {status['started_at']}"
        f"  profile {status['profile']}{settled}"
    )
    if status["draining"]:
        console.print("[yellow]draining: leads only what no other node can[/yellow]")
    if why := status.get("not_passing_on"):
        console.print(f"[dim]{escape(why)}[/dim]")
    console.print(_services(status))
    console.print(_members(status))
    for link in status["interfaces"]:
        if not link["announcing"]:
            told = escape(f"interface {link['name']} does not announce: {link['reason']}")
            console.print(f"[dim]{told}[/dim]")
    for alarm in status["alarms"]:
        who = alarm["peer"] or "a stranger"
        told = (
            f"{alarm['kind']}: {alarm['address']} is claimed by {alarm['mac']} ({who})"
            f" on {alarm['interface']}, {alarm['count']} times, last {alarm['last']}"
        )
        console.print(f"[red]alarm[/red] {escape(told)}")


def _services(status: dict[str, Any]) -> Any:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        "service",
        "addresses",
        "leader",
        "since",
        "here",
        "open",
        "notes",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for service in status["services"]:
        table.add_row(
            escape(service["name"]),
            " ".join(service["addresses"]),
            escape(service["leader"]) if service["leader"] else "[red]nobody[/red]",
            service["since"],
            escape("answering on " + " ".join(service["interfaces"])) if service["answering"] else "",
            " ".join("-" if each is None else str(each) for each in service["connections"].values()),
            escape("; ".join([*_passed_on(service), *service["problems"]])),
        )
    return table


def _passed_on(service: dict[str, Any]) -> list[str]:
    """Return, for each node that holds connections of the service, a clause."""
    return [f"passing on to {each['node']}: {connections(each)}" for each in service["passing_on"]]


def _members(status: dict[str, Any]) -> Any:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        "member", "address", "verdict", "since", "evidence", box=None, header_style="bold", pad_edge=False
    )
    for member in status["members"]:
        colour = {"alive": "green", "suspect": "yellow"}.get(member["verdict"], "red")
        table.add_row(
            escape(member["name"]),
            member["address"],
            f"[{colour}]{member['verdict']}[/{colour}]",
            member["since"],
            escape(member["evidence"]),
        )
    return table
