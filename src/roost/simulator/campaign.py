"""Runs and campaigns: schedules drawn, played and judged, and the first failure made short.

seed -> Schedule -> World + Judge -> Outcome      many of them, side by side -> Report
"""

import gc
import itertools
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
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
    cpu: float = 0.0  # seconds, of all processes
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
    with _collecting_afterwards():
        return _play(schedule, make, bounds or Bounds(), record=record)


@contextmanager
def _collecting_afterwards() -> Generator[None, None, None]:
    """Let no garbage collection look through a world that lives: it is let go as a whole, after its run."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)  # all that a run has made is young
        if collects:
            gc.enable()


def _play(schedule: Schedule, make: MakeDecider, bounds: Bounds, *, record: bool) -> Outcome:
    world = World(schedule, make, record=record)
    judge = Judge(world, bounds)
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


@dataclass(frozen=True, slots=True)
class _Played:
    """A run of a campaign; `cpu` is in seconds."""

    schedule: Schedule
    outcome: Outcome
    cpu: float


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of one campaign, by number: each depends on its number alone."""

    make: MakeDecider
    seed: int
    nodes: int | None
    profile: str
    bounds: Bounds | None

    def play(self, number: int, faults: int = _FAULTS) -> _Played:
        began = time.process_time()
        schedule = draw(self.seed * 1_000_003 + number, faults=faults, nodes=self.nodes, profile=self.profile)
        outcome = play(schedule, self.make, self.bounds)
        return _Played(schedule, outcome, time.process_time() - began)

    def in_order(self, jobs: int, left: Callable[[], int]) -> Generator[_Played, None, None]:
        """Yield one after the other, played by so many processes, while so many faults are `left`."""
        if jobs == 1:
            yield from map(self.play, itertools.count())
            return
        others = multiprocessing.active_children()
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), initializer=_end_with_parent)
        playing: deque[Future[_Played]] = deque()
        numbers = itertools.count()
        try:
            while True:
                # One more than plays at a time: it waits for whoever is done first.
                while not playing or (len(playing) <= jobs and len(playing) * _FAULTS < left()):
                    with _interrupted_later():
                        playing.append(pool.submit(self.play, next(numbers)))
                yield playing.popleft().result()
        finally:
            # Nobody waits for what they still play, least of all after Ctrl-C.
            for worker in multiprocessing.active_children():
                if worker not in others:
                    worker.terminate()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let Ctrl-C wait meanwhile: Python ignores what is raised while a process is forked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Let this process, which plays runs, leave Ctrl-C to its parent, and not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - it was forked for this

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def campaign(
    make: MakeDecider,
    *,
    steps: int,
    seed: int,
    nodes: int | None = None,
    profile: str = "default",
    bounds: Bounds | None = None,
    jobs: int = 1,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Play one drawn schedule after the other until so many faults were injected.

    With more `jobs` as many processes play at a time, and `make` has to be a function of a module; the
    report is the same, but for the CPU time.
    """
    report = Report()
    runs = _Runs(make, seed, nodes, profile, bounds)

    def left() -> int:
        return steps - report.steps

    with closing(runs.in_order(jobs, left)) as whole:
        while left() > 0:
            played = next(whole) if left() >= _FAULTS else runs.play(report.runs, left())
            _count(report, played)
            progress(report)
    return report


def _count(report: Report, played: _Played) -> None:
    outcome = played.outcome
    report.runs += 1
    report.steps += outcome.steps
    report.cpu += played.cpu
    report.longest_silence = max(report.longest_silence, outcome.longest_silence)
    report.longest_two = max(report.longest_two, outcome.longest_two)
    if outcome.violation is not None:
        report.failures.append((played.schedule, outcome.violation))
