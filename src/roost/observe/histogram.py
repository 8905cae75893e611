"""A histogram of durations, as Prometheus reads it. Pure."""

from bisect import bisect_left
from itertools import accumulate
from typing import Final

__all__ = ["BOUNDS", "Histogram"]

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Histogram:
    """Counts observations up to each of BOUNDS, and all of them."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.sum += seconds
        self._counts[bisect_left(BOUNDS, seconds)] += 1

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as text; the last one is +Inf."""
        names = [*map(str, BOUNDS), "+Inf"]
        return [(name, float(count)) for name, count in zip(names, accumulate(self._counts), strict=True)]
