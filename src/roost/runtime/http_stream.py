"""Reading an answer of a speaker that goes on, over its unix socket."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import h11

from roost.runtime.http_client import NotASpeakerError

__all__ = ["stream"]

_CHUNK: Final = 64 * 1024  # bytes


async def stream(path: Path, target: str, silence: float) -> AsyncGenerator[bytes, None]:
    """GET `target` at the socket at `path`, and yield its body's parts as they come.

    Raises OSError when nobody answers, h11.RemoteProtocolError or NotASpeakerError for another answer, and
    TimeoutError after `silence` seconds without a part.
    """
    connection = h11.Connection(h11.CLIENT)
    async with asyncio.timeout(silence):  # a stopped process takes no more when its queue is full
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        ask = h11.Request(method="GET", target=target, headers=[("host", "localhost")])
        writer.write((connection.send(ask) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(silence):
                    connection.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.Response):
                if event.status_code != 200:
                    raise NotASpeakerError(f"{path} answers {target} with status {event.status_code}")
            else:
                return
    finally:
        writer.close()
