"""Asking a cluster's speakers from wherever kubectl works: through the API server's proxy to their pods."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import NODES, PODS
from roost.kubernetes.resources import DRAIN_ANNOTATION
from roost.observe.web.gathering import NO_WORD, PlaceError

__all__ = ["PodPlace", "Pods", "annotate", "find_pods", "is_its_own_answer", "places", "proxied"]

_SPEAKERS: Final = ("app=metallb,component=speaker", "app.kubernetes.io/component=speaker")
_PORT: Final = "9120"


@dataclass(frozen=True, slots=True)
class Pods:
    """The speakers' pods, by name, in one namespace."""

    namespace: str
    names: Sequence[str]


async def find_pods(api: Api) -> Pods:
    """Return the speakers' pods in METALLB_NAMESPACE, or the usual one. Raises ApiError."""
    namespace = os.environ.get("METALLB_NAMESPACE") or "metallb-system"
    names: dict[str, None] = {}
    for labels in _SPEAKERS:
        found = await api.get(PODS.path(namespace), {"labelSelector": labels})
        names.update(dict.fromkeys(pod["metadata"]["name"] for pod in found.get("items") or ()))
    return Pods(namespace, tuple(names))


def proxied(namespace: str, pod: str, target: str) -> Sequence[str]:
    """Return the paths at the API server that lead to `target` of a speaker, by HTTP and by HTTPS."""
    port = os.environ.get("ROOST_PORT", _PORT)
    return [PODS.path(namespace, f"{scheme}{pod}:{port}", "proxy") + target for scheme in ("", "https:")]


def is_its_own_answer(error: ApiError) -> bool:
    """Tell whether it was the speaker that refused, not the API server."""
    return error.status in (400, 404) and not error.reason


async def annotate(api: Api, node: str, *, wish: bool) -> None:
    """Tell the speaker on `node`, by its Node object, whether to drain. Raises ApiError."""
    path = NODES.path(name=quote(node, safe=""))
    await api.patch(path, {"metadata": {"annotations": {DRAIN_ANNOTATION: "true" if wish else None}}})


async def places(api: Api) -> "Sequence[PodPlace]":
    """Return a place to ask for each speaker's pod. Raises PlaceError."""
    try:
        pods = await find_pods(api)
    except ApiError as error:
        raise PlaceError(str(error)) from error
    return [PodPlace(api, pods.namespace, name) for name in pods.names]


class PodPlace:
    """A speaker's pod, for the page of many (`roost.observe.web.gathering.Place`)."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.name = name
        self._api = api
        self._namespace = namespace
        self._by_tls = False  # how it answered last

    async def live(self) -> AsyncGenerator[bytes, None]:
        """Yield the parts of its live stream."""
        path = proxied(self._namespace, self.name, "/v1/live")[self._by_tls]
        try:
            async with aclosing(self._api.stream(path, silence=NO_WORD)) as parts:
                async for part in parts:
                    yield part
        except ApiError as error:
            self._by_tls = not self._by_tls
            raise PlaceError(str(error)) from error

    async def ask(self, target: str) -> Mapping[str, Any]:
        """GET `target`."""
        try:
            return await self._api.get(proxied(self._namespace, self.name, target)[self._by_tls])
        except ApiError as error:
            raise PlaceError(str(error), error.status if is_its_own_answer(error) else 0) from error

    async def drain(self, node: str, *, wish: bool) -> Mapping[str, Any]:
        """Pass on a wish by the Node object, as `roost drain` does: whoever may change that may drain."""
        try:
            await annotate(self._api, node, wish=wish)
        except ApiError as error:
            raise PlaceError(f"node {node}: {error}", error.status or 502) from error
        return {"node": node, "wish": wish}
