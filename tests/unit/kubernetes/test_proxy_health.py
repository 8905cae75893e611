"""What is made of a kube-proxy's answers, of somebody else's, and of none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from roost.kubernetes.proxy_health import ProxyHealth


@contextlib.asynccontextmanager
async def answering(answer: bytes, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def http(status: str, body: bytes = b'{"localEndpoints": 0}') -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "denies"),
    [
        (http("503 Service Unavailable"), True),
        (http("200 OK"), False),
        (http("404 Not Found"), False),  # somebody else's server
        (b"220 this is no HTTP\r\n", False),
        (b"", False),
    ],
)
async def test_only_a_503_says_that_there_is_no_endpoint(answer: bytes, denies: bool) -> None:
    health = ProxyHealth()
    async with answering(answer) as port:
        assert await health.denies(["127.0.0.1"], port) is denies
    await health.close()


async def test_the_addresses_are_asked_in_turn_and_silence_denies_nothing() -> None:
    health = ProxyHealth()
    async with answering(http("503 Service Unavailable"), "::1") as port:
        assert await health.denies(["127.0.0.1", "::1"], port)
    assert not await health.denies(["127.0.0.1", "::1"], port)
    assert not await health.denies([], port)
    await health.close()
