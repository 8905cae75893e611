"""The process around a speaker: start, signals, and the end.

SIGHUP reloads; SIGTERM or SIGINT hands over and leaves; a second one, or `terminationGrace`, ends the wait.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from roost import __version__
from roost.protocols.words.metadata import MetadataError
from roost.runtime import garbage, signals
from roost.runtime.bind import BindError, address_to_come
from roost.runtime.capabilities import NEEDED, missing
from roost.runtime.http import SocketPathError
from roost.runtime.local_delivery import LocalDeliveryError
from roost.runtime.netns_lock import NamespaceInUseError, lock_namespace
from roost.runtime.packet_socket import CapabilityError
from roost.speaker.errors import CannotRunError
from roost.speaker.listening import Listening, Secured
from roost.speaker.live import Live
from roost.speaker.recording import with_recording
from roost.speaker.reloading import Reloader
from roost.speaker.rival import rivals_told
from roost.speaker.speaker import Speaker
from roost.speaker.views import SpeakerViews
from roost.standalone.config import SpeakerConfig
from roost.standalone.source import FileSource

__all__ = ["run", "serve", "tell_start"]

_log = logging.getLogger("roost.speaker")

_CURED: Final = (
    BindError,
    CapabilityError,
    LocalDeliveryError,
    MetadataError,
    NamespaceInUseError,
    SocketPathError,
)


def tell_start(node: str, source: str) -> None:
    """Log what starts here, before anything can keep it from starting."""
    _log.info("roost %s starts", __version__, extra={"node": node, "source": source})


async def run(path: Path, config: SpeakerConfig) -> None:
    """Announce what a file says until a signal asks to leave, then leave. Raises CannotRunError."""
    tell_start(config.node, str(path))
    speaker = Speaker(FileSource(path, config))
    reloader = Reloader(speaker, path)
    signals.handle(asyncio.get_running_loop(), signal.SIGHUP, reloader.request)
    await serve(speaker, beside=reloader.run)


async def serve(
    speaker: Speaker,
    *,
    beside: Callable[[], Awaitable[None]] | None = None,
    secured: Secured | None = None,
) -> None:
    """Run a speaker until a signal asks to leave, then leave. Raises CannotRunError when it cannot start.

    `beside` runs while the speaker announces, and is cancelled as soon as it is to leave.
    """
    _look_for_capabilities(speaker)
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signals.handle(loop, number, asked_to_stop)
    with _alone() as lock, rivals_told(lock, partial(setattr, speaker, "rival")):
        live = Live(speaker)
        recording = partial(with_recording, speaker.records.recorder, speaker.adapters.cluster)
        status = speaker.config.status
        listening = Listening(SpeakerViews(speaker), live.hub, status, secured, on_socket=recording)
        try:
            with _or_cannot_run():
                await listening.open()
            await _first(stop.wait(), _addresses_to_come(speaker))
            if not stop.is_set():
                await _announce(speaker, stop, hurry, beside)
        finally:
            live.close()
            await listening.close()
    _log.info("left")


async def _announce(
    speaker: Speaker,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    beside: Callable[[], Awaitable[None]] | None,
) -> None:
    try:
        await _start(speaker)
        working = asyncio.ensure_future(speaker.run())
        await _first(stop.wait(), asyncio.shield(working), *([beside()] if beside else ()))
        handing_over = speaker.hand_over()
        grace = speaker.config.termination_grace
        await _first(hurry.wait(), asyncio.shield(working), handing_over, within=grace)
        working.cancel()
    except* Exception as failures:
        # A part that does nothing any more must not look as if it did: the peers take over, systemd restarts.
        raise CannotRunError(f"a part of the speaker has failed: {failures.exceptions[0]!r}") from failures
    finally:
        await speaker.stop()


def _look_for_capabilities(speaker: Speaker) -> None:
    if lacking := [name for name in missing() if name != "CAP_NET_ADMIN" or speaker.source.delivers_locally]:
        needs = "; ".join(f"{name} is missing, it is needed {NEEDED[name]}" for name in lacking)
        raise CannotRunError(f"{needs}; run as root or grant it (setcap, AmbientCapabilities=)")


def _alone() -> socket.socket:
    """Take the lock of this network namespace: until it is held, nothing on the host is touched."""
    with _or_cannot_run():
        return lock_namespace()


async def _addresses_to_come(speaker: Speaker) -> None:
    """Wait for the address that membership is bound to, and say so where people look."""
    membership = speaker.config.membership
    if membership is None:
        return

    def say() -> None:
        speaker.waiting_for = f"{membership.bind.host} (membership.bind), which no link of this host has"
        _log.warning("waiting for %s", speaker.waiting_for)

    await address_to_come(membership.bind.host, say)
    if speaker.waiting_for:
        _log.info("waited long enough: %s is there", membership.bind.host)
        speaker.waiting_for = ""


async def _start(speaker: Speaker) -> None:
    garbage.settle()  # before the node takes part: nobody waits for it yet
    with _or_cannot_run():
        await speaker.start()


@contextmanager
def _or_cannot_run() -> Iterator[None]:
    """Raise CannotRunError for whatever keeps a speaker from starting; most of that names its cure itself."""
    try:
        yield
    except _CURED as error:
        raise CannotRunError(str(error)) from error
    except OSError as error:
        raise CannotRunError(f"cannot start: {error}") from error


async def _first(*works: object, within: float | None = None) -> None:
    """Run coroutines until the first is done or `within` seconds have passed; the rest is cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    done, pending = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
