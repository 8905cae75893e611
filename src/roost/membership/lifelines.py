"""Lifelines: connections to peers whose end says that the process there has ended.

A process's kernel closes its connections in the moment it dies, however it dies. The connection ending is
not enough: firewalls cut connections too. Nobody listening any more where the peer listened is.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from roost.protocols.machine import Endpoint

__all__ = ["Hold", "Lifelines"]

# Seconds after a lifeline has ended until the next attempt, four times as many each time.
_AGAIN: Final = 0.002
_RETRY: Final = 1.0  # seconds between attempts to hold a peer that cannot be reached

Hold = Callable[[Endpoint, Callable[[], None]], Awaitable[None]]


class Lifelines:
    """Holds one lifeline to each peer of `update`; `gone(name)` is called when its process has ended.

    `hold(endpoint, established)` returns or raises when a lifeline ends
    (`roost.runtime.memberlist_streams.MemberlistStreams.hold`).
    """

    def __init__(self, hold: Hold, gone: Callable[[str], None], counters: Counter[str]) -> None:
        self._hold = hold
        self._gone = gone
        self._counters = counters
        self._tasks: dict[tuple[str, Endpoint], asyncio.Task[None]] = {}
        self._unheld: dict[str, float] = {}  # peers without one now -> since when, by the loop
        self.ever_held = False  # whether any peer's gossip port was ever reached

    @property
    def unheld(self) -> Mapping[str, float]:
        """The peers to which no lifeline can be held, and since when (the loop's time)."""
        return self._unheld

    def update(self, peers: Mapping[str, Endpoint]) -> None:
        """Hold lifelines to exactly these peers from now on."""
        wanted = set(peers.items())
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
            self._unheld.pop(key[0], None)
        for key in wanted - self._tasks.keys():
            self._unheld[key[0]] = asyncio.get_running_loop().time()
            self._tasks[key] = asyncio.get_running_loop().create_task(self._keep(*key))

    async def _keep(self, name: str, endpoint: Endpoint) -> None:
        clock = asyncio.get_running_loop().time
        ended = 0  # lifelines that ended soon, one after the other
        while True:
            begin = clock()
            if not await self._attempt(name, endpoint, after_one=ended > 0):
                ended = 0
                await asyncio.sleep(_RETRY)
                continue
            # One has just ended: whether somebody still listens there is asked at once, and again, since a
            # dying process's connections may be closed before its port is.
            ended = 1 if clock() - begin > _RETRY else ended + 1
            await asyncio.sleep(min(_AGAIN * 4 ** (ended - 1), _RETRY))

    async def _attempt(self, name: str, endpoint: Endpoint, *, after_one: bool) -> bool:
        """Hold until it ends and return whether it was ever held; `after_one` is one that has just ended."""
        held = False

        def established() -> None:
            nonlocal held
            held = self.ever_held = True
            self._unheld.pop(name, None)

        try:
            await self._hold(endpoint, established)
        except ConnectionRefusedError:
            if after_one:
                self._counters["processes_gone"] += 1
                self._gone(name)
        except (OSError, TimeoutError):
            self._counters["lifelines_broken"] += 1
        if held:
            self._unheld[name] = asyncio.get_running_loop().time()
        return held
