"""The process around a speaker: start, signals, and the end.

SIGHUP reloads; SIGTERM or SIGINT hands over and leaves; a second one, or `terminationGrace`, ends the wait.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from roost.announce.responder import CapabilityError
from roost.membership.metadata import MetadataError
from roost.runtime import signals
from roost.runtime.bind import BindError
from roost.runtime.capabilities import NEEDED, missing
from roost.runtime.http import HttpServer, SocketPathError
from roost.runtime.local_delivery import LocalDeliveryError
from roost.settings import StatusConfig
from roost.speaker.api import Api
from roost.speaker.errors import CannotRunError
from roost.speaker.reloading import Reloader
from roost.speaker.speaker import Speaker
from roost.speaker.views import SpeakerViews
from roost.standalone.config import SpeakerConfig
from roost.standalone.source import FileSource

__all__ = ["run", "serve"]

_log = logging.getLogger("roost.speaker")


async def run(path: Path, config: SpeakerConfig) -> None:
    """Announce what a file says until a signal asks to leave, then leave. Raises CannotRunError."""
    speaker = Speaker(FileSource(path, config))
    reloader = Reloader(speaker, path)
    signals.handle(asyncio.get_running_loop(), signal.SIGHUP, reloader.request)
    await serve(speaker, beside=reloader.run)


async def serve(speaker: Speaker, *, beside: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run a speaker until a signal asks to leave, then leave. Raises CannotRunError when it cannot start.

    `beside` runs while the speaker announces, and is cancelled as soon as it is to leave.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    views = SpeakerViews(speaker)
    local, remote = (HttpServer(Api(views, may_change=may).handle) for may in (True, False))
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signals.handle(loop, number, asked_to_stop)
    try:
        await _start(speaker, local, remote)
        await _first(stop.wait(), *([beside()] if beside else ()))
        await _first(hurry.wait(), speaker.hand_over(), within=speaker.config.termination_grace)
    finally:
        await local.close()
        await remote.close()
        await speaker.stop()
    _log.info("left")


async def _start(speaker: Speaker, local: HttpServer, remote: HttpServer) -> None:
    config = speaker.config
    if lacking := [name for name in missing() if name != "CAP_NET_ADMIN" or speaker.source.delivers_locally]:
        needs = "; ".join(f"{name} is missing, it is needed {NEEDED[name]}" for name in lacking)
        raise CannotRunError(f"{needs}; run as root or grant it (setcap, AmbientCapabilities=)")
    try:
        await _listen(local, remote, config.status)
        await speaker.start()
    except (BindError, CapabilityError, LocalDeliveryError, MetadataError, SocketPathError) as error:
        raise CannotRunError(str(error)) from error
    except OSError as error:
        raise CannotRunError(f"cannot start: {error}") from error


async def _listen(local: HttpServer, remote: HttpServer, status: StatusConfig) -> None:
    ports = [endpoint for endpoint in (status.http, status.probes) if endpoint is not None]
    places = [local.listen_unix(status.socket)]
    places += [remote.listen_tcp(endpoint.host, endpoint.port) for endpoint in ports]
    for place in places:
        try:
            await place
        except OSError as error:
            if status.required:
                raise
            _log.error("questions are not answered there: %s", error)


async def _first(*works: object, within: float | None = None) -> None:
    """Run coroutines until the first is done or `within` seconds have passed; the rest is cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    done, pending = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
