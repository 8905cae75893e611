"""The seam between protocol machines and whatever drives them.

A machine does no I/O, reads no clock, and starts no task. A driver (asyncio in production, virtual
time in the simulator) calls it with bytes and the current time, then carries out the effects that
it returns, then sleeps until `next_wake()`.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["Effect", "Endpoint", "Machine", "Randomness", "SendDatagram", "soonest"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A transport address: `host` is canonical IP text without a zone, `port` is in host order."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Effect:
    """Something that a machine wants done; subclasses are frozen dataclasses."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SendDatagram(Effect):
    """Send `data` (bytes, complete packet) to `target` over UDP; losing it is allowed."""

    target: Endpoint
    data: bytes


class Machine(Protocol):
    """What every driver needs from a machine, beside the calls that bring it what comes in.

    Times are seconds on any monotonic scale. Hostile bytes cost a counter, never an exception.
    """

    def wake(self, now: float) -> None:
        """Do what is due at `now`; calling it early or late is harmless."""

    def next_wake(self) -> float | None:
        """Return when `wake` is wanted next, or None while nothing is scheduled."""

    def effects(self) -> Iterable[Effect]:
        """Hand over the effects since the last call, oldest first."""


class Randomness(Protocol):
    """The part of `random.Random` that machines use; always handed in, seeded in tests."""

    def random(self) -> float:
        """Return a float in [0, 1)."""

    def randrange(self, stop: int, /) -> int:
        """Return an int in [0, stop)."""

    def shuffle(self, _x: MutableSequence[Any], /) -> None:
        """Shuffle in place."""

    def sample(self, _population: Sequence[T], k: int, /) -> list[T]:
        """Return `k` distinct elements."""

    def randbytes(self, _n: int, /) -> bytes:
        """Return `n` bytes."""


def soonest(wakes: Iterable[float | None]) -> float | None:
    """Return the first of the times at which the parts of a machine want to be woken; None: never."""
    first: float | None = None
    for when in wakes:
        if when is not None and (first is None or when < first):
            first = when
    return first
