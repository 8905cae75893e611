"""Asking a cluster's speakers from wherever kubectl works: through the API server's proxy to their pods."""

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from roost.cli.exits import Exit, Failure

__all__ = ["ask_cluster", "is_known", "proxy_configuration", "wish_drain"]

T = TypeVar("T")


def is_known() -> bool:
    """Tell whether there is a cluster to ask."""
    default = Path("~/.kube/config").expanduser()
    return bool(os.environ.get("KUBECONFIG")) or os.access(default, os.R_OK)


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
    from roost.kubernetes.speaker_pods import find_pods, is_its_own_answer, proxied  # noqa: PLC0415

    credentials = find()
    api = Api(credentials)
    try:
        pods = await find_pods(api)
        last = f"no speaker's pod in namespace {pods.namespace}; set METALLB_NAMESPACE"
        for name in pods.names:
            for path in proxied(pods.namespace, name, target):
                try:
                    return await api.get(path)
                except ApiError as error:
                    if is_its_own_answer(error):
                        raise Failure(str(error), Exit.INVALID) from error
                    last = f"{name}: {error}"
        raise Failure(f"no speaker answers ({last})", Exit.NO_SPEAKER)
    finally:
        await api.close()


async def _annotate(node: str, *, wish: bool) -> None:
    from roost.kubernetes.client import Api, ApiError  # noqa: PLC0415
    from roost.kubernetes.credentials import find  # noqa: PLC0415
    from roost.kubernetes.speaker_pods import annotate  # noqa: PLC0415

    api = Api(find())
    try:
        await annotate(api, node, wish=wish)
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
