"""What a witness wants done."""

from dataclasses import dataclass

from roost.protocols.machine import Effect
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.statement import Statement

__all__ = ["AskLan", "Declare", "Missing", "Probe", "Tell"]


@dataclass(frozen=True, slots=True)
class Probe(Effect):
    """Ask for `subject`'s own address by unicast."""

    subject: str
    kind: ProbeKind


@dataclass(frozen=True, slots=True)
class AskLan(Effect):
    """Ask up to `hosts` hosts outside the cluster, any answer proves this node's own link."""

    kind: ProbeKind
    hosts: int


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """Send `statement` to the nodes `to`."""

    to: frozenset[str]
    statement: Statement


@dataclass(frozen=True, slots=True)
class Missing(Effect):
    """`subject` has begun to owe an answer: perhaps it is only late."""

    subject: str


@dataclass(frozen=True, slots=True)
class Declare(Effect):
    """`subject` is gone; `evidence` says for people why, `alone` that no other witness says so."""

    subject: str
    evidence: str
    alone: bool = False
