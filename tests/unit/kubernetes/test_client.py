"""The API client and the mirror against a server that misbehaves as real ones do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from roost.kubernetes.client import Api, ApiError, Resource
from roost.kubernetes.credentials import Credentials, CredentialsError
from roost.kubernetes.mirror import Mirror

PODS = Resource("api/v1", "pods")
Answer = Callable[[str], bytes | None]


class Server:
    """Answers each request line with the next of `answers`, the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head.splitlines()[0])
            writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            await writer.drain()
        writer.close()


def answer(status: str, body: object, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


def listing(*names: str, version: int = 5) -> bytes:
    items = [pod(name, version) for name in names]
    return answer("200 OK", {"items": items, "metadata": {"resourceVersion": str(version)}})


def pod(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)}}


def events(*found: tuple[str, str, int], tail: bytes = b"") -> bytes:
    lines = [json.dumps({"type": kind, "object": pod(name, at)}).encode() + b"\n" for kind, name, at in found]
    return answer("200 OK", b"".join(lines) + tail)


@contextlib.asynccontextmanager
async def api(server: Server) -> AsyncIterator[Api]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = Api(Credentials(f"http://127.0.0.1:{port}", None))
    try:
        yield client
    finally:
        await client.close()
        listener.close()


async def follow(server: Server, until: Callable[[dict[str, Any]], bool]) -> list[tuple[str, bool, bool]]:
    """Run a mirror until its items satisfy `until`; the changes that it told: (key, was there, is there)."""
    told: list[tuple[str, bool, bool]] = []
    async with api(server) as client:
        mirror: Mirror[Any] = Mirror(
            client,
            PODS,
            lambda item: item["metadata"]["resourceVersion"],
            lambda key, old, new: told.append((key, old is not None, new is not None)),
        )
        task = asyncio.create_task(mirror.run())
        async with asyncio.timeout(20):
            while not until(dict(mirror.items)):
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return told


async def test_a_busy_server_is_asked_again_when_it_says() -> None:
    server = Server(answer("429 Too Many Requests", {}, "Retry-After: 0"), answer("200 OK", {"ok": True}))
    async with api(server) as client:
        assert await client.get("/x") == {"ok": True}
    assert len(server.requests) == 2


async def test_patience_with_a_busy_server_ends() -> None:
    server = Server(answer("429 Too Many Requests", {"message": "busy"}, "Retry-After: 0"))
    async with api(server) as client:
        with pytest.raises(ApiError, match="busy") as caught:
            await client.get("/x")
    assert caught.value.status == 429
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer("200 OK", b"<html>"), "no JSON"),
        (answer("200 OK", b"[1]"), "no JSON object"),
        (answer("403 Forbidden", {"message": 'cannot list resource "pods"'}), 'cannot list resource "pods"'),
        (answer("500 Oops", b"\xff\xfe"), "HTTP 500|\ufffd"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "no answer"),
        (b"nonsense\r\n\r\n", "no answer"),
        (answer("200 OK", b"[" * 100_000), "no JSON"),
    ],
)
async def test_whatever_comes_is_one_kind_of_error(reply: bytes, text: str) -> None:
    async with api(Server(reply)) as client:
        with pytest.raises(ApiError, match=text):
            await client.get("/x")


async def test_nobody_there() -> None:
    client = Api(Credentials("http://127.0.0.1:1", None))
    with pytest.raises(ApiError, match="no answer from the API server") as caught:
        await client.get("/x")
    assert caught.value.status == 0
    await client.close()


async def test_a_mirror_lists_then_watches() -> None:
    server = Server(listing("a", "b"), events(("ADDED", "c", 6), ("DELETED", "a", 7), ("BOOKMARK", "x", 8)))
    told = await follow(server, lambda items: set(items) == {"default/b", "default/c"})
    assert told[:4] == [
        ("default/a", False, True),
        ("default/b", False, True),
        ("default/c", False, True),
        ("default/a", True, False),
    ]
    assert "resourceVersion=5" in server.requests[1]


async def test_a_truncated_watch_goes_on_where_it_was() -> None:
    server = Server(
        listing("a"),
        events(("ADDED", "b", 6), tail=b'{"type":"ADDED","obj'),
        events(("ADDED", "c", 7)),
        events(),
    )
    await follow(server, lambda items: len(items) == 3)
    assert "resourceVersion=6" in server.requests[2]


