"""Finding peers again: configured join targets and members lost lately, tried for as long as it takes.

memberlist forgets a dead member after half a minute and then waits for somebody to join; two halves of
a healed network would never meet. Here every node keeps knocking, at a bounded rate. Pure: time and resolved
names come in, endpoints to contact and names to resolve come out.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from roost.decide.effects import Join, Resolve
from roost.decide.join_target import JoinTarget
from roost.protocols.bounded import remember
from roost.protocols.machine import Effect, Endpoint, Randomness

__all__ = ["Rejoining"]

_LOST_LIMIT: Final = 64  # members remembered; the longest lost give way
_LOST_MEMORY: Final = 3600.0  # seconds
_LOST_PER_ROUND: Final = 8
_ADDRESSES_PER_NAME: Final = 16
_JITTER: Final = 0.25  # of the interval, either way: nodes that start together must not stay in step
_SHORTEST_PAUSE: Final = 0.2  # seconds between rounds that were asked for
_ONCE_MORE: Final = 0.3  # seconds after such a round: an exchange may hang that is older than the way


class Rejoining:
    """Tries, every `interval` seconds (jittered), those of which `worthwhile(endpoint)` holds."""

    def __init__(
        self,
        targets: Sequence[JoinTarget],
        interval: float,
        random: Randomness,
        worthwhile: Callable[[Endpoint], bool],
    ) -> None:
        self._targets = tuple(targets)
        self._interval = interval
        self._random = random
        self._worthwhile = worthwhile
        self._lost: dict[str, tuple[Endpoint, float]] = {}
        self._due: float | None = None
        self._asked = False  # whether the round that is due was asked for
        self._earliest = float("-inf")  # of a round that is asked for

    @property
    def has_targets(self) -> bool:
        """Whether the configuration names anybody to join."""
        return bool(self._targets)

    def start(self, now: float) -> None:
        """Try everything now, then go on."""
        self._due = now

    def stop(self) -> None:
        """End all attempts."""
        self._due = None

    def set_targets(self, targets: Sequence[JoinTarget], now: float) -> None:
        """Try exactly these targets from now on, new ones at once."""
        if tuple(targets) != self._targets:
            self._targets = tuple(targets)
            self._hurry(now)

    def soon(self, now: float) -> None:
        """Ask for a round at once, and for one more a moment later; many calls make one round."""
        self._asked = True
        self._hurry(now)

    def _hurry(self, now: float) -> None:
        if self._due is not None:
            self._due = min(self._due, max(now, self._earliest))

    def lost(self, name: str, endpoint: Endpoint, now: float) -> None:
        """Keep trying a member that was declared dead."""
        remember(self._lost, name, (endpoint, now), _LOST_LIMIT)

    def found(self, name: str) -> None:
        """Stop trying a member that is back or has left."""
        self._lost.pop(name, None)

    def resolved(self, endpoints: Sequence[Endpoint]) -> list[Effect]:
        """Take the addresses of a name."""
        return self._join(endpoints[:_ADDRESSES_PER_NAME])

    def wake(self, now: float) -> list[Effect]:
        """Begin the round that is due."""
        if self._due is None or now < self._due:
            return []
        pause = self._interval * (1 + _JITTER * (2 * self._random.random() - 1))
        self._due = now + (min(pause, _ONCE_MORE) if self._asked else pause)
        self._asked = False
        self._earliest = now + _SHORTEST_PAUSE
        known = [target.endpoint for target in self._targets if target.endpoint is not None]
        names = [Resolve(each.host, each.port) for each in self._targets if each.endpoint is None]
        return [*self._join([*known, *self._lost_ones(now)]), *names]

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None before the start and after the end."""
        return self._due

    def _join(self, endpoints: Collection[Endpoint]) -> list[Effect]:
        wanted = tuple(endpoint for endpoint in dict.fromkeys(endpoints) if self._worthwhile(endpoint))
        return [Join(wanted)] if wanted else []

    def _lost_ones(self, now: float) -> list[Endpoint]:
        horizon = now - _LOST_MEMORY
        self._lost = {name: entry for name, entry in self._lost.items() if entry[1] > horizon}
        endpoints = [endpoint for endpoint, _ in self._lost.values()]
        return self._random.sample(endpoints, min(_LOST_PER_ROUND, len(endpoints)))
