"""Asking a cluster's speakers from wherever kubectl works: through the API server's proxy to their pods."""

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from roost.cli.exits import Exit, Failure

__all__ = ["ask_cluster", "is_known", "proxy_configuration", "wish_drain"]

T = TypeVar("T")

_SPEAKERS: Final = ("app=metallb,component=speaker", "app.kubernetes.io/component=speaker")
_PORT: Final = "9120"


def is_known() -> bool:
    """Tell whether there is a cluster to ask."""
    default = Path("~/.kube/config").expanduser()
    return bool(os.environ.get("KUBECONFIG")) or default.exists()


def ask_cluster(target: str) -> Any:
    """Return what the first speaker that answers says at `target`; ends the command on failure."""
    return _run(_ask(target))


def proxy_configuration() -> str:
    """Return the text of kubeadm's ConfigMap kube-proxy, "" where there is none or no right to read it."""
    return _run(_proxy_configuration())


def wish_drain(node: str, *, wish: bool) -> None:
    """Tell the speaker on `node`, by its Node object, whether to give its addresses away."""
    _run(_annotate(node, wish=wish))


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # noqa: PLC0415 - only who asks a cluster loads all this

    from roost.kubernetes.client import ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import CredentialsError  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except (ApiError, CredentialsError) as error:
        raise Failure(str(error), Exit.NO_SPEAKER) from error


async def _ask(target: str) -> Any:
    from roost.kubernetes.client import Api, ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import find  # noqa: PLC0415
    from roost.kubernetes.kinds import PODS  # noqa: PLC0415

    credentials = find()
    namespace = os.environ.get("METALLB_NAMESPACE") or "metallb-system"
    api = Api(credentials)
    try:
        names: dict[str, None] = {}
        for labels in _SPEAKERS:
            found = await api.get(PODS.path(namespace), {"labelSelector": labels})
            names.update(dict.fromkeys(pod["metadata"]["name"] for pod in found.get("items") or ()))
        port = os.environ.get("ROOST_PORT", _PORT)
        last = f"no speaker's pod in namespace {namespace}; set METALLB_NAMESPACE"
        for name in (f"{scheme}{name}" for name in names for scheme in ("", "https:")):
            path = PODS.path(namespace, f"{name}:{port}", "proxy") + target
            try:
                return await api.get(path)
            except ApiError as error:
                if error.status in (400, 404) and not error.reason:  # the speaker's own answer
                    raise Failure(str(error), Exit.INVALID) from error
                last = f"{name}: {error}"
        raise Failure(f"no speaker answers ({last})", Exit.NO_SPEAKER)
    finally:
        await api.close()


async def _annotate(node: str, *, wish: bool) -> None:
    from roost.kubernetes.client import Api, ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import find  # noqa: PLC0415
    from roost.kubernetes.kinds import NODES  # noqa: PLC0415
    from roost.kubernetes.resources import DRAIN_ANNOTATION  # noqa: PLC0415

    api = Api(find())
    path = NODES.path(name=quote(node, safe=""))
    try:
        await api.patch(path, {"metadata": {"annotations": {DRAIN_ANNOTATION: "true" if wish else None}}})
    except ApiError as error:
        raise Failure(f"node {node}: {error}", Exit.INVALID) from error
    finally:
        await api.close()


async def _proxy_configuration() -> str:
    from roost.kubernetes.client import Api, ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import find  # noqa: PLC0415
    from roost.kubernetes.kinds import CONFIG_MAPS  # noqa: PLC0415

    api = Api(find())
    try:
        found = await api.get(CONFIG_MAPS.path("kube-system", "kube-proxy"))
    except ApiError:
        return ""
    finally:
        await api.close()
    return str((found.get("data") or {}).get("config.conf", ""))
