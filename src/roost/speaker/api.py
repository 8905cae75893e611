"""The local HTTP API: read-only views of the speaker."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from roost.model.what_if import ContradictionError, UnknownNameError
from roost.observe.metrics import Metric, exposition
from roost.runtime.http import Request, Response

__all__ = ["Api", "Views"]

_LIMIT: Final = 100  # events of the history, unless more are asked for
_MOST: Final = 10_000
_DIGITS: Final = 20  # Python refuses to read numbers of thousands


class Views(Protocol):
    """What the API shows; each call returns fresh JSON-able data."""

    async def look(self) -> None:
        """Look at what is looked at only when somebody asks, for `status`."""

    async def look_at_backends(self) -> None:
        """Count what is open to backends, for whatever shows them."""

    def status(self) -> Mapping[str, Any]:
        """Everything that `roost status` shows."""

    def names(self) -> Mapping[str, Any]:
        """The names that an operator may type: of nodes, lost ones, services and addresses."""

    def explain(self, key: str) -> Mapping[str, Any]:
        """The ranking of the service with the name or address `key`; raises UnknownNameError."""

    def what_if(
        self, *, down: list[str], add: list[str], drain: list[str], address: str | None
    ) -> Mapping[str, Any]:
        """What would move; raises UnknownNameError and ContradictionError."""

    def metrics(self) -> Iterable[Metric]:
        """A snapshot of all counters and gauges."""

    def drain(self, node: str, *, wish: bool | None) -> Mapping[str, Any]:
        """How far `node` is with draining, after passing on the wish.

        Raises UnknownNameError and ContradictionError.
        """

    def forget(self, node: str) -> Mapping[str, Any]:
        """Miss a lost member no more; raises UnknownNameError for one that is not missed."""

    def events(self, since: int) -> Mapping[str, Any]:
        """What has happened after the event with the serial `since`, oldest first."""

    async def history(self, most: int, about: str) -> Mapping[str, Any]:
        """The last `most` events that are kept over restarts, oldest first; `about`: that name it."""

    def traffic(self) -> Mapping[str, Any]:
        """Packets and questions for each address that is answered here, since somebody began to look."""


class Api:
    """Routes requests to views; only one with `may_change` takes wishes."""

    def __init__(self, views: Views, *, may_change: bool) -> None:
        self._views = views
        self._may_change = may_change

    async def handle(self, request: Request) -> Response:
        """Answer one request; anything unknown is a 4xx with an error text."""
        try:
            if request.method in ("GET", "HEAD"):
                if request.path == "/v1/history":
                    return await self._history(request.query)
                if request.path == "/v1/status":
                    await self._views.look()
                elif request.path == "/metrics" or request.path.startswith("/v1/explain/"):
                    await self._views.look_at_backends()
                return self._get(request)
            if request.method == "POST" and self._may_change:
                return self._post(request)
        except UnknownNameError as error:
            return _error(404, str(error))
        except ContradictionError as error:
            return _error(400, str(error))
        return self._not_offered(request)

    def _post(self, request: Request) -> Response:
        if request.path.startswith("/v1/drain/"):
            return self._drain(request)
        if request.path.startswith("/v1/forget/"):
            return _json(200, self._views.forget(request.path.removeprefix("/v1/forget/")))
        return self._not_offered(request)

    def _not_offered(self, request: Request) -> Response:
        offered = "GET, HEAD, POST" if self._may_change else "GET, HEAD"
        answer = _error(405, f"{request.method} is not offered for {request.path} here")
        return replace(answer, headers={"allow": offered})

    def _get(self, request: Request) -> Response:
        if request.path in ("/healthz", "/readyz"):
            return Response(200, b"ok\n", "text/plain")
        if request.path == "/metrics":
            return Response(
                200, exposition(self._views.metrics()), "text/plain; version=0.0.4; charset=utf-8"
            )
        routes: dict[str, Callable[[], Mapping[str, Any]]] = {
            "/v1/status": self._views.status,
            "/v1/names": self._views.names,
            "/v1/traffic": self._views.traffic,
            "/v1/what-if": lambda: self._what_if(request.query),
            "/v1/events": lambda: self._views.events(_serial(request.query.get("since", []))),
        }
        if route := routes.get(request.path):
            return _json(200, route())
        if request.path.startswith("/v1/explain/"):
            return _json(200, self._views.explain(request.path.removeprefix("/v1/explain/")))
        if request.path.startswith("/v1/drain/"):
            return _json(200, self._views.drain(_drained(request), wish=None))
        return _error(404, f"nothing is at {request.path}")

    async def _history(self, query: Mapping[str, list[str]]) -> Response:
        most = _serial(query.get("limit", [])) or _LIMIT
        return _json(200, await self._views.history(min(most, _MOST), next(iter(query.get("about", [])), "")))

    def _drain(self, request: Request) -> Response:
        asked = request.query.get("wish", [])
        if asked not in (["true"], ["false"]):
            return _error(400, "wish: has to be true (drain) or false (drain no more), once")
        return _json(200, self._views.drain(_drained(request), wish=asked == ["true"]))

    def _what_if(self, query: Mapping[str, list[str]]) -> Mapping[str, Any]:
        return self._views.what_if(
            down=query.get("down", []),
            add=query.get("add", []),
            drain=query.get("drain", []),
            address=next(iter(query.get("address", [])), None),
        )


def _drained(request: Request) -> str:
    return request.path.removeprefix("/v1/drain/")


def _serial(values: list[str]) -> int:
    """Return the first value as a number, 0 for anything else: all events."""
    given = values[0] if values else ""
    return int(given) if given.isascii() and given.isdigit() and len(given) < _DIGITS else 0


def _json(status: int, data: Mapping[str, Any]) -> Response:
    return Response(status, json.dumps(data).encode())


def _error(status: int, text: str) -> Response:
    return _json(status, {"error": text})
