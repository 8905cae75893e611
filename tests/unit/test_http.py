"""The local API's server: one request per connection, nothing to attack."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from roost.runtime.http import HttpServer, Request, Response, SocketPathError, Stream


async def _echo(request: Request) -> Response:
    return Response(200, f"{request.method} {request.path} {request.query}".encode(), "text/plain")


async def _talk(path: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_request_is_parsed_and_answered(tmp_path: Path) -> None:
    server = HttpServer(_echo)
    await server.listen_unix(tmp_path / "run" / "n1.sock")
    answer = await _talk(
        tmp_path / "run" / "n1.sock", b"GET /v1/explain/2001%3Adb8%3A%3A1?a=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    await server.close()
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in head
    assert body == b"GET /v1/explain/2001:db8::1 {'a': ['1', '2']}"


@pytest.mark.parametrize(
    "data", [b"\x00\xff" * 40 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000, b"\r\n"]
)
async def test_what_is_no_request_costs_only_its_connection(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "n1.sock"
    server = HttpServer(_echo)
    await server.listen_unix(path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    writer.write_eof()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 3)
    writer.close()
    assert await _talk(path, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    await server.close()


async def test_closing_ends_what_is_open_without_a_word_in_the_log(tmp_path: Path) -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    server = HttpServer(_echo)
    await server.listen_unix(tmp_path / "n1.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "n1.sock")
    await asyncio.sleep(0.05)
    await server.close()
    assert await asyncio.wait_for(reader.read(), 1) == b""
    await asyncio.sleep(0)
    writer.close()
    assert not said


async def test_the_socket_is_private_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "n1.sock"
    server = HttpServer(_echo)
    await server.listen_unix(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.close()
    assert not path.exists()


async def test_the_leftover_of_a_dead_process_is_replaced_and_a_living_one_respected(tmp_path: Path) -> None:
    path = tmp_path / "n1.sock"
    dead = await asyncio.start_unix_server(lambda _r, _w: None, path)
    dead.close()
    assert path.exists()
    first, second = HttpServer(_echo), HttpServer(_echo)
    await first.listen_unix(path)
    with pytest.raises(SocketPathError, match="another speaker"):
        await second.listen_unix(path)
    await first.close()


async def test_a_path_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "n1.sock"
    path.write_text("precious")
    with pytest.raises(SocketPathError, match="no socket"):
        await HttpServer(_echo).listen_unix(path)
    assert path.read_text() == "precious"


class Parts:
    """A stream's parts, and whether they were ended."""

    def __init__(self, part: bytes, count: int, pause: float = 0.0) -> None:
        self.part, self.count, self.pause = part, count, pause
        self.sent = 0
        self.ended = asyncio.Event()

    async def answer(self, _request: Request) -> Stream:
        return Stream(self._parts(), "text/event-stream", {"x-test": "1"})

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(self.count):
                yield self.part
                self.sent += 1
                await asyncio.sleep(self.pause)
        finally:
            self.ended.set()


async def test_an_answer_that_goes_on_is_sent_as_it_comes(tmp_path: Path) -> None:
    parts = Parts(b"data: 1\n\n", 3, pause=0.01)
    server = HttpServer(parts.answer)
    await server.listen_unix(tmp_path / "n1.sock")
    head, body = (await _talk(tmp_path / "n1.sock", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).split(
        b"\r\n\r\n", 1
    )
    assert b"content-type: text/event-stream" in head
    assert b"x-test: 1" in head
    assert body.count(b"data: 1\n\n") == 3
    assert body.endswith(b"0\r\n\r\n"), "whole to its end"
    await server.close()


async def test_a_client_that_goes_away_ends_its_stream_at_once(tmp_path: Path) -> None:
    parts = Parts(b"x", 10**9, pause=60)
    server = HttpServer(parts.answer)
    await server.listen_unix(tmp_path / "n1.sock")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "n1.sock")
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await asyncio.wait_for(parts.ended.wait(), 3)
    await server.close()


async def test_a_client_that_reads_nothing_costs_little_and_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roost.runtime.http._WRITE_DEADLINE", 0.2)
    parts = Parts(b"x" * 10_000, 10**9)
    server = HttpServer(parts.answer)
    await server.listen_unix(tmp_path / "n1.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "n1.sock"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(parts.ended.wait(), 5)
    assert parts.sent * 10_000 < 1 << 20
    await server.close()
