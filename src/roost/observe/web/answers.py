"""What every server of the page answers: its files, with a policy that lets nothing in, and the stream."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from roost.observe.web.hub import Hub, TooManyReadersError
from roost.runtime.http import Handler, Request, Response, Stream

__all__ = ["page", "with_page"]

_SCRIPTS: Final = (
    "page.js",
    "model.js",
    "dom.js",
    "sections.js",
    "moves.js",
    "lanes.js",
    "dialogs.js",
    "shares.js",
)
_TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(_SCRIPTS, "text/javascript; charset=utf-8"),
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }
)


def with_page(hub: Hub, handler: Handler) -> Handler:
    """Return `handler`, before which the page of `hub` answers for its own paths."""

    async def answer(request: Request) -> Response | Stream:
        found = page(hub, request.path) if request.method in ("GET", "HEAD") else None
        return found or await handler(request)

    return answer


def page(hub: Hub, path: str) -> Response | Stream | None:
    """Return the page's file at a URL's path, or its live stream; None for any other path."""
    if path == "/v1/live":
        return _live(hub)
    name = path.removeprefix("/") or "index.html"
    return _read(name) if name in _TYPES else None


def _live(hub: Hub) -> Response | Stream:
    """Return the stream for one more reader, or why there is none."""
    try:
        # A proxy that gathers parts (nginx does) would hold back what just happened.
        return Stream(hub.read(), "text/event-stream", {**_HEADERS, "x-accel-buffering": "no"})
    except TooManyReadersError as error:
        return Response(503, json.dumps({"error": str(error)}).encode(), headers={"retry-after": "5"})


@cache
def _read(name: str) -> Response:
    body = (files("roost.observe.web") / "static" / name).read_bytes()
    return Response(200, body, _TYPES[name], _HEADERS)
