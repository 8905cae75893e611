"""Suspicion: how long an accused member has to refute (Lifeguard; memberlist `suspicion.go`).

The first accusation allows the longest time; every further member that says the same shortens it on
a logarithmic scale. A node that is alone with its suspicion, and so perhaps cut off itself, waits.
"""

import math

from roost.protocols.memberlist.profile import Profile

__all__ = ["Suspicion", "shortest_timeout"]


def shortest_timeout(profile: Profile, members: int) -> float:
    """Return the seconds that `members` members, this one included, give a suspect at least."""
    scale = math.floor(max(1.0, math.log10(max(1, members))) * 1000) / 1000
    return profile.suspicion_mult * scale * profile.probe_interval


class Suspicion:
    """One member's pending accusation, first made by `accuser` at `started`.

    `wanted` confirmations by others bring the time from `longest` down to `shortest` (seconds).
    `reason` is what this node has seen itself, empty when it only heard of the accusation.
    """

    def __init__(
        self, accuser: str, *, wanted: int, shortest: float, longest: float, started: float, reason: str = ""
    ) -> None:
        self.started = started
        self.reason = reason
        self._accusers = [accuser]
        self._wanted = wanted
        self._shortest = shortest
        self._longest = longest
        self._extension = 0.0
        self._vouched = ("", 0.0)  # why the accused is held for well, and until when

    @classmethod
    def begin(
        cls, profile: Profile, members: int, accuser: str, *, started: float, reason: str = ""
    ) -> "Suspicion":
        """Return the suspicion that a node starts among `members` live members, itself and the accused too.

        It wants two confirmations less than the multiplier, because nodes learn of an accusation at
        different times, and none when there are not enough others to give them.
        """
        wanted = profile.suspicion_mult - 2
        if members - 2 < wanted:
            wanted = 0
        shortest = shortest_timeout(profile, members)
        longest = profile.suspicion_max_timeout_mult * shortest
        return cls(accuser, wanted=wanted, shortest=shortest, longest=longest, started=started, reason=reason)

    @property
    def deadline(self) -> float:
        """When the accused counts as dead."""
        _, vouched_until = self._vouched
        return max(self.started + self.timeout + self._extension, vouched_until)

    @property
    def timeout(self) -> float:
        """Seconds to refute, by the confirmations so far; whole milliseconds unless it is the shortest."""
        if self._wanted < 1:
            return self._shortest
        fraction = math.log(len(self._accusers)) / math.log(self._wanted + 1)
        exact = self._longest - fraction * (self._longest - self._shortest)
        return max(math.floor(1000 * exact) / 1000, self._shortest)

    @property
    def evidence(self) -> str:
        """What speaks against the accused, for people."""
        accusers = f"suspected by {', '.join(self._accusers)}"
        said = f"{self.reason}, {accusers}" if self.reason else accusers
        why, _ = self._vouched
        return f"{said}; waiting, since {why}" if why else said

    def confirm(self, accuser: str) -> bool:
        """Count another accuser; tell whether that was news, and so worth passing on."""
        if len(self._accusers) > self._wanted or accuser in self._accusers:
            return False
        self._accusers.append(accuser)
        return True

    def extend(self, seconds: float) -> None:
        """Allow more time, for a stretch in which this node could not have heard a refutation."""
        self._extension += seconds

    def vouch(self, why: str, until: float) -> None:
        """Wait at least `until`: somebody outside of gossip hears the accused."""
        self._vouched = (why, until)
