"""When a witness asks a subject next, and when it looks whether an answer is missing. Pure.

Questions of all subjects fall on the same beats, and those of machines of one node, too: each wake-up costs
more than what is done in it. Within a budget of ARP the witnesses of one subject take turns instead.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from math import ceil, floor
from typing import Final

from roost.protocols.witness.budget import Budget
from roost.protocols.witness.timing import Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.witness.watched import Watched

__all__ = ["Pace"]

_RARELY: Final = 2.0  # seconds between questions of the kind that decides nothing, of all witnesses together
_LEARNING: Final = 50  # echo requests without any answer, after which it is asked rarely
_FOLLOWING: Final = 2  # times the interval while another witness asks on it, and all answer
_FEWEST: Final = 3  # losses that a verdict of several takes where a budget affords no more


class Pace:
    """The pace of node `me`; its routine questions fall on beats of `grid` seconds, None: their own."""

    def __init__(self, me: str, timing: Timing, budget: Budget, grid: float | None) -> None:
        if grid is not None:
            timing = replace(timing, interval=grid * max(1, round(timing.interval / grid)))
        self.timing = timing
        self._me = me
        self._budget = budget
        self._grid = timing.interval if grid is None else grid
        self._phase = _fraction(me)

    def turn(self, subject: str, others: frozenset[str]) -> float:
        """Return this node's phase among the witnesses of `subject`: on one clock they take exact turns."""
        witnesses = sorted({self._me, *others})
        return (_fraction(subject) + witnesses.index(self._me) / len(witnesses)) % 1

    def wish(self, user: object, watches: Iterable[Watched]) -> None:
        """Tell the budget how often machine `user` would ask these by ARP."""
        self._budget.wish(
            user,
            [
                self._rarely(watch) if watch.main is ProbeKind.ECHO else self.timing.interval
                for watch in watches
            ],
        )

    def wanted(self, watch: Watched) -> float:
        """Return when there is something to do: a question, or a look whether the first one was answered.

        Rare questions go out with the others: no wake is spent on them.
        """
        voice = watch.decisive
        due = voice.due
        for each in watch.voices.values():
            if each.due < due and not each.proven:
                due = each.due
        if voice.pending and watch.asked is None and voice.proven and not watch.declared:
            return min(due, self._look(voice.pending[0]))
        return due

    def next(self, watch: Watched, kind: ProbeKind, now: float, *, calm: bool) -> float:
        """Return when to ask next by this kind; `calm`: no subject at all owes an answer."""
        voice, timing = watch.voices[kind], self.timing
        urgent = watch.is_urgent(now)
        if kind is ProbeKind.ECHO:
            rarely = kind is not watch.main and len(voice.pending) >= _LEARNING
            interval = timing.urgent if urgent else _RARELY if rarely else self._interval(watch, calm=calm)
            return _beat(now, interval, self._offset(interval))
        if kind is not watch.main:
            return self._routine(watch, self._rarely(watch), now)
        if urgent:
            if not self._budget.limited:
                return _beat(now, timing.urgent, self._offset(timing.urgent))
            return now + max(timing.urgent, (timing.silence - timing.slack) / self.losses(watch))
        return self._routine(watch, self._interval(watch, calm=calm), now)

    def routine(self, watch: Watched, now: float) -> float:
        """Return when routine ARP is due next."""
        return self._routine(watch, self.timing.interval, now)

    def follows(self, watch: Watched) -> bool:
        """Tell whether another witness asks at the full pace; within a budget all take turns."""
        return watch.follows and not (self._budget.limited and watch.main is ProbeKind.ARP)

    def losses(self, watch: Watched) -> int:
        """Return how many unanswered questions a verdict takes."""
        if watch.main is ProbeKind.ECHO or not self._budget.limited:
            return self.timing.losses
        return min(self.timing.losses, _FEWEST if watch.others else max(_FEWEST + 1, self._budget.burst))

    def _look(self, asked: float) -> float:
        """Return when to look whether what was asked at `asked` is answered."""
        missing = asked + self.timing.flight
        if self._grid >= self.timing.interval:
            return missing
        offset = self._offset(self._grid)  # of another machine's questions, too: no wake is spent on the look
        return ceil((missing - offset) / self._grid) * self._grid + offset

    def _interval(self, watch: Watched, *, calm: bool) -> float:
        """Return the seconds between routine questions of the main kind, and of what is to be learnt."""
        rarely = calm and self.follows(watch) and watch.decisive.proven
        return self.timing.interval * (_FOLLOWING if rarely else 1)

    def _offset(self, interval: float) -> float:
        """Return by how many seconds this node's beats of `interval` are moved, on the beats of the grid."""
        slots = round(interval / self._grid)
        if slots < 1:
            return self._phase * interval
        return self._grid * (self._phase + floor(self._phase * slots))

    def _routine(self, watch: Watched, interval: float, now: float) -> float:
        """Return when routine ARP, wanted every `interval`, is due: a subject's witnesses take turns."""
        spacing = self._budget.spacing(interval)
        limited = self._budget.limited
        return _beat(now, spacing, watch.phase * spacing if limited else self._offset(spacing))

    @staticmethod
    def _rarely(watch: Watched) -> float:
        return _RARELY * (len(watch.others) + 1)


def _fraction(name: str) -> float:
    """Return a number of [0, 1) that stands for `name`."""
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big") / 2**32


def _beat(now: float, interval: float, offset: float) -> float:
    """Return the next multiple of `interval`, moved by `offset` seconds, that is not too close to `now`."""
    return (floor((now - offset) / interval + 0.25) + 1) * interval + offset
