"""What the node's own kube-proxy says of a Service: it serves HTTP on each healthCheckNodePort.

200 tells that this node has an endpoint of it that the kernel knows, 503 that it has none (yet).
"""

from collections.abc import Sequence
from typing import Final

import httpcore

from roost.runtime.http_failures import HTTP_FAILURES

__all__ = ["ProxyHealth"]

_TIMEOUTS: Final = {"connect": 0.3, "read": 0.5, "write": 0.5, "pool": 1.0}  # seconds
_NONE_HERE: Final = 503


class ProxyHealth:
    """Asks at this node's own addresses, a few questions at a time."""

    def __init__(self) -> None:
        self._pool = httpcore.AsyncConnectionPool(max_connections=8, keepalive_expiry=5.0)

    async def denies(self, hosts: Sequence[str], port: int) -> bool:
        """Tell whether the proxy says that it has no endpoint; one that says nothing does not deny."""
        for host in hosts:
            url = f"http://[{host}]:{port}/healthz" if ":" in host else f"http://{host}:{port}/healthz"
            try:
                async with self._pool.stream("GET", url, extensions={"timeout": _TIMEOUTS}) as response:
                    return response.status == _NONE_HERE
            except HTTP_FAILURES:
                continue
        return False

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
