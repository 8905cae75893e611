"""Counting, again and again, the connections that this host still holds for addresses of other nodes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
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
        self._looking = asyncio.Lock()
        self._fresh_until = float("-inf")

    def follow(self, addresses: frozenset[IPAddress]) -> None:
        """Count for exactly these from now on, for the first time at once."""
        self._addresses = addresses
        self._changed.set()
        if addresses and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def look(self, addresses: frozenset[IPAddress]) -> None:
        """Count once for `addresses`, because somebody asks; what was counted just now is as good."""
        async with self._looking:
            if not addresses or time.monotonic() < self._fresh_until:
                return
            flows, pause = await self._count(addresses, _FRESH)
            if flows is not None:
                self._take(addresses, flows)
            self._fresh_until = time.monotonic() + pause

    async def count(self) -> None:
        """Count what is followed once more, at once: nobody will look again."""
        async with self._looking:
            flows, _ = await self._count(self._addresses, 0.0)
            if flows is not None:
                self._counted(flows)

    def open_now(self, address: IPAddress, local: frozenset[IPAddress]) -> int | None:
        """Return how many connections to `address` are open by the last count, None where there is none.

        That may be old for those that are neither followed nor `local`, which `look` is asked for.
        """
        return self._open.get(address) if address in local or address in self._addresses else None

    def close(self) -> None:
        """Count no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            pause: float | None = None
            if addresses := self._addresses:
                flows, pause = await self._count(addresses, _INTERVAL)
                if flows is not None:
                    self._take(addresses, flows)
                    if addresses == self._addresses:  # else one that is new would pass for one without any
                        self._counted(flows)
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _count(
        self, addresses: frozenset[IPAddress], pause: float
    ) -> tuple[Collection[Flow] | None, float]:
        """Ask the kernel beside the event loop, and say how long to wait then: `pause` seconds, or longer.

        None is that it did not say: what cannot be counted has not ended for that.
        """
        begin = time.monotonic()
        flows: Collection[Flow] | None = None
        try:
            flows = await asyncio.to_thread(flows_of, addresses)
        except OSError as error:
            if self._failure.new(str(error)):
                _log.info("open connections cannot be counted: %s", error)
        return flows, max(pause, _SHARE * (time.monotonic() - begin))

    def _take(self, addresses: Collection[IPAddress], flows: Collection[Flow]) -> None:
        self._open.update(dict.fromkeys(addresses, 0))
        self._open.update(_tally(flows))


def _tally(flows: Collection[Flow]) -> dict[IPAddress, int]:
    """Return how many connections of TCP are open for each address that has any."""
    return dict(Counter(flow.address for flow in flows if flow.protocol == TCP and flow.open))
