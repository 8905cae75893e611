"""A small HTTP/1.1 server for the local API: h11 for the protocol, asyncio streams for the bytes.

One request per connection, no request bodies beyond what the server was made for, a deadline on every read,
and on every write of an answer that goes on: enough for `roost status`, metrics, a webhook and a page that
lives, and nothing to attack.
"""

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import h11

from roost.runtime.connections import Connections

__all__ = ["Handler", "HttpServer", "Request", "Response", "SocketPathError", "Stream"]

_READ_DEADLINE: Final = 5.0  # seconds a client may take to send its request
_WRITE_DEADLINE: Final = 10.0  # seconds it may take to read what was written so far
_MAX_CONNECTIONS: Final = 64
_MAX_BODY: Final = 16 * 1024  # bytes


class SocketPathError(OSError):
    """The unix socket's path cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request; `path` is decoded and without its query, `token` the bearer's (RFC 6750) or "".

    `host` is whom the client believes to ask: the header of that name.
    """

    method: str
    path: str
    query: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    token: str = field(default="", repr=False)
    host: str = ""


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
        self._open = 0
        self._connections = Connections(self._serve)

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
        server = await asyncio.start_server(self._connections.accept, host, port, limit=_MAX_BODY, ssl=tls)
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
        await self._connections.close()
        for path in self._sockets:
            path.unlink(missing_ok=True)
        self._servers.clear()
        self._sockets.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _MAX_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            await self._exchange(reader, writer)
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the client went away, was too slow or spoke no HTTP: its loss alone
        finally:
            self._open -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_BODY)
        async with asyncio.timeout(_READ_DEADLINE):
            request = await _read_request(connection, reader, self._most_bytes)
        if request is None:
            return
        answer = await self._handler(request)
        if isinstance(answer, Stream):
            await _stream(connection, reader, writer, answer)
            return
        body = b"" if request.method == "HEAD" else answer.body
        headers = _headers(answer, ("content-length", str(len(answer.body))))
        writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()


def _headers(answer: Response | Stream, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("content-type", answer.content_type), *more, ("connection", "close"), *answer.headers.items()]


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


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, most_bytes: int
) -> Request | None:
    request: Request | None = None
    body = b""
    received = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_MAX_BODY)
            received += len(data)
            if received > most_bytes:
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            target = urlsplit(event.target.decode("ascii", "replace"))
            request = Request(
                event.method.decode("ascii"),
                unquote(target.path),
                parse_qs(target.query),
                token=_bearer_token(event.headers),
                host=_header(event.headers, b"host"),
            )
        elif isinstance(event, h11.EndOfMessage):
            return replace(request, body=body) if request is not None else None
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return None


def _bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    scheme, _, token = _header(headers, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value for name, value in headers if name == wanted), b"").decode("ascii", "replace")


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
