"""The admission webhook: answers over TLS, with certificates that it keeps and renews in a Secret."""

import asyncio
import base64
import binascii
import json
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from roost.controller.review import PATHS, mistakes_with, response
from roost.controller.settings import ControllerSettings
from roost.kubernetes import certificates
from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import ADVERTISEMENTS, COMMUNITIES, HOOKS, POOLS, SECRETS
from roost.kubernetes.serving_certificate import load
from roost.observe.quiet import Once
from roost.runtime.http import HttpServer, Request, Response

__all__ = ["Webhook"]

_log = logging.getLogger("roost.controller")

_LIVE: Final = {each.plural: each for each in (POOLS, ADVERTISEMENTS, COMMUNITIES)}
_HOOK: Final = "metallb-webhook-configuration"
_CHECK: Final = 30.0  # seconds between two looks: an update of the manifests may have taken the authority out
_AGAIN: Final = 5.0  # seconds after one that failed, or found no webhook configuration: it may come last
_MOST: Final = 4 << 20  # bytes of a review: an object has at most 1.5 MiB, twice


class Webhook:
    """Serves reviews until cancelled; every replica does, whoever holds the lease."""

    def __init__(self, api: Api, settings: ControllerSettings) -> None:
        self._api = api
        self._settings = settings
        self._server = HttpServer(self._handle, most_bytes=_MOST)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._trouble = Once()
        self._loaded = False
        self._in_use: certificates.Bundle | None = None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    async def run(self) -> None:
        """Have certificates, then serve, and look after the certificates; until cancelled."""
        serving = False
        try:
            while True:
                trusted = await self._look_after_certificates()
                if self._loaded and not serving:
                    serving = await self._serve()
                await asyncio.sleep(_CHECK if trusted else _AGAIN)
        finally:
            await self._server.close()

    async def _serve(self) -> bool:
        try:
            await self._server.listen_tcp("0.0.0.0", self._settings.webhook_port, self._tls)  # noqa: S104
        except OSError as error:
            _log.error("no webhook on port %d: %s", self._settings.webhook_port, error.strerror or error)
        return True

    async def _look_after_certificates(self) -> bool:
        """Load certificates, renewed where needed; tells whether the API server trusts them."""
        try:
            if not self._settings.rotate_certificates:
                folder = Path(self._settings.certificate_folder or "/tmp/k8s-webhook-server/serving-certs")  # noqa: S108
                self._tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
                self._loaded = trusted = True
            else:
                bundle = await self._bundle()
                if bundle != self._in_use:
                    load(self._tls, bundle)
                self._in_use, self._loaded = bundle, True
                trusted = await self._tell_authority(bundle)
        except (ApiError, OSError) as error:
            if self._trouble.new(error):
                _log.warning("the webhook has no certificates yet: %s", error)
            return False
        self._trouble.over()
        return trusted

    async def _bundle(self) -> certificates.Bundle:
        settings = self._settings
        path = SECRETS.path(settings.namespace, settings.certificate_secret)
        name = f"{settings.certificate_service}.{settings.namespace}.svc"
        now = datetime.now(UTC)
        secret = await self._api.find(path)
        if secret is None:
            bundle = certificates.make(name, now)
            metadata = {"name": settings.certificate_secret}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": _encoded(bundle)}
            await self._api.create(SECRETS.path(settings.namespace), body)
            return bundle
        found = certificates.read(_decoded(secret))
        good = certificates.renewed(found, name, now) if found else certificates.make(name, now)
        if good != found:
            await self._api.replace(path, {**secret, "data": _encoded(good)})
            _log.info("the webhook's certificates are renewed")
        return good

    async def _tell_authority(self, bundle: certificates.Bundle) -> bool:
        """Let the API server trust the certificates; False without a webhook configuration: nobody asks."""
        authority = base64.b64encode(bundle.ca_crt).decode()
        hooks = await self._api.find(HOOKS.path(name=_HOOK))
        if hooks is None:
            return False
        wrong = [
            each for each in hooks.get("webhooks") or () if each["clientConfig"].get("caBundle") != authority
        ]
        if wrong:
            for each in wrong:
                each["clientConfig"]["caBundle"] = authority
            await self._api.replace(HOOKS.path(name=_HOOK), hooks)
        return True

    async def _handle(self, request: Request) -> Response:
        plural = PATHS.get(request.path)
        if plural is None or request.method != "POST":
            return Response(404, b"nothing is there\n", "text/plain")
        try:
            asked = json.loads(request.body)["request"]
            item = asked["object"]
            item["metadata"]["name"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return Response(400, b"no AdmissionReview of an object\n", "text/plain")
        try:
            live = await self._live()
            mistakes = mistakes_with(plural, item, live)
        except ApiError as error:
            return Response(500, f"cannot read the configuration: {error}\n".encode(), "text/plain")
        except (KeyError, TypeError, ValueError, AttributeError):
            return Response(400, b"the object does not fit its kind\n", "text/plain")
        answer = response(asked, self._settings.namespace, mistakes)
        return Response(200, json.dumps(answer).encode())

    async def _live(self) -> dict[str, list[Any]]:
        """Return the configuration as it is now."""
        found = {}
        for plural, resource in _LIVE.items():
            found[plural] = (await self._api.get(resource.path(self._settings.namespace))).get("items") or []
        return found


def _encoded(bundle: certificates.Bundle) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in bundle.as_secret().items()}


def _decoded(secret: dict[str, Any]) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    except binascii.Error:
        return {}
