"""`roost status`: who leads what, and who is alive."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.client import ask, json_option, socket_option
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
    console.print(_services(status))
    console.print(_members(status))
    for told in _responders(status):
        console.print(f"[dim]{escape(told)}[/dim]")
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


def _responders(status: dict[str, Any]) -> list[str]:
    """Return what answers questions on which interfaces, and why it is not the kernel if it was to be."""
    found: dict[tuple[str, str], list[str]] = {}
    for link in status["interfaces"]:
        if kind := link.get("responder"):
            found.setdefault((kind, link["responder_reason"]), []).append(link["name"])
    return [
        f"{'this process' if kind == 'packet' else f'the kernel ({kind})'} answers on {' '.join(names)}"
        f"{f': {why}' if why else ''}"
        for (kind, why), names in found.items()
    ]


def _services(status: dict[str, Any]) -> Any:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        "service",
        "addresses",
        "leader",
        "since",
        "here",
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
            escape("; ".join(service["problems"])),
        )
    return table


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
