"""`roost record`: what was on the wire and decided of late, as a file for Wireshark."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

import click

from roost.cli.client import only_socket, socket_option
from roost.cli.exits import Exit, Failure

__all__ = ["command"]

_LONGEST = 3600.0  # seconds
_PATIENCE = 10.0  # seconds, beside those of the recording


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="The file, readable by its owner alone; - is stdout, to be piped into `wireshark -k -i -`.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, _LONGEST),
    default=0.0,
    help="Go on so long with what comes; by default only what is known of before.",
)
@click.option("--decrypt", is_flag=True, help="Write gossip in clear, opened with the speaker's keys.")
@socket_option
def command(output: Path, seconds: float, socket_path: Path | None, *, decrypt: bool) -> None:
    """Write ARP, ND, probes, gossip and decisions of the speaker here as pcapng.

    What is known of the last minutes comes first; each decision is a comment on the packet before it. Ctrl-C
    ends a recording.
    """
    sock = socket_path or only_socket()
    query = {"seconds": f"{seconds:g}", **({"decrypt": "true"} if decrypt else {})}
    written = asyncio.run(_write(sock, f"/v1/record?{urlencode(query)}", seconds + _PATIENCE, output))
    if str(output) != "-":
        click.echo(f"{output}: {written} packets", err=True)


def _opened(output: Path) -> BinaryIO:
    if str(output) == "-":
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    try:
        file = os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)  # also of one that was there before
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror or error}", Exit.CANNOT_RUN) from error
    return file


async def _write(sock: Path, target: str, patience: float, output: Path) -> int:
    """Write whole blocks until the speaker or Ctrl-C ends it; return how many packets there were.

    A file that was there is not touched before the speaker has answered.
    """
    import h11  # noqa: PLC0415 - not for --help

    from roost.protocols import pcapng  # noqa: PLC0415
    from roost.runtime.http_client import NotASpeakerError  # noqa: PLC0415
    from roost.runtime.http_stream import stream  # noqa: PLC0415

    packets = 0
    rest = b""
    file: BinaryIO | None = None
    try:
        with ExitStack() as files:
            async for part in _parts(stream(sock, target, patience)):
                file = file or files.enter_context(_opened(output))
                rest += part
                whole, count = pcapng.whole_blocks(rest)
                _keep(file, rest[:whole], output)
                rest = rest[whole:]
                packets += count
    except (h11.RemoteProtocolError, NotASpeakerError, ValueError) as error:
        raise Failure(
            f"the speaker at {sock} has ended, or cannot record: {error}", Exit.NO_SPEAKER
        ) from error
    except (BrokenPipeError, Failure):
        raise
    except (OSError, TimeoutError) as error:
        raise Failure(f"no speaker answers at {sock} ({error})", Exit.NO_SPEAKER) from error
    return packets


def _keep(file: BinaryIO, data: bytes, output: Path) -> None:
    try:
        file.write(data)
        file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror or error}", Exit.CANNOT_RUN) from error


async def _parts(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield parts until Ctrl-C."""
    import signal  # noqa: PLC0415

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ended.set)
    end = asyncio.ensure_future(ended.wait())
    try:
        async with aclosing(parts):
            while True:
                coming = asyncio.ensure_future(anext(parts, b""))
                await asyncio.wait([coming, end], return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    return
                if not (part := coming.result()):
                    return
                yield part
    finally:
        end.cancel()
