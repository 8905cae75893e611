"""Telling the cluster what this node answers for: ServiceL2Status objects and events, as MetalLB does."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.events import Recorder, Reference
from roost.kubernetes.kinds import L2_STATUSES, PODS
from roost.kubernetes.mirror import Mirror
from roost.kubernetes.resources import KubeService, Object

__all__ = ["Announced", "AnnouncedService"]

_log = logging.getLogger("roost.kubernetes")

_NODE: Final = "metallb.io/node"
_NAME: Final = "metallb.io/service-name"
_NAMESPACE: Final = "metallb.io/service-namespace"
_AFTER: Final = 0.1  # seconds in which changes become one round
_AGAIN: Final = 2.0  # seconds before a round that failed is repeated
_AT_ONCE: Final = 8  # services written at once
_OWNER_AGAIN: Final = 60.0  # seconds before a pod that was not found is asked for again


@dataclass(frozen=True, slots=True)
class AnnouncedService:
    """What this node answers for a service: `addresses` are texts, names of `interfaces` empty for all.

    With `missing`, nobody answers: these interfaces are wanted, no node has any, and this one is to say so.
    `others` are the nodes that answer for other addresses of the service. `warning` is what of its
    annotations has no effect, with the cure, where this node is to say so.
    """

    addresses: tuple[str, ...]
    interfaces: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    others: frozenset[str] = field(default=frozenset(), compare=False)
    warning: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Status:
    """One ServiceL2Status, as far as it counts here."""

    name: str
    service: str
    node: str
    told: str  # status.node
    interfaces: tuple[str, ...]


class Announced:
    """Keeps the cluster's objects true to what `answered()` gives for `node`, by namespace/name.

    `pod` owns the objects where it is known, so that they go with it.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        node: str,
        services: Mapping[str, KubeService],
        answered: Callable[[], Mapping[str, AnnouncedService]],
        *,
        pod: str = "",
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._node = node
        self._pod = pod
        self._services = services
        self._answered = answered
        self._recorder = Recorder(api, "metallb-speaker", node)
        self._mirror: Mirror[_Status] = Mirror(api, L2_STATUSES, _parse, self._on_status, namespace=namespace)
        self._wanted: dict[str, AnnouncedService] = {}
        self._failed: dict[str, AnnouncedService] = {}
        self._warned: dict[str, str] = {}
        self._news = asyncio.Event()
        self._owner: list[dict[str, Any]] = []
        self._ask_for_owner_at = float("-inf")

    def changed(self) -> None:
        """Look soon at what this node answers for."""
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._mirror.run())
            group.create_task(self._write_for_ever())

    def _say(self, service: KubeService, announced: AnnouncedService) -> None:
        about = _reference(service)
        if announced.missing:
            message = (
                f'interfaces {", ".join(announced.missing)} wanted for LB IP "{announced.addresses[0]}" '
                f'do not exist on node "{self._node}" with protocol "layer2"'
            )
            self._recorder.say(about, "Warning", "announceFailed", message)
            return
        message = f'announcing from node "{self._node}" with protocol "layer2"'
        self._recorder.say(about, "Normal", "nodeAssigned", message)

    def _on_status(self, _key: str, old: _Status | None, new: _Status | None) -> None:
        found = new or old
        if found is not None and (found.node == self._node or found.service in self._wanted):
            self._news.set()

    async def _write_for_ever(self) -> None:
        await self._mirror.synced.wait()
        while True:
            await self._news.wait()
            await asyncio.sleep(_AFTER)
            self._news.clear()
            self._look()
            try:
                await self._round()
            except ApiError as error:
                _log.warning("cannot tell who announces (ServiceL2Status): %s", error)
                await asyncio.sleep(_AGAIN)
                self._news.set()

    def _look(self) -> None:
        """Take what this node answers for now; what is new is an event."""
        before = self._wanted | self._failed
        found = self._answered()
        self._wanted = {key: each for key, each in found.items() if not each.missing}
        self._failed = {key: each for key, each in found.items() if each.missing}
        for key, each in found.items():
            if before.get(key) != each and (service := self._services.get(key)):
                self._say(service, each)
        warnings = {key: each.warning for key, each in found.items() if each.warning}
        for key, text in warnings.items():
            if self._warned.get(key) != text and (service := self._services.get(key)):
                self._recorder.say(_reference(service), "Warning", "annotationIgnored", text)
        self._warned = warnings

    async def _round(self) -> None:
        """Bring the objects in line with what is wanted, some services at once."""
        by_service: dict[str, list[_Status]] = {}
        for status in self._mirror.items.values():
            by_service.setdefault(status.service, []).append(status)
        keys = [
            key
            for key in self._wanted.keys() | by_service.keys()
            if key in self._wanted or any(each.node == self._node for each in by_service[key])
        ]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(key: str) -> None:
            async with gate:
                await self._settle(key, by_service.get(key, []))

        results = await asyncio.gather(*(one(key) for key in keys), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _settle(self, key: str, found: Sequence[_Status]) -> None:
        wanted = self._wanted.get(key)
        own = sorted((each for each in found if each.node == self._node), key=lambda each: each.name)
        keep = own[0] if own and wanted is not None else None
        others = frozenset() if wanted is None else wanted.others
        stale = [
            each
            for each in (own if wanted is None else found)
            if each is not keep and (each.node not in others or each in own)
        ]
        for each in stale:
            await self._delete(each.name)
        if wanted is None:
            return
        if keep is not None and keep.told == self._node and keep.interfaces == wanted.interfaces:
            return
        name = "" if keep is None else keep.name
        try:
            if keep is None:
                item = await self._create(key)
                name = item["metadata"]["name"]
            else:
                item = await self._api.get(L2_STATUSES.path(self._namespace, name))
            await self._fill(item, key, wanted)
        except ApiError as error:
            if error.not_found:
                self._mirror.discard(f"{self._namespace}/{name}")
            elif not error.conflict:  # the watch tells what it is like now
                raise

    async def _create(self, key: str) -> Object:
        namespace, service = key.split("/", 1)
        labels = {_NODE: self._node, _NAME: service, _NAMESPACE: namespace}
        body = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ServiceL2Status",
            "metadata": {
                "generateName": "l2-",
                "labels": labels,
                "ownerReferences": await self._owners(),
            },
        }
        made = await self._api.create(L2_STATUSES.path(self._namespace), body)
        self._mirror.add(made)
        return made

    async def _fill(self, item: Object, key: str, wanted: AnnouncedService) -> None:
        namespace, service = key.split("/", 1)
        status = {
            "node": self._node,
            "serviceName": service,
            "serviceNamespace": namespace,
            "interfaces": [{"name": each} for each in wanted.interfaces],
        }
        path = L2_STATUSES.path(self._namespace, item["metadata"]["name"], "status")
        self._mirror.put(await self._api.replace(path, {**item, "status": status}))

    async def _delete(self, name: str) -> None:
        try:
            await self._api.delete(L2_STATUSES.path(self._namespace, name))
        except ApiError as error:
            if not error.not_found:
                raise

    async def _owners(self) -> list[dict[str, Any]]:
        """Return the reference to this speaker's pod, if there is one; then it is asked for once."""
        now = asyncio.get_running_loop().time()
        if self._pod and not self._owner and now >= self._ask_for_owner_at:
            try:
                found = await self._api.get(PODS.path(self._namespace, self._pod))
            except ApiError as error:
                if not (error.not_found or error.forbidden):
                    raise
                _log.info("ServiceL2Status objects get no owner: %s", error)
                self._ask_for_owner_at = now + _OWNER_AGAIN
                return []
            reference = {"apiVersion": "v1", "kind": "Pod", "name": self._pod}
            self._owner = [reference | {"uid": found["metadata"]["uid"]}]
        return self._owner


def _reference(service: KubeService) -> Reference:
    return Reference("Service", service.namespace, service.name, service.uid, version=service.version)


def _parse(item: Object) -> _Status:
    labels = item["metadata"].get("labels") or {}
    status = item.get("status") or {}
    return _Status(
        item["metadata"]["name"],
        f"{labels.get(_NAMESPACE, '')}/{labels.get(_NAME, '')}",
        labels.get(_NODE, ""),
        status.get("node") or "",
        tuple(sorted(each.get("name", "") for each in status.get("interfaces") or ())),
    )
