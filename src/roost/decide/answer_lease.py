"""The right to answer, which ends by itself when this process does not run.

A process that was stopped (by a debugger, a hypervisor, a starved host) wakes with requests in its buffers
and a picture of the cluster from before. By then another node may answer. Pure: time comes in.
"""

from typing import Final

__all__ = ["BEAT", "Lease"]

BEAT: Final = 0.1  # seconds between renewals
_DURATION: Final = 0.28  # seconds: ends before peers may take a mute process for hung


class Lease:
    """Valid for a moment after each renewal."""

    def __init__(self, now: float, duration: float = _DURATION) -> None:
        self._duration = duration
        self._until = now + duration

    def valid(self, now: float) -> bool:
        """Tell whether this process may answer at `now`."""
        return now <= self._until

    def renew(self, now: float) -> bool:
        """Go on from `now`; tells whether the lease was still valid, so that nothing can have happened."""
        was_valid = self.valid(now)
        self._until = now + self._duration
        return was_valid
