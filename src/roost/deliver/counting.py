"""Counting, again and again, the connections that this host still holds for addresses of other nodes."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from roost.model.address import IPAddress
from roost.model.flow import Flow
from roost.observe.quiet import Once
from roost.runtime.flows import flows_of

__all__ = ["Counting"]

_log = logging.getLogger("roost.speaker")

_INTERVAL: Final = 0.5  # seconds between two counts
_SHARE: Final = 20  # at most one part in so many of the time is spent on them


class Counting:
    """`counted(flows)` is called with all flows of the addresses at each count."""

    def __init__(self, counted: Callable[[Collection[Flow]], None]) -> None:
        self._counted = counted
        self._addresses: frozenset[IPAddress] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._failure = Once()

    def follow(self, addresses: frozenset[IPAddress]) -> None:
        """Count for exactly these from now on, for the first time at once."""
        self._addresses = addresses
        self._changed.set()
        if addresses and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

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
                _log.warning("open connections cannot be counted: %s", error)
            return ()
