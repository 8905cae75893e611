"""The right to answer, which ends by itself when this process does not run. Pure: time comes in.

A process that was stopped (by a debugger, a hypervisor, a starved host) wakes with requests in its buffers
and a picture of the cluster from before. By then another node may answer.
"""

from typing import Final

__all__ = ["BEAT", "AnswerLease"]

BEAT: Final = 0.1  # seconds between renewals
_EARLY: Final = 0.04  # seconds: with a wake that is for something else, it needs none of its own
_DURATION: Final = 0.28  # seconds: ends before peers may take a mute process for hung


class AnswerLease:
    """Valid for a moment after each renewal."""

    def __init__(self, duration: float = _DURATION) -> None:
        self._duration = duration
        self._next: float | None = None
        self.until = float("-inf")

    def valid(self, now: float) -> bool:
        """Tell whether this process may answer at `now`."""
        return now <= self.until

    def begin(self, now: float) -> None:
        """Take the first one."""
        self.until, self._next = now + self._duration, now + BEAT

    def wake(self, now: float) -> bool:
        """Renew it when that is due; tells whether it had run out: anything may have happened since."""
        if self._next is None or now < self._next - _EARLY:
            return False
        had_run_out = not self.valid(now)
        self.begin(now)
        return had_run_out

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None before it began."""
        return self._next
