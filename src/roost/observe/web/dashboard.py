"""The page of many speakers: questions go to one of them, and so do wishes, from whoever has the token.

The token is made when the server starts and told on its terminal, in the part of the address that browsers
never send (RFC 3986, section 3.5). No page that is open beside this one knows it, nor does one that got here
by another name.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import h11

from roost.observe.web.answers import page
from roost.observe.web.gathering import NO_WORD, Gathering, Place, PlaceError
from roost.observe.web.hosts import is_ours
from roost.observe.web.hub import Hub
from roost.runtime.http import Request, Response, Stream
from roost.runtime.http_client import NotASpeakerError, request
from roost.runtime.http_stream import stream

__all__ = ["Dashboard", "SocketPlace"]

Act = Callable[[str], Awaitable[Mapping[str, Any]]]


class SocketPlace:
    """A speaker at a unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The socket's name, which is the node's unless somebody chose another."""
        return self._path.stem

    async def live(self) -> Any:
        """Yield the parts of its live stream."""
        try:
            async for part in stream(self._path, "/v1/live", NO_WORD):
                yield part
        except TimeoutError as error:
            raise PlaceError("its process says nothing, though it is there") from error
        except (OSError, h11.RemoteProtocolError, NotASpeakerError) as error:
            raise PlaceError(f"no speaker answers: {error}") from error

    async def ask(self, target: str) -> Mapping[str, Any]:
        """GET `target`."""
        return await self._request("GET", target)

    async def drain(self, node: str, *, wish: bool) -> Mapping[str, Any]:
        """Pass on a wish."""
        return await self._request("POST", f"/v1/drain/{quote(node, safe='')}?wish={str(wish).lower()}")

    async def _request(self, method: str, target: str) -> Mapping[str, Any]:
        try:
            status, answer = await asyncio.to_thread(request, method, self._path, target, 2.0)
        except (OSError, h11.RemoteProtocolError, NotASpeakerError) as error:
            raise PlaceError(f"no speaker answers: {error}") from error
        if status >= 400:
            raise PlaceError(str(answer.get("error", status)), status)
        return dict(answer)


class Dashboard:
    """Serves `hub`; `host` is where it listens.

    What `acts` has can be asked for by POST /v1/act/NAME/NODE: drains and their end, unless others are given.
    """

    def __init__(
        self, hub: Hub, gathering: Gathering, host: str, acts: Mapping[str, Act] | None = None
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._hub = hub
        self._gathering = gathering
        self._host = host
        draining = {"drain": partial(self._drain, wish=True), "undrain": partial(self._drain, wish=False)}
        self._acts: Mapping[str, Act] = draining if acts is None else acts

    async def handle(self, request: Request) -> Response | Stream:
        """Answer one request."""
        if not is_ours(request.host, (self._host,)):
            return _error(421, f"this page is not {request.host}")
        try:
            if request.method == "POST":
                return await self._post(request)
            if request.method in ("GET", "HEAD"):
                return await self._get(request)
        except PlaceError as error:
            return _error(error.status or 502, str(error))
        return replace(_error(405, f"{request.method} is not offered"), headers={"allow": "GET, HEAD, POST"})

    async def _get(self, request: Request) -> Response | Stream:
        if found := page(self._hub, request.path):
            return found
        if request.path.startswith(("/v1/explain/", "/v1/drain/")) or request.path == "/v1/what-if":
            query = urlencode(request.query, doseq=True)
            return _json(await self._ask(quote(request.path) + (f"?{query}" if query else "")))
        return _error(404, f"nothing is at {request.path}")

    async def _post(self, request: Request) -> Response:
        if not secrets.compare_digest(request.token.encode(), self.token.encode()):
            return _error(403, "this takes the token that was told where the page was started")
        act, _, node = request.path.removeprefix("/v1/act/").partition("/")
        if request.path.startswith("/v1/act/") and act in self._acts:
            return _json(await self._acts[act](node))
        return _error(404, f"nothing is done at {request.path}")

    async def _ask(self, target: str) -> Mapping[str, Any]:
        async def ask(place: Place) -> Mapping[str, Any]:
            return {**await place.ask(target), "asked": self._gathering.name(place)}

        return await self._first(ask)

    async def _drain(self, node: str, *, wish: bool) -> Mapping[str, Any]:
        return await self._first(lambda place: place.drain(node, wish=wish))

    async def _first(self, question: Callable[[Any], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        """Return the answer of the first speaker that gives any."""
        last = PlaceError("there is no speaker to ask")
        for place in self._gathering.best():
            try:
                return await question(place)
            except PlaceError as error:
                if error.status:
                    raise  # its own answer
                last = error
        raise last


def _json(data: Mapping[str, Any]) -> Response:
    return Response(200, json.dumps(data).encode())


def _error(status: int, text: str) -> Response:
    return Response(status, json.dumps({"error": text}).encode())
