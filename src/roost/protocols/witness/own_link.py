"""Whether this node itself hears: its link, and its process. Nobody is blamed for what it missed. Pure."""

from collections import deque
from typing import Final

from roost.protocols.witness.budget import Budget
from roost.protocols.witness.timing import Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.witness.watched import Watched

__all__ = ["OwnLink"]

_DEAF: Final = 0.2  # seconds without any answer: this node's own link did not work
_SLOW: Final = 0.05  # seconds that an answer may take on a link that works badly
_BACKLOG: Final = 0.01  # seconds in which a process that runs again reads what waited
_LATE: Final = 64  # late wakes remembered: a verdict looks at a fraction of a second


class OwnLink:
    """What this node heard of anybody, and when its process did not run; times are seconds."""

    def __init__(self, timing: Timing, budget: Budget) -> None:
        self._timing = timing
        self._budget = budget
        self._heard = dict.fromkeys(ProbeKind, 0.0)
        self._heard_any = 0.0
        self._heard_anew = 0.0  # since then without a pause in which this node may have been deaf
        self._asked = float("-inf")
        self.awake_since = float("-inf")  # until then it was this node that was not heard
        self._late: deque[tuple[float, float]] = deque(maxlen=_LATE)  # when, and by how much

    def heard(self, at: float, kind: ProbeKind) -> None:
        """Take an answer of any host of the LAN."""
        if at - self._heard_any > _DEAF:
            self.awake_since = max(self.awake_since, at)
        if at - self._heard_any > _DEAF / 2:
            self._heard_anew = at
        if at > self._heard[kind]:
            self._heard[kind] = at
            self._heard_any = max(self._heard_any, at)

    def is_doubtful(self, now: float) -> bool:
        """Tell whether somebody has to be asked soon: who hears nobody for longer takes itself for deaf."""
        return now - self._heard_any > _DEAF / 2

    def may_ask(self, now: float) -> bool:
        """Take leave to ask hosts of the LAN: what was asked before has its time to be answered."""
        if now - self._asked < 2 * self._timing.flight:
            return False
        self._asked = now
        return True

    def was_late(self, now: float, late: float) -> None:
        """Take that this process woke at `now`, too late by so many seconds."""
        self._late.append((now, late))

    def asleep_since(self, since: float) -> float:
        """Return for how many seconds after `since` this process did not run, and asked nothing."""
        return sum(late for when, late in self._late if when > since)

    def may_be_of(self, now: float) -> float:
        """Return when that was said at the earliest which is read `now`: it may have waited here."""
        when, late = self._late[-1] if self._late else (now, 0.0)
        return when - late if now - when <= _BACKLOG else now

    def works(self, watch: Watched, now: float) -> bool:
        """Tell whether this node's own link has worked for long enough to blame the subject.

        What was under way when it failed came in still, and what was asked before it worked again was lost.
        """
        heard = self._heard_while_silent(watch, now)
        if watch.asked is None or heard <= watch.asked:
            return False
        if watch.main is ProbeKind.ARP and self._budget.limited:
            return True  # questions are too few to ask for more
        watch.proved = max(heard if watch.proved is None else watch.proved, self._heard_anew)
        # A link that was slow of late is given time.
        open_by = now - max(self._timing.flight, min(watch.decisive.gap, _SLOW))
        asked_since = watch.decisive.lost(open_by) - watch.decisive.lost(watch.proved)
        return heard > (watch.asked + now) / 2 and asked_since > 0

    def _heard_while_silent(self, watch: Watched, now: float) -> float:
        """Return when an answer proved this node's link last.

        Who answers ARP for one dead host may for all, so ARP counts only where the subject's is silent.
        """
        echo, arp = self._heard[ProbeKind.ECHO], watch.voices[ProbeKind.ARP]
        silent = arp.lost(now - self._timing.flight) > 0  # what was asked just now is no sign
        faked = watch.main is ProbeKind.ECHO and arp.answers > 0 and not silent
        return echo if faked else max(echo, self._heard[ProbeKind.ARP])