async def test_a_broken_event_costs_a_reconnection_only() -> None:
    server = Server(listing("a"), answer("200 OK", b"nonsense\n"), events(("ADDED", "b", 6)), events())
    await follow(server, lambda items: len(items) == 2)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ADDED", "object": {}},
        {"type": "ADDED", "object": {"metadata": 5}},
        {"type": "DELETED", "object": {"metadata": {"namespace": "x"}}},
        {"type": "ERROR", "object": {"code": "many"}},
        {"type": 5, "object": pod("b", 6)},
        {"object": pod("b", 6)},
        {"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "²"}}},
        {"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "9" * 5000}}},
    ],
)
async def test_an_event_of_any_shape_ends_no_mirror(event: object) -> None:
    odd = answer("200 OK", json.dumps(event).encode() + b"\n")
    await follow(
        Server(listing("a"), odd, events(("ADDED", "c", 6)), events()), lambda items: "default/c" in items
    )


@pytest.mark.parametrize(
    "page", [{"items": 5}, {"items": [5]}, {"items": [{}]}, {"items": [], "metadata": [5]}]
)
async def test_a_list_of_any_shape_ends_no_mirror(page: object) -> None:
    await follow(Server(answer("200 OK", page), listing("a"), events()), lambda items: len(items) == 1)


async def test_a_token_that_cannot_be_had_is_an_error_of_the_api() -> None:
    def fail() -> str:
        raise CredentialsError("the plugin gave no token")

    client = Api(Credentials("http://127.0.0.1:1", None, _token=fail))
    with pytest.raises(ApiError, match="gave no token"):
        await client.get("/x")
    await client.close()


async def test_an_expired_watch_compares_everything_anew() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    expired = answer("200 OK", json.dumps(gone).encode() + b"\n")
    server = Server(listing("a", "b"), expired, listing("b", "c", version=9), events())
    told = await follow(server, lambda items: set(items) == {"default/b", "default/c"})
    assert ("default/a", True, False) in told


async def test_a_silent_server_changes_nothing() -> None:
    broken = answer("500 Internal Server Error", {"message": "etcd is away"})
    server = Server(listing("a"), broken, broken, events(("ADDED", "b", 6)), events())
    told = await follow(server, lambda items: len(items) == 2)
    assert all(there for _, _, there in told)


async def test_trouble_ends_when_a_watch_is_open_not_only_when_something_happens() -> None:
    class QuietServer(Server):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self.answers) > 1:
                await super().serve(reader, writer)
            else:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                await reader.read()
                writer.close()

    broken = answer("500 Internal Server Error", {"message": "etcd is away"})
    server = QuietServer(listing("a"), broken, b"")
    async with api(server) as client:
        mirror: Mirror[Any] = Mirror(client, PODS, dict, lambda *_: None)
        task = asyncio.create_task(mirror.run())
        async with asyncio.timeout(20):
            for troubled in (True, False):
                while bool(mirror.trouble) is not troubled:
                    await asyncio.sleep(0.01)
        assert set(mirror.items) == {"default/a"}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_pages_are_put_together() -> None:
    first = {"items": [pod("a", 5)], "metadata": {"resourceVersion": "5", "continue": "more"}}
    server = Server(answer("200 OK", first), listing("b"), events())
    await follow(server, lambda items: len(items) == 2)
    assert "continue=more" in server.requests[1]


async def test_without_the_right_to_watch_it_lists_again() -> None:
    server = Server(listing("a"), answer("403 Forbidden", {"message": "may not watch"}))
    told = await follow(server, lambda items: len(items) == 1)
    assert told == [("default/a", False, True)]


async def test_a_server_that_does_not_know_the_roles_yet_is_not_taken_for_one_that_forbids() -> None:
    forbidden = answer("403 Forbidden", {"message": "may not"})
    server = Server(
        listing("a"),
        events(),  # the server ends, and starts anew:
        forbidden,
        forbidden,
        listing("a", "b", version=6),
        forbidden,
        listing("a", "b", version=6),
        events(("ADDED", "c", 7)),
        events(("ADDED", "d", 8)),
        events(),
    )
    await follow(server, lambda items: len(items) == 4)
    assert sum("watch=true" not in each for each in server.requests) == 4  # lists, one of them refused


async def test_an_object_that_cannot_be_read_is_left_out() -> None:
    def parse(item: Any) -> str:
        return str(item["spec"]["x"])

    odd = {"items": [pod("a", 5), pod("b", 5) | {"spec": {"x": 1}}], "metadata": {"resourceVersion": "5"}}
    async with api(Server(answer("200 OK", odd), events())) as client:
        mirror: Mirror[str] = Mirror(client, PODS, parse, lambda *_: None)
        task = asyncio.create_task(mirror.run())
        await asyncio.wait_for(mirror.synced.wait(), 10)
        assert dict(mirror.items) == {"default/b": "1"}
        task.cancel()


def test_paths() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("ns", "x", "status") == "/api/v1/namespaces/ns/pods/x/status"
