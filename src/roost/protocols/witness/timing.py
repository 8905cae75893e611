"""How often a witness asks, and how long silence lasts until it means something."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["PROCESS", "TIMINGS", "Timing"]

_SLACK: Final = 0.3  # of `silence`


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, but `losses`: the number of probes that have to stay unanswered.

    `interval` is between probes of a peer that answers, `urgent` between those of one that misses,
    `flight` the time after which an answer is missing, `silence` the shortest time without any.
    """

    interval: float
    urgent: float
    flight: float
    silence: float
    losses: int

    @property
    def slack(self) -> float:
        """What of `silence` is counted before the first missing answer, and how late a wake may be."""
        return _SLACK * self.silence


# A process on a busy host answers late and still lives; its kernel is watched more closely.
# It answers when it wakes for its own probes, and its answer is read when this node wakes for them.
PROCESS: Final = Timing(interval=0.08, urgent=0.025, flight=0.05, silence=0.3, losses=6)
TIMINGS: Final[Mapping[str, Timing]] = MappingProxyType(
    {
        "default": Timing(interval=0.04, urgent=0.004, flight=0.008, silence=0.065, losses=8),
        "fast": Timing(interval=0.016, urgent=0.002, flight=0.004, silence=0.025, losses=6),
    }
)
