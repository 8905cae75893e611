"""When to send gratuitous packets: at once on taking over, then again with growing gaps. Pure.

One token bucket bounds the frames per second over all addresses; first rounds go before repeats, so
the last of many addresses taken over together is not kept waiting by the first one's second round.
"""

import heapq
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

__all__ = ["MOMENT", "ROUNDS", "GratuitousSchedule"]

K = TypeVar("K", bound=Hashable)

MOMENT: Final = 0.02  # seconds: a send queue has emptied, a round of another node is over
ROUNDS: Final = (0.0, 0.1, 0.3, 1.0, 2.0, 4.0)  # seconds after taking over


@dataclass(frozen=True, slots=True, eq=False)
class _Taking:
    """One takeover of one address at `when`; the same address taken again at once is another one."""

    when: float


@dataclass(frozen=True, slots=True, order=True)
class _Round(Generic[K]):
    """One round of one address; ordered by urgency within a queue, the serial makes the order total."""

    urgency: tuple[bool, float]
    serial: int
    key: K = field(compare=False)
    taking: _Taking = field(compare=False)
    number: int = field(compare=False)


class GratuitousSchedule(Generic[K]):
    """Which addresses, or clients of addresses, are due for a round of frames.

    `rate` is frames per second over all of them, `burst` how many may go out at once (None: as many);
    `refresh` seconds between rounds after the scheduled ones (None: none); `rounds` seconds after taking
    over, rising.
    """

    def __init__(
        self,
        rate: float,
        refresh: float | None = None,
        rounds: Sequence[float] = ROUNDS,
        *,
        burst: float | None = None,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self.refresh = refresh
        self._rounds = rounds
        self._current: dict[K, _Taking] = {}
        self._later: list[_Round[K]] = []  # by due time
        self._ready: list[_Round[K]] = []  # first rounds, then repeats
        self._serial = 0
        self._tokens = self._most
        self._filled: float | None = None

    def take(self, keys: Iterable[K], now: float) -> None:
        """Begin the rounds of addresses that this node has just taken over, or begin them anew."""
        for key in keys:
            self._begin(key, now)

    def drop(self, keys: Iterable[K]) -> None:
        """End the rounds of addresses that this node has lost."""
        for key in keys:
            self._current.pop(key, None)

    def again(self, keys: Iterable[K], now: float) -> None:
        """Begin anew after a moment: a send queue was full, or the second frame of a claim is yet to come."""
        for key in keys:
            self._begin(key, now + MOMENT)

    def wake(self, now: float, cost: float) -> list[K]:
        """Return those whose round is to be sent now, each costing `cost` frames."""
        self._refill(now)
        while self._later and self._later[0].urgency[1] <= now:
            due = heapq.heappop(self._later)
            heapq.heappush(
                self._ready,
                _Round((due.number > 0, due.urgency[1]), due.serial, due.key, due.taking, due.number),
            )
        sent = []
        cost = min(cost, self._most)  # a round dearer than the whole burst must still go out
        while self._ready and self._tokens >= cost + self._kept(self._ready[0], cost):
            ready = heapq.heappop(self._ready)
            if self._current.get(ready.key) is ready.taking:
                self._tokens -= cost
                sent.append(ready.key)
                self._schedule_next(ready, now)
        return sent

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is scheduled."""
        if self._ready and self._filled is not None:
            return self._filled + max(1 / self.rate, 0.002)
        return self._later[0].urgency[1] if self._later else None

    def _kept(self, ready: _Round[K], cost: float) -> float:
        """Return the frames that a repeat leaves for the first rounds of others, where frames are few."""
        if self.burst is None or ready.number == 0:
            return 0.0
        return min(self.burst / 2, self.burst - cost)

    @property
    def _most(self) -> float:
        return self.rate if self.burst is None else self.burst

    def _begin(self, key: K, when: float) -> None:
        self._current[key] = taking = _Taking(when)
        self._schedule(key, taking, 0, when)

    def _schedule_next(self, done: _Round[K], now: float) -> None:
        number = done.number + 1
        if number < len(self._rounds):
            # Never two rounds at once after a delay: the gap between rounds is kept.
            gap = self._rounds[number] - self._rounds[done.number]
            due = max(done.taking.when + self._rounds[number], now + gap)
            self._schedule(done.key, done.taking, number, due)
        elif self.refresh is not None:
            self._schedule(done.key, done.taking, number, now + self.refresh)
        else:
            del self._current[done.key]

    def _schedule(self, key: K, taking: _Taking, number: int, due: float) -> None:
        self._serial += 1
        heapq.heappush(self._later, _Round((False, due), self._serial, key, taking, number))

    def _refill(self, now: float) -> None:
        if self._filled is not None:
            self._tokens = min(self._most, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
