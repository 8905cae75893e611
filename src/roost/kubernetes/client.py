"""A small client of the Kubernetes API: JSON in and out over httpcore, which does HTTP, TLS and pooling.

Requests are retried where the server asks for it (429, 503 with Retry-After) and nowhere else: who asks knows
best whether an answer that was lost may be asked for again.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import httpcore

from roost.kubernetes.credentials import Credentials, CredentialsError
from roost.runtime.http_failures import HTTP_FAILURES

__all__ = ["Api", "ApiError", "Resource"]

_CONNECT: Final = 5.0  # seconds
_ANSWER: Final = 10.0  # seconds
_SILENCE: Final = 120.0  # seconds without a word on a watch: bookmarks come every minute
_KEEPALIVE: Final = (  # a server that vanished is noticed in 25 s, long before that
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_MOST_LINE: Final = 16 << 20  # bytes of one watch event
_MOST_BODY: Final = 256 << 20  # bytes of one answer
_PATIENCE: Final = 3  # times that a request is repeated because the server asked for it
_LONGEST_WAIT: Final = 30.0  # seconds to wait for a busy server, whatever it asks for

MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused, or did not answer (`status` 0); the text is the server's own."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def conflict(self) -> bool:
        """Whether somebody else changed the object meanwhile, or it exists already."""
        return self.status == 409

    @property
    def not_found(self) -> bool:
        """Whether there is no such object, or no such kind."""
        return self.status == 404

    @property
    def forbidden(self) -> bool:
        """Whether a right is missing; the text names it."""
        return self.status in (401, 403)

    @property
    def expired(self) -> bool:
        """Whether a resource version is too old to watch from."""
        return self.status == 410 or self.reason == "Expired"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object in the API: `group` with version as in a URL, such as `api/v1`."""

    group: str
    plural: str

    def path(self, namespace: str = "", name: str = "", part: str = "") -> str:
        """Return the URL path of all of them, of those in a namespace, or of one (or its subresource)."""
        steps = [self.group, *(["namespaces", namespace] if namespace else []), self.plural, name, part]
        return "/" + "/".join(step for step in steps if step)


