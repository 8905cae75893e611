"""Runs and campaigns: schedules drawn, played and judged, and the first failure made short.

seed -> Schedule -> World + Judge -> Outcome      many of them -> Report
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from roost.simulator.faults import Schedule, draw
from roost.simulator.rules import Bounds, Judge, Violation
from roost.simulator.seams import MakeDecider
from roost.simulator.world import Entry, World

__all__ = ["Outcome", "Report", "campaign", "play"]

_STEP: Final = 0.5  # seconds between two looks whether a rule was broken
_FAULTS: Final = 40  # of one run


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: `steps` faults were injected until it ended, or until a rule was broken."""

    steps: int
    violation: Violation | None
    longest_silence: float
    longest_two: float
    record: tuple[Entry, ...] = ()


@dataclass(slots=True)
class Report:
    """A campaign so far; `failures` are the schedules that broke a rule, each with the rule."""

    steps: int = 0
    longest_silence: float = 0.0
    longest_two: float = 0.0
    cpu: float = 0.0  # seconds
    runs: int = 0
    failures: list[tuple[Schedule, Violation]] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """Return what is printed, JSON-able; times in seconds."""
        return {
            "steps": self.steps,
            "violations": len(self.failures),
            "longest_silence_s": round(self.longest_silence, 3),
            "longest_two_s": round(self.longest_two, 3),
            "steps_per_cpu_s": round(self.steps / self.cpu, 1) if self.cpu else 0.0,
        }


def play(
    schedule: Schedule, make: MakeDecider, bounds: Bounds | None = None, *, record: bool = False
) -> Outcome:
    """Run a schedule to its end, or until a rule is broken; the same one gives the same outcome."""
    world = World(schedule, make, record=record)
    judge = Judge(world, bounds or Bounds())
    violation: Violation | None = None
    at = 0.0
    while violation is None and at < schedule.seconds:
        at = min(at + _STEP, schedule.seconds)
        try:
            world.run_until(at)
        except Exception as error:  # noqa: BLE001 - whatever a machine raises is what is looked for
            where = "".join(traceback.format_exception(error)[-3:])
            violation = Violation(
                "error", round(world.time(), 3), f"{type(error).__name__}: {error}\n{where}"
            )
        violation = violation or judge.violation
    if violation is None:
        judge.judge_tables()
        violation = judge.violation
    return Outcome(world.begun, violation, judge.longest_silence, judge.longest_two, tuple(world.record))


def campaign(
    make: MakeDecider,
    *,
    steps: int,
    seed: int,
    nodes: int | None = None,
    profile: str = "default",
    bounds: Bounds | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Play one drawn schedule after the other until so many faults were injected."""
    report = Report()
    began = time.process_time()
    while report.steps < steps:
        wanted = min(_FAULTS, steps - report.steps)
        schedule = draw(seed * 1_000_003 + report.runs, faults=wanted, nodes=nodes, profile=profile)
        outcome = play(schedule, make, bounds)
        report.runs += 1
        report.steps += outcome.steps
        report.longest_silence = max(report.longest_silence, outcome.longest_silence)
        report.longest_two = max(report.longest_two, outcome.longest_two)
        if outcome.violation is not None:
            report.failures.append((schedule, outcome.violation))
        report.cpu = time.process_time() - began
        progress(report)
    return report
