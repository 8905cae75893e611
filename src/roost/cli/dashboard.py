"""`roost dashboard`: one page of a whole cluster, in a process of its own."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from roost import __version__
from roost.cli.client import sockets_here
from roost.cli.cluster import is_known
from roost.cli.exits import Exit, Failure
from roost.cli.listen import Listen, cannot_listen
from roost.observe.web.dashboard import Dashboard, SocketPlace
from roost.observe.web.gathering import Gathering, Place
from roost.observe.web.hub import Hub
from roost.protocols.machine import Endpoint
from roost.runtime.http import HttpServer

__all__ = ["command"]

_EVENTS = 256  # kept of each speaker
Find = Callable[[], Awaitable[Sequence[Place]]]


@click.command()
@click.option(
    "--listen",
    type=Listen(),
    default="127.0.0.1:7480",
    show_default=True,
    help="Where the page is served; port 0 for a free one.",
)
@click.option(
    "--socket",
    "paths",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A speaker's API socket; may be repeated. Default: all in /run/roost (or $XDG_RUNTIME_DIR/roost);"
    " without any, the speakers of the cluster that KUBECONFIG leads to.",
)
@click.option("--read-only", is_flag=True, help="Offer no drains, whoever asks.")
def command(listen: Endpoint, paths: tuple[Path, ...], *, read_only: bool) -> None:
    """Show a whole cluster as a page, live, until Ctrl-C.

    Who opens the address with its token may drain nodes; without the token the page only shows.
    """
    try:
        asyncio.run(_serve(listen, paths, read_only=read_only))
    except KeyboardInterrupt:
        raise SystemExit(0) from None


async def _serve(listen: Endpoint, paths: Sequence[Path], *, read_only: bool) -> None:
    find, close = _places(paths)

    def hello() -> Mapping[str, Any]:
        acts = [] if read_only else ["drain", "undrain"]
        return {"mode": "dashboard", "version": __version__, "me": "dashboard", "acts": acts}

    hub = Hub(hello, {"events": _EVENTS})
    gathering = Gathering(hub, find)
    dashboard = Dashboard(hub, gathering, listen.host, {} if read_only else None)
    server = HttpServer(dashboard.handle)
    try:
        port = await server.listen_tcp(listen.host, listen.port)
    except OSError as error:
        raise cannot_listen(listen, error, "--listen") from error
    address = f"http://{Endpoint(listen.host, port)}/"
    click.echo(address if read_only else f"{address}#token={dashboard.token}")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    try:
        await gathering.run()
    except asyncio.CancelledError:
        pass
    finally:
        hub.close()
        await server.close()
        await close()


def _places(paths: Sequence[Path]) -> tuple[Find, Callable[[], Awaitable[None]]]:
    """Return what finds the speakers, and what ends that."""
    if not paths and not sockets_here() and is_known():
        return _cluster()

    async def find() -> Sequence[Place]:
        return [SocketPlace(path) for path in paths or sockets_here()]

    async def close() -> None:
        pass

    return find, close


def _cluster() -> tuple[Find, Callable[[], Awaitable[None]]]:
    from roost.kubernetes.client import Api  # noqa: PLC0415 - only who asks a cluster loads all this
    from roost.kubernetes.credentials import CredentialsError, find  # noqa: PLC0415
    from roost.kubernetes.speaker_pods import places  # noqa: PLC0415

    try:
        api = Api(find(), connections=256)  # one for each speaker's stream
    except CredentialsError as error:
        raise Failure(str(error), Exit.CANNOT_RUN) from error
    return (lambda: places(api)), api.close
