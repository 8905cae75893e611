"""Telling the cluster whether a component could use its configuration: MetalLB's ConfigurationState."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import STATES
from roost.kubernetes.mirror import Mirror
from roost.kubernetes.resources import Object
from roost.observe.quiet import Once

__all__ = ["ConfigurationState"]

_log = logging.getLogger("roost.kubernetes")

_AFTER: Final = 0.2  # seconds in which changes become one write
_AGAIN: Final = 5.0  # seconds before a failed write is repeated
_LOOK: Final = 60.0  # seconds between two looks whether the object is still there, where it cannot be watched
_SUMMARY: Final = 8192  # characters of all messages


class ConfigurationState:
    """Keeps the object `name` true to what was `set` last; `condition` names the part that judged."""

    def __init__(
        self, api: Api, namespace: str, name: str, labels: Mapping[str, str], condition: str
    ) -> None:
        self._api = api
        self._collection = STATES.path(namespace)
        self._path = STATES.path(namespace, name)
        self._name = name
        self._labels = {f"metallb.io/{key}": value for key, value in labels.items()}
        self._condition = condition
        self._mistakes: tuple[str, ...] | None = None
        self._news = asyncio.Event()
        self._last: Object = {}
        self._written = asyncio.Event()  # the kind is known, and may be written
        self._mirror: Mirror[Object] = Mirror(
            api,
            STATES,
            lambda item: item.get("status") or {},
            self._on_object,
            namespace=namespace,
            selector={"fieldSelector": f"metadata.name={name}"},
        )

    def set(self, mistakes: Sequence[object]) -> None:
        """Take what is wrong with the configuration, nothing when it is in force."""
        texts = tuple(str(each) for each in mistakes)
        if texts != self._mistakes:
            self._mistakes = texts
            self._news.set()

    async def run(self) -> None:
        """Write until cancelled; seldom where the cluster does not know the kind, or forbids it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_for_ever())
            await self._written.wait()
            group.create_task(self._mirror.run())

    def _on_object(self, _key: str, old: Object | None, new: Object | None) -> None:
        """Write again what somebody deleted, or changed."""
        if old is not None and new != self._last:
            self._news.set()

    async def _write_for_ever(self) -> None:
        await self._news.wait()
        complaint = Once()
        while True:
            await asyncio.sleep(_AFTER)
            self._news.clear()
            wait = _LOOK
            try:
                await self._write()
                self._written.set()
            except ApiError as error:
                if not (error.not_found or error.forbidden):
                    wait = _AGAIN
                elif complaint.new(error):
                    wait = _AGAIN  # it may have to do with the server's start
                    _log.info("no ConfigurationState is kept: %s", error)
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _write(self) -> None:
        item = await self._api.find(self._path)
        if item is None:
            body = {
                "apiVersion": "metallb.io/v1beta1",
                "kind": "ConfigurationState",
                "metadata": {"name": self._name, "labels": self._labels},
            }
            item = await self._api.create(self._collection, body)
        status = self._last = self._status(item.get("status") or {})
        if item.get("status") != status:
            await self._api.replace(f"{self._path}/status", {**item, "status": status})

    def _status(self, before: Mapping[str, Any]) -> dict[str, Any]:
        mistakes = self._mistakes or ()
        summary = "\n".join(mistakes)[:_SUMMARY]
        message = f"configuration error: {summary}" if mistakes else ""
        condition: dict[str, Any] = {
            "type": self._condition,
            "status": "False" if mistakes else "True",
            "reason": "ConfigurationError" if mistakes else "Reconciled",
            "message": message,
        }
        known = {each["type"]: each for each in before.get("conditions") or ()}
        old = known.get(self._condition, {})
        same = all(old.get(key) == value for key, value in condition.items())
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition["lastTransitionTime"] = old["lastTransitionTime"] if same else now
        return {
            "result": "Invalid" if mistakes else "Valid",
            "errorSummary": summary,
            "conditions": [*(each for key, each in known.items() if key != self._condition), condition],
        }
