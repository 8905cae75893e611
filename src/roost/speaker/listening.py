"""The places where a speaker answers questions: opened before it starts, closed when it has ended."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from roost.observe.web.answers import with_page
from roost.observe.web.hosts import only_by
from roost.observe.web.hub import Hub
from roost.protocols.machine import Endpoint
from roost.runtime.bind import address_to_come, is_missing
from roost.runtime.http import Handler, HttpServer
from roost.settings import StatusConfig
from roost.speaker.api import Api, Views

__all__ = ["Listening", "Secured"]

_log = logging.getLogger("roost.speaker")


@dataclass(frozen=True, slots=True)
class Secured:
    """How questions come over TCP where not everybody may ask: by `tls`, and past `guard`."""

    tls: ssl.SSLContext
    guard: Callable[[Handler], Handler]


class Listening:
    """Shows `views`, and the page of `hub`, at a unix socket, where wishes are taken too, and over TCP.

    `on_socket` wraps what answers at the socket alone. Probes of the same host stay plain HTTP where
    `secured` is set.
    """

    def __init__(
        self,
        views: Views,
        hub: Hub,
        status: StatusConfig,
        secured: Secured | None = None,
        *,
        on_socket: Callable[[Handler], Handler] = lambda handler: handler,
    ) -> None:
        self._status = status
        self._tls = secured.tls if secured else None
        remote = with_page(hub, Api(views, may_change=False).handle)
        if status.names is not None:
            remote = only_by(status.names, remote)
        self._local = HttpServer(on_socket(with_page(hub, Api(views, may_change=True).handle)))
        remote = secured.guard(remote) if secured else remote
        self._remote = HttpServer(remote)
        self._probes = HttpServer(remote)  # its clients are not kept out by others
        self._late: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen everywhere. A place that cannot be had raises OSError where places are required.

        An endpoint whose address this host does not have yet is opened as soon as it has: addresses must not
        stay dark because of a page for people.
        """
        try:
            await self._local.listen_unix(self._status.socket)
        except OSError as error:
            self._without(error)
        for endpoint in (self._status.http, self._status.probes):
            if endpoint is None:
                continue
            if is_missing(endpoint.host):
                self._late.add(asyncio.create_task(self._open_late(endpoint)))
                continue
            try:
                await self._listen(endpoint)
            except OSError as error:
                self._without(error)

    async def close(self) -> None:
        """Listen nowhere any more."""
        for task in self._late:
            task.cancel()
        await self._local.close()
        await self._remote.close()
        await self._probes.close()

    async def _listen(self, endpoint: Endpoint) -> None:
        if endpoint == self._status.probes:
            await self._probes.listen_tcp(endpoint.host, endpoint.port)
        else:
            await self._remote.listen_tcp(endpoint.host, endpoint.port, self._tls)

    def _without(self, error: OSError) -> None:
        if self._status.required:
            raise error
        _log.error("questions are not answered there: %s", error)

    async def _open_late(self, endpoint: Endpoint) -> None:
        await address_to_come(
            endpoint.host,
            lambda: _log.warning("waiting for the address to answer questions at: %s", endpoint),
        )
        try:
            await self._listen(endpoint)
        except OSError as error:
            _log.error("questions are not answered there: %s", error)
