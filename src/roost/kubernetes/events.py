"""Telling users what happens to an object, as core/v1 Events: bounded, and never in anybody's way."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import EVENTS

__all__ = ["Recorder", "Reference"]

_log = logging.getLogger("roost.kubernetes")

_WAITING: Final = 4096  # events that wait to be written; the oldest are dropped
_KNOWN: Final = 1024  # events whose repetition is counted instead of written anew
_TOGETHER: Final = 4  # written at once


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an event is about."""

    kind: str
    namespace: str
    name: str
    uid: str = ""
    api_version: str = "v1"
    version: str = ""

    def as_data(self) -> dict[str, str]:
        """Return it as an ObjectReference."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "resourceVersion": self.version,
        }


@dataclass(frozen=True, slots=True)
class _Said:
    about: Reference
    type: str
    reason: str
    message: str

    @property
    def same(self) -> tuple[str, ...]:
        return (self.about.kind, self.about.uid, self.about.name, self.type, self.reason, self.message)


class Recorder:
    """Writes events of `component` (on `host`, where it matters); one said again is counted."""

    def __init__(
        self, api: Api, component: str, host: str = "", *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.dropped = 0
        self._api = api
        self._source = {"component": component, **({"host": host} if host else {})}
        self._clock = clock or (lambda: datetime.now(UTC))
        self._queue: deque[_Said] = deque()
        self._news = asyncio.Event()
        self._known: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()
        self._refused = False

    def say(self, about: Reference, kind: str, reason: str, message: str) -> None:
        """Put an event in line; returns at once."""
        if len(self._queue) >= _WAITING:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(_Said(about, kind, reason, message[:1024]))
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_TOGETHER):
                group.create_task(self._write_for_ever())

    async def _write_for_ever(self) -> None:
        while True:
            while not self._queue:
                self._news.clear()
                await self._news.wait()
            said = self._queue.popleft()
            try:
                await self._write(said)
                self._refused = False
            except ApiError as error:
                self.dropped += 1
                if not self._refused:
                    _log.warning("cannot write events: %s", error)
                self._refused = True
                await asyncio.sleep(0.2)

    async def _write(self, said: _Said) -> None:
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = said.about.namespace or "default"
        known = self._known.get(said.same)
        if known is not None:
            name, count = known
            self._known[said.same] = (name, count + 1)
            try:
                await self._api.patch(
                    EVENTS.path(namespace, name), {"count": count + 1, "lastTimestamp": now}
                )
            except ApiError as error:
                if not error.not_found:  # it lives for an hour only
                    raise
            else:
                return
        name = f"{said.about.name}.{uuid4().hex[:16]}"
        await self._api.create(EVENTS.path(namespace), self._body(said, namespace, name, now))
        self._known[said.same] = (name, 1)
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _body(self, said: _Said, namespace: str, name: str, now: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": said.about.as_data(),
            "reason": said.reason,
            "message": said.message,
            "type": said.type,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
