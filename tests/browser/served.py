"""A page that shows what a test says: the real server and the real files, without speakers."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from roost.observe.web.answers import page
from roost.observe.web.hub import Hub
from roost.runtime.http import HttpServer, Request, Response, Stream

__all__ = ["Served", "served"]


class Served:
    """The page's `address`; `do` calls something of the hub in its own thread, and waits for it."""

    def __init__(self) -> None:
        self.hub = Hub(lambda: {"mode": "speaker", "version": "0", "me": "n1", "acts": []}, {"events": 256})
        self.explained: dict[str, Any] = {}  # what /v1/explain/... says
        self.address = ""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.start()

    def do(self, call: Callable[..., None], *facts: Any, **named: Any) -> None:
        async def run() -> None:
            call(*facts, **named)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def stop(self) -> None:
        """End the server and all its streams, as when its process ends."""
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)

    def start(self) -> None:
        """Serve again at the same address."""
        self._server = HttpServer(self._answer)
        port = int(self.address.strip("/").rpartition(":")[2]) if self.address else 0
        listening = self._server.listen_tcp("127.0.0.1", port)
        port = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.address = f"http://127.0.0.1:{port}/"

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _answer(self, request: Request) -> Response | Stream:
        if self.explained and request.path.startswith("/v1/explain/"):
            return Response(200, json.dumps(self.explained).encode())
        return page(self.hub, request.path) or Response(404, b'{"error": "nothing is there"}')


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """Give a page that shows nothing yet."""
    made = Served()
    try:
        yield made
    finally:
        made.close()
