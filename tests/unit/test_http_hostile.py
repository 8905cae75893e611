"""Clients of the HTTP server that mean no good, by real sockets: what each costs is bounded."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from roost.kubernetes import certificates
from roost.kubernetes.serving_certificate import load
from roost.observe.web.answers import with_page
from roost.observe.web.hosts import only_by
from roost.observe.web.hub import Hub
from roost.runtime import http
from roost.runtime.http import Handler, HttpServer, Request, Response, Stream

REQUEST = b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def _answer(request: Request) -> Response:
    return Response(200, f"{request.method} {request.path}".encode(), "text/plain")


@asynccontextmanager
async def serving(handler: Handler = _answer, **settings: Any) -> AsyncIterator[int]:
    """Yield the port of a server, of which at the end nothing is left and nothing was complained about."""
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    tls = settings.pop("tls", None)
    server = HttpServer(handler, **settings)
    port = await server.listen_tcp("127.0.0.1", 0, tls)
    try:
        yield port
    finally:
        await server.close()
        await asyncio.sleep(0)
    assert not server._open
    assert not said


async def _talk(port: int, data: bytes, *, half_close: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if half_close:
        writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x00\xff\r\n\r\n", 400),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000, 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n" + b"a" * 40_000, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHo", 400),
    ],
)
async def test_what_is_no_request_is_told_so_and_costs_its_connection_alone(data: bytes, status: int) -> None:
    async with serving() as port:
        assert (await _talk(port, data, half_close=True)).startswith(b"HTTP/1.1 %d " % status)
        assert (await _talk(port, REQUEST)).endswith(b"GET /x")


@pytest.mark.parametrize(
    "target",
    [b"/\xff\xfe", b"/%ff%fe%00", b"/?a=%ff", b"/?" + b"a&" * 4000, b"/%", b"*", b"http://[::1]/x", b"/#x"],
)
async def test_odd_targets_are_answered(target: bytes) -> None:
    async with serving() as port:
        answer = await _talk(port, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


async def test_slow_clients_give_way_to_one_that_asks_and_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 8)
    monkeypatch.setattr(http, "_READ_DEADLINE", 1.0)
    async with serving() as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
        for _ in range(10):
            assert (await _talk(port, REQUEST)).endswith(b"GET /x")
        for reader, writer in slow:
            with contextlib.suppress(ConnectionError):
                assert not (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200")
            writer.close()


async def test_more_connections_than_there_may_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there may be are being answered: none of them gives way."""
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 4)
    done = asyncio.Event()

    async def slowly(_request: Request) -> Response:
        await done.wait()
        return Response(200, b"done", "text/plain")

    async with serving(slowly) as port:
        asking = [asyncio.create_task(_talk(port, REQUEST)) for _ in range(4)]
        await asyncio.sleep(0.2)
        assert await _talk(port, REQUEST) == b""
        done.set()
        assert all(each.endswith(b"done") for each in await asyncio.gather(*asking))


async def test_a_client_that_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_WRITE_DEADLINE", 0.3)
    body = b"x" * (32 << 20)

    async def much(_request: Request) -> Response:
        return Response(200, body, "text/plain")

    async with serving(much) as port:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, REQUEST)
            await asyncio.sleep(1.0)
            got = 0
            with contextlib.suppress(ConnectionResetError):
                while data := await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 5):
                    got += len(data)
            assert got < len(body)
        assert (await _talk(port, REQUEST)).endswith(body)


async def test_of_requests_in_one_connection_the_first_alone_is_answered() -> None:
    async with serving() as port:
        answer = await _talk(port, REQUEST + b"GET /y HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        assert answer.count(b"HTTP/1.1 200") == 1
        assert answer.endswith(b"GET /x")
        assert b"connection: close" in answer


async def test_a_client_that_has_said_all_hears_all() -> None:
    async with serving() as port:
        assert (await _talk(port, REQUEST, half_close=True)).endswith(b"GET /x")


async def test_a_body_in_a_thousand_pieces_is_one_body() -> None:
    async def back(request: Request) -> Response:
        return Response(200, request.body, "text/plain")

    async with serving(back, most_bytes=1 << 20) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"a")
            await writer.drain()
        assert (await reader.read()).endswith(b"\r\n\r\n" + b"a" * 1000)
        writer.close()


async def test_tls_works_and_who_does_not_shake_hands_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 4)
    bundle = certificates.make("roost.test", datetime.now(UTC))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(tls, bundle)
    trusting = ssl.create_default_context(cadata=bundle.ca_crt.decode())
    async with serving(tls=tls) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        for _ in range(5):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trusting, server_hostname="roost.test"
            )
            writer.write(REQUEST)
            assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"GET /x")
            writer.close()
        assert b"HTTP/1.1 200" not in await _talk(port, REQUEST)
        for _, writer in idle:
            writer.close()


def _page() -> Handler:
    async def nothing(request: Request) -> Response:
        return Response(404, request.path.encode(), "text/plain")

    return with_page(Hub(dict, {}), nothing)


@pytest.mark.parametrize(
    "path",
    [
        "/../page.css",
        "/%2e%2e/answers.py",
        "/..%2fanswers.py",
        "//etc/passwd",
        "/static/page.js",
        "/page.js%00",
        "/PAGE.JS",
    ],
)
async def test_the_page_has_its_own_files_alone(path: str) -> None:
    async with serving(_page()) as port:
        answer = await _talk(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404")
        page = await _talk(port, REQUEST.replace(b"/x", b"/page.js"))
        assert page.startswith(b"HTTP/1.1 200")
        assert b"default-src 'none'" in page
        assert page.count(b"nosniff") == 1


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("192.0.2.1:7473", "/v1/status", 200),
        ("[2001:db8::1]:7473", "/v1/status", 200),
        ("localhost", "/", 200),
        ("n1:7473", "/v1/status", 200),
        ("N1", "/v1/status", 200),
        ("node.example.org", "/v1/status", 200),
        ("rebound.example", "/v1/status", 421),
        ("rebound.example", "/", 421),
        ("rebound.example", "/v1/live", 421),
        ("n1.rebound.example", "/v1/status", 421),
        ("[", "/v1/status", 421),
        ("rebound.example", "/metrics", 200),
        ("rebound.example", "/healthz", 200),
    ],
)
async def test_a_name_that_was_made_to_lead_here_reads_nothing(host: str, path: str, status: int) -> None:
    async with serving(only_by(("n1", "Node.example.org"), _answer)) as port:
        answer = await _talk(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 %d" % status)


async def test_streams_leave_room_for_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub lets in half of what a server does."""

    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"begun"
        await asyncio.sleep(60)

    async def answer(request: Request) -> Response | Stream:
        return Stream(parts(), "text/event-stream") if request.path == "/live" else await _answer(request)

    async with serving(answer) as port:
        readers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(32)]
        for reader, writer in readers:
            writer.write(REQUEST.replace(b"/x", b"/live"))
            await reader.readuntil(b"begun")
        assert (await _talk(port, REQUEST)).endswith(b"GET /x")
        for _, writer in readers:
            writer.close()
