"""Reading one HTTP request, whole and within bounds: h11 for the protocol, asyncio streams for the bytes."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import h11

__all__ = ["Request", "UnfitRequestError", "read_request"]

_CHUNK: Final = 16 * 1024  # bytes


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


class UnfitRequestError(Exception):
    """What came is no request that is answered here; `status` is HTTP's for the client."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, most_bytes: int
) -> Request | None:
    """Return the request that comes, None where the client says nothing and goes.

    Raises UnfitRequestError for no HTTP, for more than `most_bytes` and for a body without a length.
    """
    try:
        return await _read(connection, reader, most_bytes)
    except h11.RemoteProtocolError as error:
        raise UnfitRequestError(error.error_status_hint, str(error)) from error


async def _read(connection: h11.Connection, reader: asyncio.StreamReader, most_bytes: int) -> Request | None:
    request: Request | None = None
    body = bytearray()
    received = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_CHUNK)
            received += len(data)
            if received > most_bytes:
                status = 431 if request is None else 413
                raise UnfitRequestError(status, f"a request has {most_bytes} bytes at most")
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            request = _request(event)
        elif isinstance(event, h11.EndOfMessage):
            return replace(request, body=bytes(body)) if request is not None else None
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return None


def _request(event: h11.Request) -> Request:
    if _header(event.headers, b"transfer-encoding"):  # each of thousands of pieces would cost some time
        raise UnfitRequestError(411, "a body needs a Content-Length")
    try:
        target = urlsplit(event.target.decode("ascii", "replace"))
    except ValueError as error:
        raise UnfitRequestError(400, f"no target of a request: {error}") from error
    return Request(
        event.method.decode("ascii"),
        unquote(target.path),
        parse_qs(target.query),
        token=_bearer_token(event.headers),
        host=_header(event.headers, b"host"),
    )


def _bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    scheme, _, token = _header(headers, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value for name, value in headers if name == wanted), b"").decode("ascii", "replace")
