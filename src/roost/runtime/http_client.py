"""Asking a speaker over its unix socket."""

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import h11

__all__ = ["NotASpeakerError", "get", "request", "stream"]

_CHUNK: Final = 64 * 1024  # bytes


class NotASpeakerError(Exception):
    """Something listens at the socket, and it is no Roost speaker."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get(path: Path, target: str, timeout: float = 5.0) -> tuple[int, Any]:
    """GET `target`; see `request`."""
    return request("GET", path, target, timeout)


def request(method: str, path: Path, target: str, timeout: float = 5.0) -> tuple[int, Any]:
    """Ask for `target` at the socket at `path`; returns the status and the decoded JSON.

    Raises OSError or http.client.HTTPException when nobody answers, NotASpeakerError for another answer.
    """
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except ValueError as error:
        raise NotASpeakerError(f"what listens at {path} is no Roost speaker") from error
    finally:
        connection.close()


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
