"""HTTP: requests to every server of ours, and what speakers and backends answer to us."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import cache
from typing import Any, Final

import h11

from fuzz.target import Target
from roost.model.what_if import UnknownNameError
from roost.observe.web.answers import with_page
from roost.observe.web.dashboard import Dashboard
from roost.observe.web.gathering import Gathering, PlaceError
from roost.observe.web.hosts import is_ours
from roost.observe.web.hub import Hub
from roost.runtime.checks import dns
from roost.runtime.http import Request, Stream
from roost.runtime.http_request import UnfitRequestError, read_request
from roost.speaker.api import Api

__all__ = ["TARGETS"]


class _Views:
    """Views of a speaker that knows nobody."""

    async def look(self) -> None:
        pass

    look_at_backends = look

    def status(self) -> Mapping[str, Any]:
        return {}

    names = traffic = status

    def explain(self, key: str) -> Mapping[str, Any]:
        raise UnknownNameError(key)

    def what_if(self, **asked: Any) -> Mapping[str, Any]:
        return asked

    def metrics(self) -> tuple[()]:
        return ()

    def drain(self, node: str, *, wish: bool | None) -> Mapping[str, Any]:
        return {"node": node, "wish": wish}

    def forget(self, node: str) -> Mapping[str, Any]:
        raise UnknownNameError(node)

    def events(self, since: int) -> Mapping[str, Any]:
        return {"since": since}

    async def history(self, most: int, about: str) -> Mapping[str, Any]:
        return {"most": most, "about": about}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _request(data: bytes) -> Request | None:
    reader = asyncio.StreamReader(limit=16 * 1024)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_request(
        h11.Connection(h11.SERVER, max_incomplete_event_size=16 * 1024), reader, 16 * 1024
    )


def _http(data: bytes) -> None:
    """The first byte: whether wishes are taken (1), or a page of many answers (2)."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    _loop().run_until_complete(_exchange(how, rest))


async def _exchange(how: int, data: bytes) -> None:
    request = await _request(data)
    if request is None:
        return
    hub = Hub(dict, {"events": 10})
    if how & 2:
        board = Dashboard(hub, Gathering(hub, _nowhere), "192.0.2.1")
        answer = await board.handle(request)
        assert (
            answer.status != 200 or is_ours(request.host, ("192.0.2.1",))
            if not isinstance(answer, Stream)
            else True
        )
    else:
        answer = await with_page(hub, Api(_Views(), may_change=bool(how & 1)).handle)(request)
    if isinstance(answer, Stream):
        await answer.parts.aclose()
    else:
        assert answer.status < 500 or answer.status == 502


async def _nowhere() -> tuple[()]:
    return ()


class _Speaker:
    """A place whose stream is an input."""

    name = "n1"

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def live(self) -> AsyncGenerator[bytes, None]:
        for at in range(0, len(self._data), 256):
            yield self._data[at : at + 256]


def _live(data: bytes) -> None:
    hub = Hub(dict, {"events": 10})
    place: Any = _Speaker(data)
    try:
        Gathering(hub, _nowhere)._read(place).send(None)
    except StopIteration:
        return


def _dns(data: bytes) -> None:
    assert dns._judge(data, 7, "A of example").why


TARGETS: Final = (
    Target("http", "runtime.http, speaker.api.Api, observe.web.Dashboard", _http, (UnfitRequestError,)),
    Target(
        "live",
        "observe.web.gathering.Gathering",
        _live,
        (PlaceError, ValueError, KeyError, TypeError, AttributeError),
    ),
    Target("dns", "runtime.checks.dns", _dns, (), 600),
)
