"""Who of the watched peers has fallen silent, decided with the other witnesses (a machine without I/O).

A node's kernel answers ARP and ND for the node's own address whatever its processes do, so its silence
means that the node or its link is gone. One silent probe makes this node ask the other witnesses to look
at once; a verdict takes their agreement. Where there are no others, or they do not speak, somebody else's
answer on the LAN has to prove that this node's own link works.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import floor
from types import MappingProxyType
from typing import Final

from roost.protocols.machine import Effect
from roost.protocols.words.statement import Kind, Statement

__all__ = ["PROCESS", "TIMINGS", "AskLan", "Declare", "Probe", "Tell", "Timing", "Witness"]

_SUSPICIOUS: Final = 1  # probes without an answer that make the others look too
_PROVEN: Final = 3  # answers before silence means anything: some hosts never answer
_PATIENCE: Final = 2.0  # silence lasts this many times the longest gap of late: a full link is slow, not dead
_LATE: Final = 2.0  # intervals between two wakes: more, and this process was not running
_LONGEST: Final = 0.5  # seconds: the most that a bad link can slow a verdict down
_GAP_HALF_LIFE: Final = 5.0  # seconds
_PENDING_LIMIT: Final = 64  # unanswered probes remembered; more say no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, but `losses`: the number of probes that have to stay unanswered.

    `interval` is between probes of a peer that answers, `urgent` between those of one that misses,
    `flight` the time after which an answer is missing, `silence` the shortest time without any.
    """

    interval: float
    urgent: float
    flight: float
    silence: float
    losses: int


# A process on a busy host answers late and still lives; its kernel is watched more closely.
PROCESS: Final = Timing(interval=0.1, urgent=0.02, flight=0.05, silence=0.3, losses=8)
TIMINGS: Final[Mapping[str, Timing]] = MappingProxyType(
    {
        "default": Timing(interval=0.02, urgent=0.005, flight=0.01, silence=0.07, losses=8),
        "fast": Timing(interval=0.008, urgent=0.002, flight=0.004, silence=0.025, losses=6),
    }
)


@dataclass(frozen=True, slots=True)
class Probe(Effect):
    """Ask for `subject`'s own address by unicast."""

    subject: str


@dataclass(frozen=True, slots=True)
class AskLan(Effect):
    """Ask hosts outside the cluster, any answer proves this node's own link."""


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """Send `statement` to the nodes `to`."""

    to: frozenset[str]
    statement: Statement


@dataclass(frozen=True, slots=True)
class Declare(Effect):
    """`subject` is gone; `evidence` says for people why."""

    subject: str
    evidence: str


@dataclass(slots=True)
class _Watch:
    """One subject; times are seconds on the machine's scale."""

    others: frozenset[str]
    heard: float  # the last answer
    due: float
    answers: int = 0
    gap: float = 0.0
    pending: deque[float] = field(default_factory=lambda: deque(maxlen=_PENDING_LIMIT))
    pressed_until: float = 0.0  # somebody asked to look
    asked: float | None = None  # when the others were asked
    told: float = 0.0  # when they were told last that it is silent
    word: dict[str, tuple[Kind, float]] = field(default_factory=dict)  # the others' last, and when
    declared: bool = False


