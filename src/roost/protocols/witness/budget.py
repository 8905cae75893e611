"""How many ARP packets probing may cost this node's port: a token bucket that machines share. Pure.

Switches that inspect ARP (Dynamic ARP Inspection) shut a port that sends more than 15 packets/s, or drop
the rest. They count answers like questions, and each node is watched by as many others as it watches. So
half of the rate is left to the answers that this node's kernel gives.
"""

from collections.abc import Collection, Hashable
from typing import Final

__all__ = ["ARP_RATE", "UNLIMITED", "Budget"]

ARP_RATE: Final = 10.0  # packets/second: leaves a third of an inspecting port's 15 to the host itself
_ROUNDING: Final = 1e-6  # of a packet
_ANSWERS: Final = 0.5  # of the rate
_ROUTINE: Final = 0.7  # of the questions' half: the rest refills the bucket for urgent ones
_BURST: Final = 0.8  # seconds of questions that can be asked at once
_DEBT: Final = 1.0  # seconds that questions wait at most for packets that could not wait
_RESERVE: Final = 0.6  # of the bucket: for urgent questions alone


class Budget:
    """Packets of ARP that may be sent; `rate`: questions and answers per second, None for any number.

    Raises ValueError when `rate` is not above 0.
    """

    def __init__(self, rate: float | None = ARP_RATE) -> None:
        if rate is not None and rate <= 0:
            raise ValueError(f"{rate} ARP packets a second: nobody could be asked")
        self.rate = rate
        self._fill = None if rate is None else rate * (1 - _ANSWERS)  # packets/second
        self._capacity = max(1.0, _BURST * (self._fill or 0.0))
        self._tokens = 0.0  # all nodes may start together, and all ask all
        self._filled: float | None = None
        self._wishes: dict[Hashable, Collection[float]] = {}
        self._spacing = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._fill is not None

    @property
    def burst(self) -> int:
        """How many questions can be asked at once; meant for a budget with a limit."""
        return int(self._capacity)

    def take(self, now: float, *, urgent: bool = False) -> bool:
        """Take leave for one question; False when it has to wait. `now` is in seconds on the users' scale."""
        if self._fill is None:
            return True
        if self.wait(now, urgent=urgent) > 0:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True

    def spend(self, now: float, packets: int) -> None:
        """Count packets that could not wait, answers and claims: questions wait longer for them."""
        if self._fill is not None:
            self._refill(now, self._fill)
            self._tokens = max(-_DEBT * self._fill, self._tokens - packets)

    def wait(self, now: float, *, urgent: bool = False) -> float:
        """Return the seconds until a question has leave."""
        if self._fill is None:
            return 0.0
        self._refill(now, self._fill)
        needed = 1.0 if urgent else max(1.0, _RESERVE * self._capacity)
        missing = needed - self._tokens
        return missing / self._fill if missing > _ROUNDING else 0.0

    def _refill(self, now: float, fill: float) -> None:
        if self._filled is not None and now > self._filled:
            self._tokens = min(self._capacity, self._tokens + fill * (now - self._filled))
        self._filled = now if self._filled is None else max(now, self._filled)

    def wish(self, user: Hashable, intervals: Collection[float]) -> None:
        """Take what a user would like: the seconds between two routine questions, of each of its subjects."""
        self._wishes[user] = tuple(intervals)
        self._spacing = self._level()

    def spacing(self, interval: float) -> float:
        """Return the seconds between two routine questions to a subject that wants one every `interval`."""
        return max(interval, self._spacing)

    def _level(self) -> float:
        """Return the shortest spacing that all can have: who wants less leaves the rest to the others."""
        if self._fill is None:
            return 0.0
        left = self._fill * _ROUTINE
        intervals = sorted((each for wishes in self._wishes.values() for each in wishes), reverse=True)
        for at, interval in enumerate(intervals):
            fair = (len(intervals) - at) / left
            if interval < fair:
                return fair
            left -= 1 / interval
        return 0.0


UNLIMITED: Final = Budget(None)  # has no state that a user could change for others
