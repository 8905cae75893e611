"""What comes from a cluster: objects, watches, reviews, credentials; and manifests for `roost check`."""

import json
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from fuzz.target import Target
from roost.controller.settings import ControllerSettings
from roost.controller.webhook import Webhook
from roost.kubernetes import certificates, credentials, manifests, resources
from roost.kubernetes.client import Api, ApiError, Resource
from roost.kubernetes.documents import documents
from roost.kubernetes.mirror import Mirror
from roost.runtime.http import Request

__all__ = ["TARGETS"]

_PATHS: Final = (
    "/validate-metallb-io-v1beta1-ipaddresspool",
    "/validate-metallb-io-v1beta1-l2advertisement",
    "/validate-metallb-io-v1beta1-community",
)
_PARSERS: Final = (
    resources.parse_service,
    resources.parse_endpoint_slice,
    resources.parse_node,
    resources.parse_pod,
    resources.parse_namespace,
)


def _now(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def _manifests(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if manifests.is_manifest(text):
        manifests.check(manifests.read(text))


def _documents(data: bytes) -> None:
    documents(data.decode("utf-8", "replace"))


def _kubeconfig(data: bytes) -> None:
    with patch.object(ssl, "create_default_context", _context):
        credentials.in_kubeconfig(data, Path("/nowhere/config"))


def _context(cadata: str | None = None) -> ssl.SSLContext:
    """Return a context without the system's authorities, which take 20 ms to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cadata:
        context.load_verify_locations(cadata=cadata)
    return context


class _Told:
    """An API server whose watch is an input."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def stream(self, target: str, on_open: Any = None, silence: float = 0.0) -> Any:
        for at in range(0, len(self._data), 512):
            yield self._data[at : at + 512]

    async def watch(self, path: str, query: Any, on_open: Any) -> Any:
        async for event in Api.watch(self, path, query, on_open):  # type: ignore[arg-type]
            yield event

    async def get(self, path: str, query: Any = None) -> Any:
        return json.loads(self._data)


def _watch(data: bytes) -> None:
    """The first byte: of which kind the objects are, and whether they are listed (8) instead of watched."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    parse: Any = _PARSERS[(how & 7) % len(_PARSERS)]
    mirror: Any = Mirror(_Told(rest), Resource("api/v1", "things"), parse, lambda *_: None)  # type: ignore[arg-type]
    mirror.synced.set()
    if how & 8:
        try:
            page = json.loads(rest)
        except (ValueError, RecursionError):
            return
        if isinstance(page, dict):
            _now(mirror._list())
    else:
        _now(mirror._watch())


class _Reviewed(Webhook):
    """The webhook of a cluster with one pool."""

    async def _live(self) -> dict[str, list[Any]]:
        pool = {"metadata": {"name": "first"}, "spec": {"addresses": ["192.0.2.0/28"]}}
        return {"ipaddresspools": [pool], "l2advertisements": [], "communities": []}


def _review(data: bytes) -> None:
    """The first byte: of which kind the object is."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    hook = _Reviewed(None, ControllerSettings("metallb-system", "fuzz"))  # type: ignore[arg-type]
    answer = _now(hook._handle(Request("POST", _PATHS[how % len(_PATHS)], body=rest)))
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert isinstance(json.loads(answer.body)["response"]["allowed"], bool)


def _certificates(data: bytes) -> None:
    certificates.read(dict.fromkeys(("ca.crt", "ca.key", "tls.crt", "tls.key"), data))


TARGETS: Final = (
    Target("documents", "kubernetes.documents.documents", _documents, (ValueError,)),
    Target("manifests", "kubernetes.manifests.read, check", _manifests, (ValueError,)),
    Target(
        "kubeconfig", "kubernetes.credentials.in_kubeconfig", _kubeconfig, (credentials.CredentialsError,)
    ),
    Target("watch", "kubernetes.mirror.Mirror, client.Api.watch", _watch, (ApiError,)),
    Target("review", "controller.webhook.Webhook", _review),
    Target("certificates", "kubernetes.certificates.read", _certificates, (), 2048),
)
