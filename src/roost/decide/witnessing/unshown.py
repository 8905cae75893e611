"""Peers that have never answered for the address by which they are watched: another one may show them. Pure.

One that has just got a service may not answer for it yet, and its silence would mean nothing. Time comes in.
"""

from collections.abc import Callable, Mapping
from typing import Final

from roost.model.address import IPAddress

__all__ = ["Unshown"]

_FIRST: Final = 0.2  # seconds of asking in vain: a process may hang right after it has got something new
_AGAIN: Final = 1.0  # seconds until it is handed over once more


class Unshown:
    """Peers that are asked for an address, of which `never(name, now)` says that none answered yet."""

    def __init__(self, never: Callable[[str, float], bool]) -> None:
        self._never = never
        self._due: dict[str, tuple[IPAddress, float]] = {}
        self._handed_over: set[str] = set()

    def follow(self, watched: Mapping[str, IPAddress], now: float) -> None:
        """Take by what peers are watched now."""
        before, names = self._due, {name for name in watched if self._never(name, now)}
        self._handed_over &= names
        self._due = {
            name: before[name]
            if name in before and before[name][0] == watched[name]
            else (watched[name], now + (_AGAIN if name in self._handed_over else _FIRST))
            for name in sorted(names)
        }

    def in_vain(self, now: float) -> dict[str, IPAddress]:
        """Hand over who was asked for an address in vain for long enough, and for which."""
        over = [name for name, (_, due) in self._due.items() if now >= due]
        taken = {name: self._due.pop(name)[0] for name in over}
        found = {name: address for name, address in taken.items() if self._never(name, now)}
        self._handed_over |= found.keys()
        return found

    def next_wake(self) -> float | None:
        """When `in_vain` is wanted next, or None."""
        return min((due for _, due in self._due.values()), default=None)
