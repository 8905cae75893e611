"""A small HTTP/1.1 server for the local API: h11 for the protocol, asyncio streams for the bytes.

One request per connection, no request bodies beyond what the server was made for, a deadline on every read,
and on every write of an answer that goes on: enough for `roost status`, metrics, a webhook and a page that
lives, and nothing to attack.
"""

import asyncio
import json
import os
import socket
import ssl
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import h11

from roost.runtime.connections import Connections
from roost.runtime.http_request import Request, UnfitRequestError, read_request

__all__ = ["Handler", "HttpServer", "Request", "Response", "SocketPathError", "Stream"]

_READ_DEADLINE: Final = 5.0  # seconds a client may take to send its request
_WRITE_DEADLINE: Final = 10.0  # seconds it may take to read what was written so far
_CLOSE_DEADLINE: Final = 2.0  # seconds it may take to say that it has heard the end
_MAX_CONNECTIONS: Final = 64
_HEARD_OUT: Final = 1 << 20  # bytes
_WRITTEN: Final = 256 * 1024  # bytes of an answer that are written together
_MAX_BODY: Final = 16 * 1024  # bytes


class SocketPathError(OSError):
    """The unix socket's path cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Response:
    """What to send back."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on: `parts` are sent as they come, until they end or the client goes away."""

    parts: AsyncGenerator[bytes, None]
    content_type: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


Handler = Callable[[Request], Awaitable[Response | Stream]]


