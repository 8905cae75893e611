"""The process around the controller: credentials, leader election, health, signals, and the end."""

import asyncio
import logging
import signal
import ssl
from collections.abc import Coroutine
from typing import Any, Final

from roost.controller.controller import Controller
from roost.controller.gossip_secret import provide
from roost.controller.metrics import metrics
from roost.controller.settings import ControllerSettings
from roost.controller.webhook import Webhook
from roost.kubernetes.access import Access
from roost.kubernetes.client import Api
from roost.kubernetes.credentials import Credentials
from roost.kubernetes.lease import LeaderLease
from roost.kubernetes.serving_certificate import ServingCertificate
from roost.observe.metrics import exposition
from roost.runtime.http import HttpServer, Request, Response

__all__ = ["CannotServeError", "run"]

_log = logging.getLogger("roost.controller")

_LEASE: Final = "roost-controller"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class CannotServeError(Exception):
    """What the settings ask for cannot be served; the text says why."""


async def run(credentials: Credentials, settings: ControllerSettings) -> None:
    """Work until a signal asks to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _log.info, "nothing to read again: the API tells of changes")
    api = Api(credentials)
    answers = _Answers(settings)
    secured = _certificate(settings) if settings.metrics.secure else None
    handler = Access(api).guard(answers.handle, "/metrics") if secured else answers.handle
    server = HttpServer(handler)
    try:
        for port in {settings.health_port, settings.metrics_port} - {0}:
            tls = secured.tls if secured and port == settings.metrics_port else None
            await _listen(server, port, tls)
        works = [_serve(api, settings, answers), *([secured.run()] if secured else [])]
        await _first(stop.wait(), *works)
    finally:
        await server.close()
        await api.close()
    _log.info("ended")


async def _serve(api: Api, settings: ControllerSettings, answers: "_Answers") -> None:
    """Work, and check changes of the configuration, as far as each is wanted."""
    async with asyncio.TaskGroup() as group:
        if settings.webhook != "disabled":
            group.create_task(Webhook(api, settings).run())
        if settings.webhook != "onlywebhook":
            group.create_task(_work(api, settings, answers))
            group.create_task(provide(api, settings))


async def _work(api: Api, settings: ControllerSettings, answers: "_Answers") -> None:
    """Work while the lease is held; when it is lost, forget everything and wait for it again."""
    lease = LeaderLease(api, settings.namespace, _LEASE, settings.identity)
    held = False
    try:
        while True:
            held = settings.elect and await lease.acquire()
            answers.controller = controller = Controller(api, settings)
            if not held:
                await controller.run()
                return
            await _first(controller.run(), lease.keep())
            answers.controller = None
    except asyncio.CancelledError:
        if held:
            await lease.release()
        raise


def _certificate(settings: ControllerSettings) -> ServingCertificate:
    try:
        return ServingCertificate(settings.pod or "roost-controller", settings.metrics)
    except OSError as error:
        raise CannotServeError(f"metrics cannot be served by HTTPS: {error}") from error


async def _listen(server: HttpServer, port: int, tls: ssl.SSLContext | None) -> None:
    try:
        await server.listen_tcp("0.0.0.0", port, tls)  # noqa: S104 - the kubelet and Prometheus ask from outside
    except OSError as error:
        _log.error("nothing is served on port %d: %s", port, error.strerror or error)


async def _first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run coroutines until the first is done; cancel the others and wait for their end."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


class _Answers:
    """Health and metrics over HTTP; `controller` is None while another replica works."""

    def __init__(self, settings: ControllerSettings) -> None:
        self.controller: Controller | None = None
        self._settings = settings

    async def handle(self, request: Request) -> Response:
        """Answer a probe or a scrape."""
        if request.path in ("/healthz", "/readyz"):
            return Response(200, b"ok\n", "text/plain")
        if request.path == "/metrics":
            names = self._settings.metallb_names
            found = metrics(self.controller, metallb_names=names) if self.controller else ()
            return Response(200, exposition(found), _EXPOSITION)
        return Response(404, b"nothing is there\n", "text/plain")
