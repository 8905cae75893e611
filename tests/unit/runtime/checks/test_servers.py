"""Looks at TCP and HTTP servers on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.unit.runtime.checks.certificates import certify

from roost.runtime.checks.http import HttpQuestion, check_http
from roost.runtime.checks.tcp import check_tcp

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(serve: _Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _answering(answer: bytes, asked: list[bytes] | None = None) -> _Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(question)
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


def _response(status: int, body: bytes = b"well") -> bytes:
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 ready\r\n")
    await reader.read()
    writer.close()


async def test_tcp() -> None:
    async with _server(_silent) as port:
        assert (await check_tcp("127.0.0.1", port, 2.0)).ok
    refused = await check_tcp("127.0.0.1", port, 2.0)
    assert (refused.ok, refused.why) == (False, "Connection refused")


async def test_a_port_whose_queue_is_full_is_not_well() -> None:
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        result = await check_tcp("127.0.0.1", full.getsockname()[1], 0.2)
    assert (result.ok, result.why) == (False, "no connection within 0.2 s")


@pytest.mark.parametrize(("status", "well"), [(200, True), (302, True), (404, False), (500, False)])
async def test_http_status(status: int, well: bool) -> None:
    async with _server(_answering(_response(status))) as port:
        result = await check_http(HttpQuestion(f"http://127.0.0.1:{port}/healthz"), 2.0)
    assert result.ok == well
    assert result.output == "well"
    assert result.why == (f"status {status}" if well else f"status {status}, not 200-399")


async def test_http_question_as_the_server_hears_it() -> None:
    asked: list[bytes] = []
    async with _server(_answering(_response(204, b""), asked)) as port:
        question = HttpQuestion(f"http://localhost:{port}/a?b=c", expect=((204, 204),), host="web.example")
        assert (await check_http(question, 2.0)).ok
        assert (await check_http(HttpQuestion(f"http://127.0.0.1:{port}"), 2.0)).why == "status 204"
    assert asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"Host: web.example\r\n" in asked[0]
    assert asked[1].startswith(b"GET / HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in asked[1]


async def test_http_body() -> None:
    async with _server(_answering(_response(200, b"state: READY"))) as port:
        url = f"http://127.0.0.1:{port}/"
        assert (await check_http(HttpQuestion(url, body="READY$"), 2.0)).ok
        other = await check_http(HttpQuestion(url, body="^READY"), 2.0)
    assert (other.ok, other.why) == (False, "nothing in the body matches '^READY'")


async def test_http_servers_that_misbehave() -> None:
    for answer in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n"):
        async with _server(_answering(answer)) as port:
            assert not (await check_http(HttpQuestion(f"http://127.0.0.1:{port}/"), 2.0)).ok, answer
    async with _server(_silent) as port:
        result = await check_http(HttpQuestion(f"http://127.0.0.1:{port}/"), 0.2)
    assert (result.ok, result.why) == (False, "no whole answer within 0.2 s")
    async with _server(_greeting) as port:
        plain = await check_http(HttpQuestion(f"https://127.0.0.1:{port}/"), 2.0)
    assert plain.why.startswith("no TLS: ")
    refused = await check_http(HttpQuestion(f"http://127.0.0.1:{port}/"), 2.0)
    assert (refused.ok, refused.why) == (False, "Connection refused")


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 x\r\n\r\n")
        try:
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
        except OSError:
            writer.close()

    async with _server(serve) as port:
        assert (await check_http(HttpQuestion(f"http://127.0.0.1:{port}/"), 5.0)).ok


async def test_https_trusts_the_named_authority_alone(tmp_path: Path) -> None:
    tls = _certify(tmp_path)
    ca = str(tmp_path / "ca.pem")
    async with _server(_answering(_response(200)), tls) as port:
        url = f"https://127.0.0.1:{port}/livez"
        assert (await check_http(HttpQuestion(url, ca_file=ca), 5.0)).ok
        assert (await check_http(HttpQuestion(url, ca_file=ca, server_name="kubernetes"), 5.0)).ok
        other = await check_http(HttpQuestion(url, ca_file=ca, server_name="elsewhere"), 5.0)
        assert not other.ok
        assert other.why.endswith("name one that it has in serverName")
        stranger = await check_http(HttpQuestion(url), 5.0)
        assert stranger.why == "its certificate is not trusted: self-signed certificate"
        missing = await check_http(HttpQuestion(url, ca_file=str(tmp_path / "none")), 5.0)
        assert (missing.ok, missing.why) == (False, "No such file or directory")
        (tmp_path / "ca.pem").write_text("no certificate")
        empty = await check_http(HttpQuestion(url, ca_file=ca), 5.0)
        assert empty.why == f"{ca} holds no certificates (PEM)"


def _certify(folder: Path) -> ssl.SSLContext:
    """Return the context of a server for 127.0.0.1 and `kubernetes`, signed by itself: ca.pem."""
    certify(folder, ["127.0.0.1"], ["kubernetes"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return tls
