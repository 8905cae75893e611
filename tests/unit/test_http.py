"""The local API's server: one request per connection, nothing to attack."""

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest

from roost.runtime.http import HttpServer, Request, Response, SocketPathError


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