class Api:
    """One API server. Every call raises ApiError."""

    def __init__(self, credentials: Credentials, *, connections: int = 32) -> None:
        self._credentials = credentials
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=credentials.tls,
            max_connections=connections,
            keepalive_expiry=60.0,
            socket_options=_KEEPALIVE,
        )
        self.requests = 0
        self._silent = False
        self._recovery = asyncio.Event()

    async def recovered(self) -> None:
        """Wait until the server answers somebody after it did not answer somebody."""
        await self._recovery.wait()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the object, or the list, at `path`."""
        return await self._ask("GET", _with_query(path, query))

    async def find(self, path: str) -> dict[str, Any] | None:
        """Return the object at `path`, or None where there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if not error.not_found:
                raise
            return None

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in the collection at `path`; return it."""
        return await self._ask("POST", path, body)

    async def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the object at `path`; return it."""
        return await self._ask("PUT", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `body` into the object at `path` (RFC 7386); return it."""
        return await self._ask("PATCH", path, body, MERGE_PATCH)

    async def apply(self, path: str, body: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """Apply `body` server-side as field manager `owner`, over whoever owned its fields."""
        target = _with_query(path, {"fieldManager": owner, "force": "true"})
        return await self._ask("PATCH", target, body, APPLY_PATCH)

    async def delete(self, path: str) -> None:
        """Delete the object at `path`."""
        await self._ask("DELETE", path)

    async def watch(
        self, path: str, query: Mapping[str, str], on_open: Callable[[], None] = lambda: None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield events until the server ends the watch; an event of type ERROR is raised.

        `on_open()` is called once the server has agreed to tell of changes, which may be long before one.
        """
        target = _with_query(path, {"watch": "true", "allowWatchBookmarks": "true", **query})
        rest = b""
        async with aclosing(self.stream(target, on_open)) as parts:
            async for chunk in parts:
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _MOST_LINE:
                    raise ApiError(0, f"a watch event of more than {_MOST_LINE >> 20} MiB")
                for line in lines:
                    yield _event(line)

    async def stream(
        self, target: str, on_open: Callable[[], None] = lambda: None, silence: float = _SILENCE
    ) -> AsyncGenerator[bytes, None]:
        """Yield what is at `target` in the parts in which it comes; `silence` seconds without any fail."""
        self.requests += 1
        try:
            async with self._pool.stream(
                "GET",
                self._credentials.server + target,
                headers=await self._headers(""),
                extensions={"timeout": _timeout(silence)},
            ) as response:
                self._answered()
                if response.status != 200:
                    raise _error(response.status, await _read(response))
                on_open()
                async for chunk in response.aiter_stream():
                    yield chunk
        except HTTP_FAILURES as error:
            raise self._lost(error) from error

    async def _ask(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        for attempt in range(_PATIENCE + 1):
            status, headers, data = await self._exchange(method, target, body, kind)
            if status < 300:
                return _object(data)
            wait = headers.get("retry-after", "")
            if status not in (429, 503) or not wait.isdigit() or attempt == _PATIENCE:
                break
            await asyncio.sleep(min(float(wait), _LONGEST_WAIT))
        raise _error(status, data)

    async def _exchange(
        self, method: str, target: str, body: Mapping[str, Any] | None, kind: str
    ) -> tuple[int, dict[str, str], bytes]:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        self.requests += 1
        try:
            async with asyncio.timeout(_CONNECT + 2 * _ANSWER):
                async with self._pool.stream(
                    method,
                    self._credentials.server + target,
                    headers=await self._headers(kind if content else ""),
                    content=content,
                    extensions={"timeout": _timeout(_ANSWER)},
                ) as response:
                    self._answered()
                    headers = {name.lower().decode(): value.decode() for name, value in response.headers}
                    return response.status, headers, await _read(response)
        except HTTP_FAILURES as error:
            raise self._lost(error) from error

    def _answered(self) -> None:
        if self._silent:
            self._silent = False
            self._recovery.set()
            self._recovery = asyncio.Event()

    def _lost(self, error: Exception) -> ApiError:
        self._silent = True
        return ApiError(0, f"no answer from the API server: {str(error) or type(error).__name__}")

    async def _headers(self, content_type: str) -> list[tuple[bytes, bytes]]:
        headers = [(b"Accept", b"application/json"), (b"User-Agent", b"roost")]
        if content_type:
            headers.append((b"Content-Type", content_type.encode()))
        try:
            token = await self._credentials.token()
        except (OSError, ValueError, CredentialsError) as error:
            raise ApiError(0, f"the token cannot be read: {error}") from error
        return [*headers, (b"Authorization", f"Bearer {token}".encode())] if token else headers


async def _read(response: httpcore.Response) -> bytes:
    parts, size = [], 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > _MOST_BODY:
            raise ApiError(0, f"an answer of more than {_MOST_BODY >> 20} MiB")
        parts.append(chunk)
    return b"".join(parts)


def _with_query(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _timeout(answer: float) -> dict[str, float]:
    return {"connect": _CONNECT, "read": answer, "write": _ANSWER, "pool": _ANSWER}


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise ApiError(0, f"the API server's answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ApiError(0, "the API server's answer is no JSON object")
    return found


def _event(line: bytes) -> dict[str, Any]:
    event = _object(line)
    found = event.get("object")
    if not isinstance(found, dict) or not isinstance(event.get("type"), str):
        raise ApiError(0, "a watch event without a type and an object")
    if event["type"] == "ERROR":
        code = found.get("code")
        status = code if isinstance(code, int) else 0
        raise ApiError(status, str(found.get("message")), str(found.get("reason")))
    return event


def _error(status: int, data: bytes) -> ApiError:
    try:
        found = _object(data)
    except ApiError:
        found = {"message": data[:200].decode("utf-8", "replace")}
    return ApiError(
        status,
        str(found.get("message") or found.get("error") or f"HTTP {status}"),
        str(found.get("reason") or ""),
    )
