"""The Secret that keeps the speakers' gossip from strangers: made once, never changed."""

import asyncio
import base64
import logging
import secrets
from typing import Any, Final

from roost.controller.settings import ControllerSettings
from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import DEPLOYMENTS, SECRETS
from roost.observe.quiet import Once

__all__ = ["provide"]

_log = logging.getLogger("roost.controller")

_KEY: Final = "secretkey"
_AGAIN: Final = 5.0  # seconds
_SIZE: Final = 16  # random bytes, as unpadded base64 text of 22 characters: what MetalLB makes


async def provide(api: Api, settings: ControllerSettings) -> None:
    """Make the Secret unless it is there; what hinders that is logged, and tried again."""
    complaint = Once()
    while settings.gossip_secret:
        try:
            await _make(api, settings)
        except ApiError as error:
            if complaint.new(error):
                _log.error("the gossip secret %s cannot be made: %s", settings.gossip_secret, error)
            await asyncio.sleep(_AGAIN)
        else:
            return


async def _make(api: Api, settings: ControllerSettings) -> None:
    text = base64.b64encode(secrets.token_bytes(_SIZE)).decode().rstrip("=")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": settings.gossip_secret, "ownerReferences": await _owner(api, settings)},
        "stringData": {_KEY: text},
    }
    try:
        await api.create(SECRETS.path(settings.namespace), body)
        _log.info("gossip secret made", extra={"secret": settings.gossip_secret})
    except ApiError as error:
        if not error.conflict:  # another replica's, or from before
            raise


async def _owner(api: Api, settings: ControllerSettings) -> list[dict[str, Any]]:
    """Return the reference that lets the Secret go with its Deployment."""
    if not settings.deployment:
        return []
    try:
        found = await api.get(DEPLOYMENTS.path(settings.namespace, settings.deployment))
    except ApiError as error:
        if not (error.not_found or error.forbidden):
            raise
        _log.warning("the gossip secret gets no owner: %s", error)
        return []
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": settings.deployment,
            "uid": found["metadata"]["uid"],
        }
    ]
