"""Peers that have never answered for the address by which they are watched: another one may show them. Pure.

One that has just got a service may not answer for it yet, and its silence would mean nothing. Time comes in.
"""

from collections.abc import Callable, Mapping
from typing import Final

from roost.model.address import IPAddress

__all__ = ["Unshown"]

_AFTER: Final = 0.6  # seconds of asking in vain


class Unshown:
    """Since when peers are asked for an address, of which `never(name, now)` says that none answered yet."""

    def __init__(self, never: Callable[[str, float], bool]) -> None:
        self._never = never
        self._asked: dict[str, tuple[IPAddress, float]] = {}

    def follow(self, watched: Mapping[str, IPAddress], now: float) -> None:
        """Take by what peers are watched now."""
        before = self._asked
        self._asked = {
            name: before[name] if name in before and before[name][0] == address else (address, now)
            for name, address in watched.items()
            if self._never(name, now)
        }

    def in_vain(self, now: float) -> dict[str, IPAddress]:
        """Hand over who was asked for an address in vain for long enough, and for which."""
        over = [name for name, (_, since) in self._asked.items() if now >= since + _AFTER]
        taken = {name: self._asked.pop(name)[0] for name in over}
        return {name: address for name, address in taken.items() if self._never(name, now)}

    def next_wake(self) -> float | None:
        """When `in_vain` is wanted next, or None."""
        return min((since + _AFTER for _, since in self._asked.values()), default=None)
