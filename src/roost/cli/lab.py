"""`roost lab`: speakers, clients and failures in network namespaces on this machine."""

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from roost.cli.combinations import refuse_all_but, refuse_beside
from roost.cli.exits import Exit, Failure
from roost.cli.listen import Listen, cannot_listen
from roost.cli.options import profile_option
from roost.cli.output import look_for_room, write
from roost.lab.drills import DRILLS, LASTING, story
from roost.lab.fabric import LabError
from roost.lab.isolate import CannotIsolateError, InterruptedEarlyError, handed_in, inside, run_inside
from roost.lab.lab import Lab
from roost.lab.plan import Options
from roost.lab.report import Row, elsewhere, rows, summary
from roost.lab.timeline import draw
from roost.protocols.machine import Endpoint

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]

_FOLDER = Path("/run/lab")  # in the tmpfs that the fabric mounts over /run


def _several(_ctx: click.Context, _parameter: click.Parameter, nodes: int) -> int:
    if nodes < 2:
        raise click.BadParameter("with one node nothing can move, and no drill would end: take 2 or more")
    return nodes


@click.command()
@click.option(
    "--nodes",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    callback=_several,
    help="Speakers, two at least.",
)
@click.option(
    "--vips", type=click.IntRange(1, 1000), default=4, show_default=True, help="Services, an address each."
)
@click.option("--clients", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--ipv6", is_flag=True, help="Give every service an IPv6 address too.")
@profile_option()
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 1000),
    default=2.0,
    show_default=True,
    help="Milliseconds between pings.",
)
@click.option(
    "--duration",
    type=click.FloatRange(1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that the drills busy and lossy last; with no other.",
)
@click.option(
    "--kubernetes",
    is_flag=True,
    help="A real control plane and kube-proxies: a Service is announced, its leader cut off.",
)
@click.option(
    "--fabric",
    type=click.Choice(["arp-inspection", "arp-proxy"]),
    multiple=True,
    help="A switch that shuts a port above 15 ARP packets a second, or answers ARP for the dead.",
)
@click.option(
    "--arp-rate",
    type=click.IntRange(2, 100_000),
    help="ARP packets a second and node for probing (membership.arpRate).",
)
@click.option(
    "--web",
    type=Listen(),
    is_flag=False,
    flag_value="127.0.0.1:7480",
    metavar="[ADDRESS:PORT]",
    help="Serve the lab as a page, at 127.0.0.1:7480 unless told otherwise, with buttons that break and heal;"
    " no story is told, and Ctrl-C ends it with the report.",
)
@click.option(
    "--shared",
    type=click.Choice(["per-client", "connection"]),
    is_flag=False,
    flag_value="per-client",
    help="All nodes serve each address: each its own clients (per-client, unless told otherwise),"
    " or by connection, for clients behind a router (needs root).",
)
@click.option("--drill", type=click.Choice(sorted(DRILLS)), help="One failure instead of the story.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line instead of the live view.")
@click.option(
    "--keep", is_flag=True, help="Keep it running at the end, to look around; Ctrl-C ends it with the report."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the SVG timeline goes. Default: a new file in the temporary folder.",
)
def command(
    *,
    kubernetes: bool,
    profile: str,
    drill: str | None,
    output: Path | None,
    web: Endpoint | None,
    **_: object,
) -> None:
    """Run real speakers and clients on this machine, break something, and see what the clients see.

    Without --drill it tells a short story: the leader is cut off silently, comes back, and is stopped as
    planned. Nothing stays behind but the timeline. Needs root, or a kernel that lets users make
    namespaces.
    """
    if kubernetes:
        allowed = {"kubernetes", "nodes", "profile", "as_json"}
        refuse_all_but(allowed, "with --kubernetes, which has one story")
    if drill not in LASTING:
        refuse_beside({"duration"}, f"but with the drills {' and '.join(LASTING)}")
    if profile == "lan":
        refuse_beside({"arp_rate"}, "with --profile lan: nobody probes by ARP then")
    if not inside():
        if click.get_current_context().params["shared"] == "connection" and os.geteuid() != 0:
            why = "only the kernel spreads connections, and lets users not put programs there: run as root"
            raise Failure(f"--shared connection: {why}, or take --shared per-client", Exit.CANNOT_RUN)
        _look_for_room(output)
        _leave_and_come_back(_listen(web))
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        _run(**click.get_current_context().params)
    except LabError as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error
    except KeyboardInterrupt:
        raise Failure("stopped; nothing is left behind", Exit.INTERRUPTED) from None


def _look_for_room(output: Path | None) -> None:
    look_for_room(output)
    if output is not None and output.is_absolute() and Path("/run") in output.parents:
        # In there is a file system of the lab's own, which ends with it.
        why = "the lab has a /run of its own; take another folder"
        raise Failure(f"cannot write {output}: {why}", Exit.CANNOT_RUN)


def _run(
    *,
    nodes: int,
    vips: int,
    clients: int,
    ipv6: bool,
    profile: str,
    interval: float,
    duration: float,
    kubernetes: bool,
    fabric: tuple[str, ...],
    arp_rate: int | None,
    shared: Literal["per-client", "connection"] | None,
    drill: str | None,
    as_json: bool,
    keep: bool,
    output: Path | None,
    web: Endpoint | None,
) -> None:
    """Play the drill inside the namespaces, and tell of it."""
    if kubernetes:
        _tell_of_kubernetes(nodes, profile, as_json=as_json)
        return
    options = Options(
        nodes=nodes,
        vips=vips,
        clients=clients,
        ipv6=ipv6,
        profile=profile,
        interval=interval / 1e3,
        duration=duration,
        inspects="arp-inspection" in fabric,
        proxies="arp-proxy" in fabric,
        arp_rate=arp_rate,
        sharing=shared or "leader",
    )
    play = DRILLS[drill] if drill else story if web is None else _wait_for_clicks
    name = drill or ("story" if web is None else "web")
    lab, found, picture, others = _play(
        options, play, name, live=not as_json, keep=keep or web is not None, web=web is not None
    )
    path = _write(picture, output)
    ports_shut = lab.fabric.ports_shut
    if as_json:
        facts = {
            "drill": name,
            "nodes": nodes,
            "vips": vips,
            "clients": clients,
            "ipv6": ipv6,
            "profile": profile,
            "fabric": sorted(set(fabric)),
            "arp_rate": arp_rate,
            "shared": shared is not None,
            "sharing": shared or "leader",
            "ports_shut": len(ports_shut),
            "connections": lab.connections,
        }
        click.echo(json.dumps(facts | summary(found) | {"elsewhere": others, "svg": str(path)}))
    else:
        _print(found, lab.connections, ports_shut, path)


def _tell_of_kubernetes(nodes: int, profile: str, *, as_json: bool) -> None:
    """Run the story on a real control plane."""
    from roost.lab.kubernetes import tell  # noqa: PLC0415 - only who wants a cluster loads its parts

    began = time.monotonic()

    def say(line: str) -> None:
        if not as_json:
            click.echo(f"{time.monotonic() - began:6.2f} s  {line}")

    found = tell(nodes, profile, _FOLDER, say)
    if as_json:
        click.echo(json.dumps(found.as_data()))


def _listen(web: Endpoint | None) -> socket.socket | None:
    """Listen where browsers are, which is not inside."""
    if web is None:
        return None
    try:
        family, *_, address = socket.getaddrinfo(
            web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family, backlog=64)
    except OSError as error:
        raise cannot_listen(web, error, "--web ADDRESS:PORT") from error


def _leave_and_come_back(listening: socket.socket | None) -> None:
    """Run this same command in namespaces of its own, and end with its exit code."""
    try:
        sys.exit(run_inside(sys.argv[sys.argv.index("lab") + 1 :], listening))
    except CannotIsolateError as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error
    except InterruptedEarlyError:
        raise Failure("stopped; nothing is left behind", Exit.INTERRUPTED) from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _play(
    options: Options, play: Callable[[Lab], None], name: str, *, live: bool, keep: bool, web: bool
) -> tuple[Lab, list[Row], str, dict[str, Any]]:
    from rich.console import Console  # noqa: PLC0415 - rich only for people

    from roost.lab.view import View  # noqa: PLC0415

    console = Console()
    title = f"roost lab: {name}, {options.nodes} nodes, profile {options.profile}"
    view = View(console, title) if live and console.is_terminal else None
    watching = [view.update if view else (_narrator(console) if live else _silent)]

    def watch(lab: Lab) -> None:
        for each in watching:
            each(lab)

    lab = Lab(options, _FOLDER, watch)
    if web:
        watching.append(_serve(lab))
    with view or nullcontext():
        lab.start()
        play(lab)
        if keep:
            with suppress(KeyboardInterrupt):  # that is how it is asked for the report
                _tell_of_keeping(live=live and view is None)
                lab.keep()
    seen = lab.finish()
    found = rows(lab.events, seen, {client: each.breaks for client, each in lab.held.items()})
    picture = draw(title, list(lab.nodes), began=lab.began, events=lab.events, seen=seen, found=found)
    return lab, found, picture, elsewhere(lab.events, seen)


def _serve(lab: Lab) -> Callable[[Lab], None]:
    """Serve the lab's page, tell where, and return what keeps it up to date."""
    from roost.lab.web import LabPage  # noqa: PLC0415 - only who wants it loads a server

    page = LabPage(lab, handed_in())
    page.start()
    click.echo(page.address, err=True)
    return page.update


def _wait_for_clicks(_lab: Lab) -> None:
    """Do nothing: what happens is ordered from the page."""


def _tell_of_keeping(*, live: bool) -> None:
    if live:
        click.echo("the lab is kept: Ctrl-C ends it with the report")


def _silent(_lab: Lab) -> None:
    """Say nothing while time passes: a program reads the output."""


def _narrator(console: "Console") -> Callable[[Lab], None]:
    """Return what tells of each event once, for output that is no terminal."""
    told = 0

    def tell(lab: Lab) -> None:
        nonlocal told
        for event in lab.events[told:]:
            console.print(f"{event.at - lab.began:6.2f} s  {event.node} {event.label}", highlight=False)
        told = len(lab.events)

    return tell


def _write(picture: str, output: Path | None) -> Path:
    if output is None:
        with tempfile.NamedTemporaryFile("w", prefix="roost-lab-", suffix=".svg", delete=False) as file:
            file.write(picture)
        return Path(file.name)
    write(output, picture)
    return output


def _print(found: list[Row], connections: int, ports_shut: list[str], path: Path) -> None:
    from rich.console import Console  # noqa: PLC0415

    from roost.lab.view import print_rows  # noqa: PLC0415

    console = Console(highlight=False)
    console.print()
    print_rows(console, found)
    broken = sum(row.broken for row in found)
    console.print(f"\nTCP connections: the clients held {connections}, {broken} broke")
    if ports_shut:
        console.print(f"\nports shut for too much ARP: {', '.join(ports_shut)}")
    console.print(f"\ntimeline: {path}", soft_wrap=True)