class HttpServer:
    """Serves one handler on any number of unix sockets and TCP addresses."""

    def __init__(self, handler: Handler, *, most_bytes: int = _MAX_BODY) -> None:
        self._handler = handler
        self._most_bytes = most_bytes
        self._servers: list[asyncio.Server] = []
        self._sockets: list[Path] = []
        # Of each connection: what to break it off by, until its request is here.
        self._open: dict[object, asyncio.WriteTransport | None] = {}
        self._connections = Connections(partial(self._serve, None))
        self._secured: list[Connections] = []

    async def listen_unix(self, path: Path) -> None:
        """Listen on `path` (mode 0600), replacing the leftover of a dead process.

        Raises `SocketPathError` when a living process owns the path or it cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                await _remove_leftover(path)
            server = await asyncio.start_unix_server(self._connections.accept, path, limit=_MAX_BODY)
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        except OSError as error:
            if isinstance(error, SocketPathError):
                raise
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SocketPathError(
                f"cannot listen on {path}: {reason}; set status.socket to a path that this user may write"
            ) from error
        self._servers.append(server)
        self._sockets.append(path)

    async def listen_tcp(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on a TCP address and return the port, which is another than 0; raises OSError when taken."""
        connections = self._connections
        if tls is not None:
            self._secured.append(connections := Connections(partial(self._serve, tls)))
        server = await asyncio.start_server(connections.accept, host, port, limit=_MAX_BODY)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def listen_on(self, listening: socket.socket) -> None:
        """Listen on a socket that listens already."""
        server = await asyncio.start_server(self._connections.accept, sock=listening, limit=_MAX_BODY)
        self._servers.append(server)

    async def close(self) -> None:
        """Stop listening, break off what is being answered, and remove the sockets from the file system."""
        for server in self._servers:
            server.close()
        for connections in (self._connections, *self._secured):
            await connections.close()
        for path in self._sockets:
            path.unlink(missing_ok=True)
        self._servers.clear()
        self._secured.clear()
        self._sockets.clear()

    async def _serve(
        self, tls: ssl.SSLContext | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        slot, transport = object(), writer.transport
        if not self._has_room():
            transport.abort()
            return
        self._open[slot] = transport  # counts as one that has not asked yet
        try:
            if tls is not None:
                async with asyncio.timeout(_READ_DEADLINE):
                    await _shake_hands(writer, tls)
            await self._exchange(slot, reader, writer)
            writer.close()
            async with asyncio.timeout(_CLOSE_DEADLINE):
                await writer.wait_closed()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the client went away, was too slow or spoke no HTTP: its loss alone
        finally:
            self._open.pop(slot, None)
            transport.abort()

    def _has_room(self) -> bool:
        """Tell whether one more client may come; of those that have not asked yet, the first gives way."""
        if len(self._open) < _MAX_CONNECTIONS:
            return True
        for slot, transport in self._open.items():
            if transport is not None:
                transport.abort()
                del self._open[slot]
                return True
        return False

    async def _exchange(
        self, slot: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_BODY)
        try:
            async with asyncio.timeout(_READ_DEADLINE):
                request = await read_request(connection, reader, self._most_bytes)
        except UnfitRequestError as error:
            body = json.dumps({"error": str(error)}).encode()
            await _send(connection, writer, Response(error.status, body), "GET")
            await _hear_out(reader, writer)
            return
        if request is None or slot not in self._open:
            return
        self._open[slot] = None  # it has asked
        answer = await self._handler(request)
        if isinstance(answer, Stream):
            await _stream(connection, reader, writer, answer)
        else:
            await _send(connection, writer, answer, request.method)


async def _shake_hands(writer: asyncio.StreamWriter, tls: ssl.SSLContext) -> None:
    """Go on by TLS. Raises OSError."""
    plain = writer.transport
    try:
        await writer.start_tls(tls)
    except AttributeError:  # Python 3.11: the client has gone meanwhile, and the writer has nothing to close
        writer._transport = plain  # type: ignore[attr-defined]  # noqa: SLF001
        raise ConnectionResetError from None


async def _hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what a refused client still says, up to a bound: else its kernel may drop the refusal."""
    if not writer.can_write_eof():
        return
    writer.write_eof()
    heard = 0
    async with asyncio.timeout(_CLOSE_DEADLINE):
        while heard < _HEARD_OUT and (data := await reader.read(_MAX_BODY)):
            heard += len(data)


def _headers(answer: Response | Stream, *more: tuple[str, str]) -> list[tuple[str, str]]:
    given = {"x-content-type-options": "nosniff", **answer.headers}
    return [("content-type", answer.content_type), *more, ("connection", "close"), *given.items()]


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, answer: Response, method: str
) -> None:
    """Send an answer. Raises TimeoutError when the client does not read it."""
    writer.transport.set_write_buffer_limits(0)  # so that drain() waits until all is written
    headers = _headers(answer, ("content-length", str(len(answer.body))))
    head = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    body = b"" if method == "HEAD" else answer.body
    parts = [
        head + body[:_WRITTEN],
        *(body[at : at + _WRITTEN] for at in range(_WRITTEN, len(body), _WRITTEN)),
    ]
    for part in parts:
        writer.write(part)
        async with asyncio.timeout(_WRITE_DEADLINE):
            await writer.drain()


async def _stream(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Stream
) -> None:
    """Send parts as they come. Who reads nothing for a while, or goes away, is let go."""

    async def send() -> None:
        async with aclosing(answer.parts) as parts:
            async for part in parts:
                writer.write(connection.send(h11.Data(data=part)) or b"")
                async with asyncio.timeout(_WRITE_DEADLINE):
                    await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")

    writer.transport.set_write_buffer_limits(high=_MAX_BODY)
    head = h11.Response(status_code=200, headers=_headers(answer))
    writer.write(connection.send(head) or b"")
    sending, gone = works = [asyncio.create_task(send()), asyncio.create_task(_gone(reader))]
    try:
        await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not sending.done() or sending.exception() is not None:
            writer.transport.abort()  # what was not read yet is not waited for
        sending.cancel()
        await asyncio.gather(*works, return_exceptions=True)


async def _gone(reader: asyncio.StreamReader) -> None:
    """Return when the client has closed its end; what it still says is nothing to anybody."""
    while await reader.read(_MAX_BODY):
        pass


async def _remove_leftover(path: Path) -> None:
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise SocketPathError(
            f"cannot listen on {path}: it exists and is no socket; remove it or set status.socket"
        )
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        path.unlink(missing_ok=True)  # nobody listens: its process is dead
        return
    writer.close()
    raise SocketPathError(
        f"cannot listen on {path}: another speaker is running there; stop it or set status.socket"
    )
