"""An API server in memory that stops answering at a chosen request: determinism is the point."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from roost.kubernetes.client import Api, ApiError

__all__ = ["FakeApi", "Stopped"]


class Stopped(BaseException):
    """The process was killed during a request."""


class FakeApi:
    """Objects by path; each write is an event for who watches, and optimistic locking holds."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.stop_at: int | None = None
        self.after_effect = False
        self.refusals: dict[int, ApiError] = {}
        self.lost_answers: set[int] = set()
        self.slow: dict[str, float] = {}  # seconds before a write to a path has its effect
        self.on_set: Callable[[], None] = lambda: None
        self._versions = itertools.count(1)
        self._log: list[tuple[int, str, str, dict[str, Any]]] = []
        self._news = asyncio.Condition()

    def set(self, path: str, item: dict[str, Any], kind: str = "MODIFIED") -> dict[str, Any]:
        """Store an object as a user would, without a request."""
        stored = copy.deepcopy(item)
        version = next(self._versions)
        stored["metadata"]["resourceVersion"] = str(version)
        fresh = path not in self.objects
        self.objects[path] = stored
        self.on_set()
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            return self.remove(path)
        self._log.append((version, path, "ADDED" if fresh else kind, copy.deepcopy(stored)))
        return copy.deepcopy(stored)

    def remove(self, path: str) -> dict[str, Any]:
        item = self.objects.pop(path)
        version = next(self._versions)
        item["metadata"]["resourceVersion"] = str(version)
        self._log.append((version, path, "DELETED", copy.deepcopy(item)))
        return item

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        self._count(effect=False)
        await asyncio.sleep(0)
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        plural = path.rsplit("/", 1)[1]
        if query is None or "limit" not in query:
            raise ApiError(404, f"{path} is not there", "NotFound")
        items = [copy.deepcopy(item) for key, item in self.objects.items() if key.split("/")[-2] == plural]
        return {"items": items, "metadata": {"resourceVersion": str(next(self._versions))}}

    find = Api.find  # as the real one: by `get`

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"metadata": {}, **body}  # events: nobody looks at them here

    async def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"metadata": {}, **body}

    async def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        target = path.removesuffix("/status")
        self._count(effect=False)
        await asyncio.sleep(self.slow.get(target, 0))
        current = self.objects.get(target)
        if current is None:
            raise ApiError(404, "gone", "NotFound")
        if current["metadata"]["resourceVersion"] != body["metadata"].get("resourceVersion"):
            raise ApiError(409, "changed", "Conflict")
        number = self.requests
        stored = self.set(target, dict(body))
        self._count(effect=True, number=number)
        return stored

    async def recovered(self) -> None:
        await asyncio.Event().wait()

    async def watch(
        self, path: str, query: Mapping[str, str], on_open: Callable[[], None]
    ) -> AsyncIterator[dict[str, Any]]:
        on_open()
        plural, seen = path.rsplit("/", 1)[1], int(query["resourceVersion"])
        while True:
            for version, key, kind, item in list(self._log):
                if version > seen and key.split("/")[-2] == plural:
                    yield {"type": kind, "object": copy.deepcopy(item)}
                    seen = version
            await asyncio.sleep(0.001)

    def _count(self, *, effect: bool, number: int = 0) -> None:
        """Die when it is time: before a request has its effect, or after it and before the answer."""
        if not effect:
            self.requests += 1
        if (refusal := self.refusals.pop(self.requests, None)) and not effect:
            raise refusal
        if effect and number in self.lost_answers:
            self.lost_answers.discard(number)
            raise ApiError(0, "the answer is lost")
        if self.requests == self.stop_at and effect == self.after_effect:
            raise Stopped
