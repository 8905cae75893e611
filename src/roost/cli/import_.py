"""`roost import keepalived.conf`: what a Keepalived user has, as Roost's configuration."""

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal, cast

import click

from roost.cli.client import json_option
from roost.cli.exits import Exit, Failure
from roost.keepalived import Conversion, FilesOnDisk, UnreadableError, Wishes, convert
from roost.observe.text import printable
from roost.standalone import load

__all__ = ["command"]

_KINDS: Final = (
    ("lost", "no counterpart", "red"),
    ("changed", "acts differently", "yellow"),
    ("needless", "left out, nothing is missing", "green"),
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--node", default="", metavar="ID", help="This node: its name, and what @ID conditions ask for."
)
@click.option(
    "--election",
    type=click.Choice(["vrrp", "hash"]),
    default="vrrp",
    show_default=True,
    help="How leaders are found. vrrp: as now, also beside keepalived. hash: by gossip, without priorities.",
)
@click.option(
    "--bind", default="", metavar="ADDRESS[:PORT]", help="With hash: this node's address for gossip."
)
@click.option(
    "--join", multiple=True, metavar="ADDRESS[:PORT]", help="With hash: another node; several times."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, not to stdout."
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    *,
    node: str,
    election: str,
    bind: str,
    join: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Write Roost's configuration from Keepalived's FILE and all that it includes.

    Comments in the result name the line that each part came from. Lines that are not in it as they stood are
    listed on stderr and at the result's end: those without a counterpart, those that act differently, and
    those that are not needed. Nothing else is started or changed.

    Exit codes: 0 everything has a counterpart, 1 something has none, or nothing could be written.
    """
    wishes = Wishes(node, cast("Literal['hash', 'vrrp']", election), bind, join)
    try:
        made = convert(file, FilesOnDisk(), wishes, os.environ, socket.gethostname())
    except UnreadableError as error:
        raise Failure(str(error), Exit.INVALID) from error
    if not made.found:
        text = f"{file} has no vrrp_instance and no virtual_server: it is no configuration of Keepalived"
        raise Failure(f"{text} (for Roost's own files: roost check)", Exit.INVALID)
    problems = [
        str(each)
        for each in load(output or Path("roost.yaml"), made.text.encode()).problems
        if each.severity == "error"
    ]
    if output:
        _write(output, made.text)
    if as_json:
        remarks = [{**asdict(each), "place": str(each.place)} for each in made.remarks]
        click.echo(
            json.dumps(
                {
                    "ok": not made.of_kind("lost"),
                    "configuration": made.text,
                    "remarks": remarks,
                    "problems": problems,
                },
                indent=2,
            )
        )
    elif not output:
        click.echo(made.text, nl=False)
    if not as_json:
        _tell(made, problems)
    ctx.exit(Exit.INVALID if made.of_kind("lost") or problems else Exit.OK)


def _write(output: Path, text: str) -> None:
    """Write a new file that only its owner may read: it may hold a password."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}", Exit.CANNOT_RUN) from error


def _tell(made: Conversion, problems: list[str]) -> None:
    for kind, title, colour in _KINDS:
        found = made.of_kind(kind)
        if found:
            click.echo(click.style(f"{title} ({len(found)}):", fg=colour, bold=True), err=True)
        for each in found:
            click.echo(f"  {printable(str(each))}", err=True)
    for problem in problems:
        click.echo(f"{click.style('not valid yet', fg='red', bold=True)}: {printable(problem)}", err=True)
