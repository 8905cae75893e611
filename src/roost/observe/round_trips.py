"""How long peers' hosts take to answer probes, as kernels saw it. Pure: times come in.

A question is stamped just before it goes out, an answer by the receiving kernel: how late this process reads
it does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

__all__ = ["RoundTrip", "RoundTrips"]

K = TypeVar("K")

_LONGEST: Final = 1.0  # seconds: what comes later answers another question
_OLD: Final = 10.0  # seconds: it is not known any more
_WEIGHT: Final = 1 / 8  # of the newest in the mean (RFC 6298's for round trips)


@dataclass(slots=True)
class RoundTrip:
    """Seconds: the newest, which came `at`, the smoothed mean, and the longest since the last look."""

    last: float
    mean: float
    longest: float
    at: float


class RoundTrips(Generic[K]):
    """Round trips by whatever tells one kind of question to one host from another; wall-clock seconds."""

    def __init__(self) -> None:
        self._asked: dict[K, float] = {}
        self._found: dict[K, RoundTrip] = {}

    def asked(self, key: K, at: float) -> None:
        """Take a question that goes out now."""
        self._asked[key] = at

    def answered(self, key: K, at: float) -> None:
        """Take the first answer to the last question."""
        seconds = at - self._asked.pop(key, at - 2 * _LONGEST)
        if not 0 <= seconds <= _LONGEST:
            return  # nobody asked, or the clock was set meanwhile
        known = self._found.get(key)
        if known is None:
            self._found[key] = RoundTrip(seconds, seconds, seconds, at)
        else:
            known.last, known.at = seconds, at
            known.mean += _WEIGHT * (seconds - known.mean)
            known.longest = max(known.longest, seconds)

    def keep(self, keys: frozenset[K]) -> None:
        """Forget all others."""
        for table in (self._asked, self._found):
            for key in table.keys() - keys:
                del table[key]

    def look(self, now: float) -> Iterator[tuple[K, RoundTrip]]:
        """Yield what was found of late."""
        for key, each in tuple(self._found.items()):
            if now - each.at > _OLD:
                del self._found[key]
                continue
            yield key, replace(each)
            each.longest = each.last
