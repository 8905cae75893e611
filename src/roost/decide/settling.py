"""Whether this node knows what the others know. Pure: time comes in.

It does not at its start, and after a stretch in which it did not run or heard nobody; then it claims nothing
that it has not asked the LAN for. The state of one peer ends that, and so does time: perhaps it is alone.

What waited in sockets while a process did not run is from before: it settles nothing, and peers are asked
once more when it is read.
"""

import math
from typing import Final

from roost.protocols.machine import soonest

__all__ = ["Settling"]

_BACKLOG: Final = 0.01  # seconds in which a process that runs again reads what waited


class Settling:
    """`settled`, and until when this node waits for a peer's state; `gossiped`: whether it ever had one."""

    def __init__(self, *, alone: bool) -> None:
        self.settled = alone
        self.gossiped = alone
        self._until: float | None = None
        self._fresh_from = -math.inf
        self._asks_again: float | None = None

    def stood_still(self, now: float) -> None:
        """Learn that this process did not run until now."""
        self._fresh_from = self._asks_again = now + _BACKLOG

    def may_be_old(self, now: float) -> bool:
        """Tell whether what a peer says now may have waited here since before."""
        return now < self._fresh_from

    def asks_again(self, now: float) -> bool:
        """Tell whether peers are to be asked anew now: what has come until here settled nothing."""
        if self._asks_again is None or now < self._asks_again:
            return False
        self._asks_again = None
        return not self.settled

    def unsettle(self, now: float, within: float) -> None:
        """Wait up to `within` seconds for the state of a peer."""
        self.settled = False
        self._until = now + within

    def synchronized(self, *, old: bool) -> bool:
        """Take note of a peer's whole state, which may be old; tells whether that settles this node."""
        self.gossiped = True
        if old:
            return False
        news = not self.settled
        self.settled, self._until = True, None
        return news

    def wake(self, now: float) -> bool:
        """Tell whether the wait has ended now without a word of any peer."""
        if self._until is None or now < self._until:
            return False
        self.settled, self._until = True, None
        return True

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None."""
        return soonest((self._until, self._asks_again))
