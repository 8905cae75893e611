"""Finding peers again: configured join targets and members lost lately, tried for as long as it takes.

memberlist forgets a dead member after half a minute and then waits for somebody to join; two halves of
a healed network would never meet. Here every node keeps knocking, at a bounded rate.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from roost.membership.targets import JoinTarget
from roost.protocols.machine import Endpoint, Randomness
from roost.runtime.resolver import resolve

__all__ = ["Rejoiner"]

_log = logging.getLogger("roost.membership")

_LOST_LIMIT: Final = 64  # members remembered; the longest lost give way
_LOST_MEMORY: Final = 3600.0  # seconds
_LOST_PER_ROUND: Final = 8
_ADDRESSES_PER_NAME: Final = 16
_JITTER: Final = 0.25  # of the interval, either way: nodes that start together must not stay in step
_SHORTEST_PAUSE: Final = 0.2  # seconds between rounds that were asked for


class Rejoiner:
    """Calls `contact(endpoints)` every `interval` seconds (jittered) with those worth trying.

    `wanted(endpoint, forced)` says whether one is; `forced` marks a round that was asked for.
    """

    def __init__(
        self,
        targets: Sequence[JoinTarget],
        interval: float,
        random: Randomness,
        *,
        wanted: Callable[[Endpoint, bool], bool],
        contact: Callable[[list[Endpoint]], None],
    ) -> None:
        self._targets = tuple(targets)
        self._interval = interval
        self._random = random
        self._wanted = wanted
        self._contact = contact
        self._lost: dict[str, tuple[Endpoint, float]] = {}
        self._resolving: dict[JoinTarget, asyncio.Task[None]] = {}
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Try everything now, then go on in the background."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """End all attempts."""
        tasks = [*self._resolving.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def set_targets(self, targets: Sequence[JoinTarget]) -> None:
        """Try exactly these targets from now on, new ones at once."""
        if tuple(targets) != self._targets:
            self._targets = tuple(targets)
            self._asked.set()

    def now(self) -> None:
        """Ask for a round at once; many calls make one round."""
        self._asked.set()

    def lost(self, name: str, endpoint: Endpoint) -> None:
        """Keep trying a member that was declared dead."""
        self._lost.pop(name, None)
        self._lost[name] = (endpoint, self._loop.time())
        if len(self._lost) > _LOST_LIMIT:
            del self._lost[next(iter(self._lost))]

    def found(self, name: str) -> None:
        """Stop trying a member that is back or has left."""
        self._lost.pop(name, None)

    async def _run(self) -> None:
        forced = True
        while True:
            self._round(forced)
            await asyncio.sleep(_SHORTEST_PAUSE if forced else 0)
            pause = self._interval * (1 + _JITTER * (2 * self._random.random() - 1))
            forced = await self._is_asked_within(pause)

    async def _is_asked_within(self, pause: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), pause)
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    def _round(self, forced: bool) -> None:  # noqa: FBT001 - private
        known = [target.endpoint for target in self._targets if target.endpoint is not None]
        self._try([*known, *self._lost_ones()], forced)
        for target in self._targets:
            # A name is asked for anew in every round, but never while its last answer is still out.
            if target.endpoint is None and target not in self._resolving:
                task = self._loop.create_task(self._resolve(target, forced))
                self._resolving[target] = task

    def _try(self, endpoints: Sequence[Endpoint], forced: bool) -> None:  # noqa: FBT001 - private
        worthwhile = [endpoint for endpoint in dict.fromkeys(endpoints) if self._wanted(endpoint, forced)]
        if worthwhile:
            self._contact(worthwhile)

    def _lost_ones(self) -> list[Endpoint]:
        horizon = self._loop.time() - _LOST_MEMORY
        self._lost = {name: entry for name, entry in self._lost.items() if entry[1] > horizon}
        endpoints = [endpoint for endpoint, _ in self._lost.values()]
        return self._random.sample(endpoints, min(_LOST_PER_ROUND, len(endpoints)))

    async def _resolve(self, target: JoinTarget, forced: bool) -> None:  # noqa: FBT001 - private
        try:
            found = await resolve(target.host, target.port)
        except OSError as error:
            _log.debug("join target %s does not resolve: %s", target, error)
        else:
            self._try(found[:_ADDRESSES_PER_NAME], forced)
        finally:
            del self._resolving[target]
