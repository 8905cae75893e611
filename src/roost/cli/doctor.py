"""`roost doctor`: what is wrong on this host, on its LAN and in its cluster, each with evidence and cure."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.client import asks_cluster, json_option, only_socket, socket_option
from roost.cli.exits import Exit, Failure
from roost.cli.output import look_for_room
from roost.cli.screen import COLOURS, Cell, Screen, sign

__all__ = ["command"]


@click.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    envvar="ROOST_CONFIG",
    help="The configuration file of this host's speaker. Default: the one that the running speaker has.",
)
@socket_option
@click.option("--quiet", is_flag=True, help="Send nothing: look at this host and ask its speaker only.")
@click.option(
    "--burst",
    is_flag=True,
    help="Send 20 ARP requests within a second, too, to see whether the switch limits ARP. A switch that"
    " inspects ARP may shut this host's port.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what a supporter needs, without secrets: a .tar.gz.",
)
@json_option
def command(
    path: Path | None,
    socket_path: Path | None,
    bundle: Path | None,
    *,
    quiet: bool,
    burst: bool,
    as_json: bool,
) -> None:
    """Find what is wrong on this host, on its LAN and in its cluster: each finding with evidence and cure.

    Works with or without a running speaker, and changes nothing. To peers it sends a few ARP requests,
    echoes and
    pings of the gossip port. Without a speaker's socket, a file, or --config, and with a KUBECONFIG, a
    speaker of that cluster is asked instead.

    Exit codes: 0 nothing found, 1 findings, 3 this host cannot be looked at, 4 no speaker answers at
    --socket.
    """
    if quiet and burst:
        raise click.UsageError("--quiet sends nothing, --burst much: take one of them")
    look_for_room(bundle)
    from roost.cli.examination import examine, examine_cluster  # noqa: PLC0415 - after the options are known good

    if path is None and asks_cluster(socket_path):
        seen = examine_cluster()
    else:
        try:
            seen = examine(
                path,
                socket_path or _socket_if_any(),
                asked=socket_path is not None,
                sends=not quiet,
                burst=burst,
            )
        except OSError as error:
            raise Failure(f"this host cannot be looked at: {error}", Exit.CANNOT_RUN) from error
    if bundle is not None:
        from roost.cli.bundle import pack  # noqa: PLC0415

        pack(bundle, seen)
    if as_json:
        click.echo(json.dumps(seen.as_data(), indent=2))
    else:
        _draw(seen, Screen())
        if bundle is not None:
            click.echo(f"written: {bundle}; look into it before you give it away")
    raise SystemExit(int(Exit.INVALID if seen.findings else Exit.OK))


def _socket_if_any() -> Path | None:
    """Return the only speaker's socket here, None where there is none."""
    try:
        return only_socket()
    except Failure as failure:
        if "several" in failure.message:
            raise
        return None


def _draw(seen: Any, screen: Screen) -> None:
    screen.line((seen.subject, "bold"), f"  {seen.looked_at}")
    if not seen.findings:
        screen.line(("nothing found", "green"))
    for each in seen.findings:
        mark: Cell = (f"{sign(each.severity)} {each.severity:8}", COLOURS[each.severity])
        what: list[Cell] = [mark, "  ", (each.kind, "bold"), f": {each.text}"]
        if screen.is_terminal:
            screen.line(*what, indent=4)
            screen.line("    ", (each.evidence, "dim"), indent=4)
            screen.line("    ", (f"-> {each.cure}", "cyan"), indent=7)
        else:
            screen.line(*what, f" [{each.evidence}]", f" -> {each.cure}")
    for each in seen.not_looked_at:
        screen.line((f"not looked at: {each}", "dim"))