class Witness:
    """Watches peers for the node `me`; drive it as any machine, and drain answers before `wake`."""

    def __init__(self, me: str, timing: Timing) -> None:
        self._me = me
        self._timing = timing
        self._watches: dict[str, _Watch] = {}
        self._effects: list[Effect] = []
        self._lan_heard = 0.0
        self._woken = float("-inf")
        self._awake_since = float("-inf")  # what was silent while this process did not run may have spoken

    def heard(self, subject: str) -> float | None:
        """Return when `subject` answered last, or None when it is not watched or never did."""
        watch = self._watches.get(subject)
        return watch.heard if watch is not None and watch.answers else None

    @property
    def subjects(self) -> AbstractSet[str]:
        """Who is watched."""
        return self._watches.keys()

    def proven(self, subject: str) -> bool:
        """Tell whether `subject` is watched and has answered, so that its silence would mean something."""
        watch = self._watches.get(subject)
        return watch is not None and watch.answers >= _PROVEN

    def watch(self, subjects: Mapping[str, frozenset[str]], now: float) -> None:
        """Watch exactly these from now on: subject -> the other witnesses of it."""
        for gone in self._watches.keys() - subjects.keys():
            del self._watches[gone]
        for subject, others in subjects.items():
            if subject in self._watches:
                self._watches[subject].others = others
            else:
                self._watches[subject] = _Watch(others, heard=now, due=now)

    def answered(self, subject: str, at: float) -> None:
        """Take an answer of `subject`'s kernel that came in at `at`."""
        self._lan_heard = max(self._lan_heard, at)
        watch = self._watches.get(subject)
        if watch is None or at < watch.heard:
            return
        if watch.answers >= _PROVEN:
            gap = at - watch.heard
            watch.gap = max(gap, watch.gap * 0.5 ** (gap / _GAP_HALF_LIFE))
        watch.answers += 1
        watch.heard = at
        watch.pending = deque((sent for sent in watch.pending if sent > at), maxlen=_PENDING_LIMIT)
        asked = any(kind is not Kind.SEEN for kind, _ in watch.word.values())
        if watch.asked is not None or asked:
            self._tell(Kind.SEEN, subject, watch.others)
            watch.word.clear()
        watch.asked, watch.declared = None, False

    def lan_answered(self, at: float) -> None:
        """Take an answer of any other host of the LAN."""
        self._lan_heard = max(self._lan_heard, at)

    def receive(self, statement: Statement, now: float) -> None:
        """Take another witness's word; only that of known witnesses counts."""
        watch = self._watches.get(statement.subject)
        if watch is None or statement.sender not in watch.others:
            return
        watch.word[statement.sender] = (statement.kind, now)
        if statement.kind is not Kind.SEEN:
            watch.pressed_until = now + self._timing.silence
            watch.due = min(watch.due, now)
        self._judge(statement.subject, watch, now)

    def wake(self, now: float) -> None:
        """Probe who is due and judge who is silent.

        A wake that is late blames nobody: what counts is probes that were sent and stayed unanswered.
        """
        if now - self._woken > _LATE * self._timing.interval:
            self._awake_since = now
        self._woken = now
        for subject, watch in self._watches.items():
            if watch.due <= now:
                self._probe(subject, watch, now)
            self._judge(subject, watch, now)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody is watched."""
        return min((watch.due for watch in self._watches.values()), default=None)

    def effects(self) -> Iterable[Effect]:
        """Hand over the effects since the last call, oldest first."""
        effects, self._effects = self._effects, []
        return effects

    def _probe(self, subject: str, watch: _Watch, now: float) -> None:
        self._effects.append(Probe(subject))
        watch.pending.append(now)
        pressed = watch.pressed_until > now or self._lost(watch, now) >= _SUSPICIOUS
        urgent = pressed and watch.answers >= _PROVEN and not watch.declared
        watch.due = _beat(now, self._timing.urgent if urgent else self._timing.interval)

    def _lost(self, watch: _Watch, now: float) -> int:
        """Count the probes since the last answer that ought to have been answered by now."""
        return sum(sent <= now - self._timing.flight for sent in watch.pending)

    def _judge(self, subject: str, watch: _Watch, now: float) -> None:
        if watch.answers < _PROVEN or watch.declared:
            return
        lost = self._lost(watch, now)
        if lost < _SUSPICIOUS:
            return
        if watch.asked is None:
            watch.asked = now
            self._tell(Kind.LOOK, subject, watch.others)
        if not self._silent(watch, now):
            return
        if now - watch.told >= self._timing.silence / 2:
            watch.told = now
            self._tell(Kind.SILENT, subject, watch.others)
        if agreement := self._agreement(watch, now):
            watch.declared = True
            silence = (now - watch.heard) * 1e3
            self._effects.append(
                Declare(subject, f"{lost} probes in {silence:.0f} ms were not answered; {agreement}")
            )

    def _silent(self, watch: _Watch, now: float) -> bool:
        threshold = max(self._timing.silence, min(_PATIENCE * watch.gap, _LONGEST))
        since = max(watch.heard, self._awake_since)
        return now - since >= threshold and self._lost(watch, now) >= self._timing.losses

    def _agreement(self, watch: _Watch, now: float) -> str:
        """Return who or what confirms the silence, or "" while nothing does."""
        fresh = {
            witness: kind
            for witness, (kind, when) in watch.word.items()
            if now - when < 4 * self._timing.silence
        }
        if Kind.SEEN in fresh.values():
            return ""
        if agreeing := sorted(witness for witness, kind in fresh.items() if kind is Kind.SILENT):
            return f"so say {', '.join(agreeing)}"
        waited = watch.asked is not None and now - watch.asked >= 2 * self._timing.silence
        if not waited and any(self._credible(witness, now) for witness in watch.others):
            return ""
        if watch.asked is not None and self._lan_heard > watch.asked:
            return "no other witness speaks, and others on the LAN answer this node"
        self._effects.append(AskLan())
        return ""

    def _credible(self, witness: str, now: float) -> bool:
        """Tell whether a word of `witness` is worth waiting for: it is not silent itself."""
        watch = self._watches.get(witness)
        return watch is None or not self._silent(watch, now)

    def _tell(self, kind: Kind, subject: str, to: frozenset[str]) -> None:
        if to:
            self._effects.append(Tell(to, Statement(kind, self._me, subject)))


def _beat(now: float, interval: float) -> float:
    """Return the next multiple of `interval`: on one beat, all probes of a process cost one wake-up."""
    return (floor(now / interval + 0.25) + 1) * interval
