"""Whether who shows a token may read metrics: the API server is asked, as MetalLB's endpoints do.

token -> TokenReview -> who -> SubjectAccessReview of GET on the path -> yes or no, believed for a while
"""

import asyncio
import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import ACCESS_REVIEWS, TOKEN_REVIEWS
from roost.observe.quiet import Once
from roost.protocols.bounded import remember
from roost.runtime.http import Handler, Request, Response, Stream

__all__ = ["Access"]

_log = logging.getLogger("roost.kubernetes")

_BELIEVED: Final = 60.0  # seconds that a yes is believed
_REFUSED: Final = 10.0  # seconds that a no is
_REMEMBERED: Final = 256
_AT_ONCE: Final = 4  # questions to the API server
_LONGEST: Final = 8192  # characters of a token


class Access:
    """Asks `api` about bearer tokens; what it answers is remembered, tokens themselves are not."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[bytes, str], tuple[int, float]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._trouble = Once()

    def guard(self, handler: Handler, path: str) -> Handler:
        """Return `handler`, before which who asks for `path` has to show a token that may `get` it."""

        async def guarded(request: Request) -> Response | Stream:
            if request.path != path:
                return await handler(request)
            status = await self.judge(request.token, path)
            if status == 200:
                return await handler(request)
            texts = {401: b"Unauthorized\n", 403: b"Forbidden\n"}
            return Response(status, texts.get(status, b"cannot ask the API server\n"), "text/plain")

        return guarded

    async def judge(self, token: str, path: str) -> int:
        """Return the HTTP status for `token` at `path`: 200, 401, 403, or 503 without an answer."""
        if not token or len(token) > _LONGEST:
            return 401
        key = (sha256(token.encode()).digest(), path)
        now = asyncio.get_running_loop().time()
        status, until = self._known.get(key, (0, now))
        if now < until:
            return status
        try:
            async with self._gate:
                status = await self._ask(token, path)
        except ApiError as error:
            if self._trouble.new(error):
                _log.warning("metrics are refused, nobody says who may read them: %s", error)
            return 503
        self._trouble.over()
        remember(self._known, key, (status, now + (_BELIEVED if status == 200 else _REFUSED)), _REMEMBERED)
        return status

    async def _ask(self, token: str, path: str) -> int:
        review = _review("authentication.k8s.io/v1", "TokenReview", {"token": token})
        told = (await self._api.create(TOKEN_REVIEWS.path(), review)).get("status") or {}
        if told.get("authenticated") is not True:
            return 401
        user = told.get("user") or {}
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        review = _review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
        told = (await self._api.create(ACCESS_REVIEWS.path(), review)).get("status") or {}
        return 200 if told.get("allowed") is True else 403


def _review(version: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "spec": spec}
