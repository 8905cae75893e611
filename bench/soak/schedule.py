"""Which fault begins when, on which node: drawn from a seed, or read from a file. Pure but for the files."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.soak.figures import Done, Span, well

__all__ = ["KINDS", "Fault", "draw", "excerpt", "load", "save"]

_SWARM: Final = 60.0  # seconds after which other weights are drawn
_TRIES: Final = 40
_SHORTEST, _LONGEST = 0.3, 8.0  # seconds of a fault
_RESTART: Final = (0.2, 3.0)  # seconds until a process that ended is started again
_PATIENCE: Final = 4.0  # seconds; more than is counted as joining, since ending and starting take time here
_STEADY: Final = 0.6  # seconds that a node has to be well before it may be left as the only one

# What can be drawn, and which of them exclude each other on one node: a process that is gone has no signals.
KINDS: Final[Mapping[str, str]] = {
    "freeze": "process",
    "kill": "process",
    "term": "process",
    "reload": "file",
    "drain": "drain",
    "cut": "cut",
    "mute": "oneway",
    "deaf": "oneway",
    "gossip": "gossip",
    "carrier": "carrier",
    "loss": "loss",
}
_GONE: Final = frozenset({"kill", "term"})
_NEEDS_PROCESS: Final = frozenset({"reload", "drain"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` seconds after the start, `length` seconds long.

    A process that ends is started again after `length`. `way` is "both", "in" (to the node) or "out";
    `percent` is of frames lost each way.
    """

    at: float
    kind: str
    node: str
    length: float
    way: str = "both"
    percent: int = 0

    @property
    def planned(self) -> Done:
        """The record of it if all goes by the clock."""
        return Done(self.kind, self.node, Span(self.at, self.at + self.length))

    def as_data(self) -> dict[str, Any]:
        """For the file."""
        data = {"at": self.at, "fault": self.kind, "node": self.node, "for": self.length}
        if self.kind in ("gossip", "loss"):
            data["way"] = self.way
        if self.kind == "loss":
            data["percent"] = self.percent
        return data


@dataclass(frozen=True, slots=True)
class _Swarm:
    """The weights of a minute: some kinds are left out, some are frequent, and overlap more or less."""

    kinds: Mapping[str, float]
    nodes: Mapping[str, float]
    pause: float  # most seconds between two beginnings
    longest: float


def draw(seed: int, seconds: float, nodes: Sequence[str], kinds: Iterable[str] = KINDS) -> list[Fault]:
    """Return faults for `seconds`, such that at every moment some node is up, linked and unfrozen.

    Every minute has weights of its own, so that one run sees several mixes ("swarm testing").
    """
    source = random.Random(seed)
    allowed = list(kinds)
    found: list[Fault] = []
    at, swarm, minute = source.uniform(0.3, 1.5), _swarm(source, allowed, nodes), 0
    while at < seconds - _SHORTEST:
        if at // _SWARM > minute:
            swarm, minute = _swarm(source, allowed, nodes), minute + 1
        for _ in range(_TRIES):
            fault = _one(source, at, seconds, swarm)
            if _fits(fault, found) and _somebody_is_well([*found, fault], nodes, seconds):
                found.append(fault)
                break
        at = round(at + source.uniform(0.3, swarm.pause), 2)
    return found


def excerpt(schedule: Iterable[Fault], begin: float, end: float) -> list[Fault]:
    """Return what begins or is under way from `begin` to `end`, as a schedule whose time 0 is `begin`."""
    found = []
    for fault in schedule:
        at, over = max(fault.at, begin), fault.at + fault.length
        if fault.at < end and over - at >= 0.1:
            found.append(replace(fault, at=round(at - begin, 2), length=round(over - at, 2)))
    return found


def load(path: Path) -> list[Fault]:
    """Read a schedule. Raises KeyError or ValueError for what is none."""
    return [
        Fault(
            float(each["at"]),
            each["fault"],
            each["node"],
            float(each["for"]),
            each.get("way", "both"),
            int(each.get("percent", 20 if each["fault"] == "loss" else 0)),
        )
        for each in json.loads(path.read_text())
    ]


def save(path: Path, schedule: Iterable[Fault]) -> None:
    """Write a schedule, a fault on each line."""
    lines = ",\n".join(f"  {json.dumps(fault.as_data())}" for fault in schedule)
    path.write_text(f"[\n{lines}\n]\n")


def _swarm(source: random.Random, kinds: Sequence[str], nodes: Sequence[str]) -> _Swarm:
    chosen = [kind for kind in kinds if source.random() < 0.6] or list(kinds)
    return _Swarm(
        {kind: source.uniform(0.2, 2.0) for kind in chosen},
        {node: source.uniform(0.3, 2.0) for node in nodes},
        source.uniform(0.9, 4.0),
        source.uniform(2.0, _LONGEST),
    )


def _one(source: random.Random, at: float, seconds: float, swarm: _Swarm) -> Fault:
    kind = source.choices(list(swarm.kinds), list(swarm.kinds.values()))[0]
    node = source.choices(list(swarm.nodes), list(swarm.nodes.values()))[0]
    length = source.uniform(*(_RESTART if kind in _GONE else (_SHORTEST, swarm.longest)))
    length = round(max(0.2, min(length, seconds - at)), 2)
    way, percent = "both", 0
    if kind == "gossip":
        way = source.choice(["both", "both", "in", "out"])
    elif kind == "loss":
        way = source.choice(["both", "in", "out"])
        # Both ways, 20 % leave a request and its answer 64 %: half a second without one is not chance.
        percent = source.randint(10, 20 if way == "both" else 30)
    return Fault(round(at, 2), kind, node, length, way, percent)


def _fits(fault: Fault, others: Iterable[Fault]) -> bool:
    for other in others:
        if other.node != fault.node:
            continue
        end = other.at + other.length
        if KINDS[other.kind] == KINDS[fault.kind] and end > fault.at - 0.2:
            return False
        # A process that has just been started does not listen yet.
        if fault.kind in _NEEDS_PROCESS and other.kind in _GONE and end + _PATIENCE > fault.at:
            return False
    return True


def _somebody_is_well(schedule: Sequence[Fault], nodes: Iterable[str], seconds: float) -> bool:
    record = [fault.planned for fault in schedule]
    whole = Span(-_STEADY, seconds + 1)
    steady = sorted(
        Span(span.begin + _STEADY, span.end)
        for node in nodes
        for span in well(node, record, whole, _PATIENCE)
        if span.length > _STEADY
    )
    covered = 0.0
    for span in steady:
        if span.begin > covered:
            return False
        covered = max(covered, span.end)
    return covered >= seconds
