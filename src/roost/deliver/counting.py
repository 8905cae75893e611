"""Counting, again and again, the connections that this host still holds for addresses of other nodes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import TCP, Flow
from roost.observe.quiet import Once
from roost.runtime.flows import flows_of

__all__ = ["Counting"]

_log = logging.getLogger("roost.speaker")

_INTERVAL: Final = 0.5  # seconds between two counts
_FRESH: Final = 1.0  # seconds
_SHARE: Final = 20  # at most one part in so many of the time is spent on them


class Counting:
    """`counted(flows)` is called with all flows of the addresses at each count."""

    def __init__(self, counted: Callable[[Collection[Flow]], None]) -> None:
        self._counted = counted
        self._addresses: frozenset[IPAddress] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._failure = Once()
        self._open: dict[IPAddress, int] = {}
        self._looked = float("-inf")

    def follow(self, addresses: frozenset[IPAddress]) -> None:
        """Count for exactly these from now on, for the first time at once."""
        self._addresses = addresses
        self._changed.set()
        if addresses and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def open_now(self, address: IPAddress, local: frozenset[IPAddress]) -> int | None:
        """Return how many connections to `address` are open, as counted within the last second.

        Only for those that are `local`, whose sockets cost next to nothing to look at, or that are followed.
        """
        now = time.monotonic()
        if local and now - self._looked > _FRESH:
            with suppress(OSError):
                self._open = dict.fromkeys(local, 0) | _tally(flows_of(local))
                self._looked = now
        if address in local or address in self._addresses:
            return self._open.get(address, 0)
        return None

    def close(self) -> None:
        """Count no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            if self._addresses:
                begin = time.monotonic()
                flows = await self._count()
                self._open.update(dict.fromkeys(self._addresses, 0))
                self._open.update(_tally(flows))
                pause: float | None = max(_INTERVAL, _SHARE * (time.monotonic() - begin))
                self._counted(flows)
            else:
                pause = None
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _count(self) -> Collection[Flow]:
        """Ask the kernel beside the event loop; what cannot be counted counts as nothing."""
        try:
            return await asyncio.to_thread(flows_of, self._addresses)
        except OSError as error:
            if self._failure.new(str(error)):
                _log.info("open connections cannot be counted: %s", error)
            return ()


def _tally(flows: Collection[Flow]) -> dict[IPAddress, int]:
    """Return how many connections of TCP are open for each address that has any."""
    return dict(Counter(flow.address for flow in flows if flow.protocol == TCP and flow.open))
