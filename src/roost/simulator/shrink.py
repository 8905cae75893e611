"""Making a failing schedule short: delta debugging over its faults, then over the cluster and the times.

Whatever still breaks the same rule is kept. Bounded by CPU time: what was found by then is returned.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from roost.simulator.faults import Fault, Schedule
from roost.simulator.rules import Violation

__all__ = ["shrink"]

_TAIL: Final = 0.5  # seconds after the violation that are played, too
_SHORTEST: Final = 0.1  # seconds below which a fault is not made shorter

Fails = Callable[[Schedule], Violation | None]


def shrink(
    schedule: Schedule, violation: Violation, fails: Fails, *, cpu: float
) -> tuple[Schedule, Violation]:
    """Return the shortest schedule found that breaks the same rule, and how; `cpu` is in seconds."""
    search = _Search(schedule, violation, fails, time.process_time() + cpu)
    search.cut_tail()
    search.drop_faults()
    while search.simplify() and search.drop_faults():
        pass
    return search.best, search.violation


class _Search:
    """The best schedule so far."""

    def __init__(self, schedule: Schedule, violation: Violation, fails: Fails, deadline: float) -> None:
        self.best = schedule
        self.violation = violation
        self._fails = fails
        self._deadline = deadline

    def cut_tail(self) -> None:
        """End soon after the violation: what came later had no part in it."""
        end = min(self.best.seconds, self.violation.at + _TAIL)
        faults = [fault for fault in self.best.faults if fault.at < self.violation.at]
        self._try(replace(self.best, seconds=round(end, 3)).with_faults(faults))

    def drop_faults(self) -> bool:
        """Drop as many faults as can be, in chunks that get smaller (ddmin); tells whether any went."""
        before = len(self.best.faults)
        size = max(before // 2, 1)
        while size >= 1 and self._has_time():
            at, dropped = 0, False
            while at < len(self.best.faults) and self._has_time():
                faults = self.best.faults[:at] + self.best.faults[at + size :]
                if self._try(self.best.with_faults(faults)):
                    dropped = True
                else:
                    at += size
            if not dropped or size > len(self.best.faults):
                size //= 2
        return len(self.best.faults) < before

    def simplify(self) -> bool:
        """Make the cluster smaller, and the faults shorter, as far as it goes; tells whether it did."""
        changed = False
        for candidate in self._smaller():
            changed |= self._has_time() and self._try(candidate)
        for at in range(len(self.best.faults)):
            while self._has_time() and self._shorten(at):
                changed = True
        if changed:
            self.cut_tail()
        return changed

    def _smaller(self) -> Iterator[Schedule]:
        """Yield schedules with fewer clients, services and nodes than the best one at the time."""
        yield replace(self.best, clients=1)
        used = {fault.service for fault in self.best.faults}
        for spec in self.best.services:
            rest = tuple(each for each in self.best.services if each is not spec)
            if spec.name not in used and rest:
                yield replace(self.best, services=tuple(each for each in rest if each in self.best.services))
        last = f"n{self.best.nodes}"
        named = {name for spec in self.best.services for name in (*spec.nodes, *spec.endpoints)}
        if self.best.nodes > 2 and last not in named | {fault.node for fault in self.best.faults}:
            yield replace(self.best, nodes=self.best.nodes - 1)

    def _shorten(self, at: int) -> bool:
        """Try half of a fault."""
        fault = self.best.faults[at]
        if fault.duration < 2 * _SHORTEST:
            return False
        shorter = replace(fault, duration=round(fault.duration / 2, 3))
        return self._try(self.best.with_faults(_replaced(self.best.faults, at, shorter)))

    def _try(self, schedule: Schedule) -> bool:
        """Keep a schedule if it breaks the same rule."""
        if schedule == self.best:
            return False
        violation = self._fails(schedule)
        if violation is None or violation.rule != self.violation.rule:
            return False
        self.best, self.violation = schedule, violation
        return True

    def _has_time(self) -> bool:
        return time.process_time() < self._deadline


def _replaced(faults: tuple[Fault, ...], at: int, fault: Fault) -> tuple[Fault, ...]:
    return (*faults[:at], fault, *faults[at + 1 :])
