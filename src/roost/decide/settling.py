"""Whether this node knows what the others know. Pure: time comes in.

It does not at its start, and after a stretch in which it did not run or heard nobody; then it claims nothing
that it has not asked the LAN for. The state of one peer ends that, and so does time: perhaps it is alone.
"""

__all__ = ["Settling"]


class Settling:
    """`settled`, and until when this node waits for a peer's state; `gossiped`: whether it ever had one."""

    def __init__(self, *, alone: bool) -> None:
        self.settled = alone
        self.gossiped = alone
        self._until: float | None = None

    def unsettle(self, now: float, within: float) -> None:
        """Wait up to `within` seconds for the state of a peer."""
        self.settled = False
        self._until = now + within

    def synchronized(self) -> bool:
        """Take note that a peer's state is known; tells whether that settles this node."""
        self.gossiped = True
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
        return self._until
