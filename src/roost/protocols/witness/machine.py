"""Who of the watched peers has fallen silent, decided with the other witnesses (a machine without I/O).

A node's kernel answers for the node's own address whatever its processes do, so its silence means that the
node or its link is gone. One silent probe makes this node ask the other witnesses to look at once; a
verdict takes their agreement. Where there are no others, or they do not speak, somebody else's answer on the
LAN has to prove that this node's own link works.

A host is asked by ICMP echo and by ARP (or Neighbor Solicitation), and which of the two it answers is
learnt. A fabric may answer ARP for the dead, and may drop ARP that comes too often; it does neither to echo:

    echo                 ARP                       the host
    answered             anything                  lives; that ARP is silent is counted
    silent               answered                  is silent: a proxy may answer for it, the evidence says so
    silent               silent, or never answered is silent
    never answered       answered                  lives
    never answered       silent                    is silent; an answered echo, even the first, refutes it
    never answered       asked too little          is not judged: the budget had no room for enough questions
    never answered       never answered            is not judged

"Silent" takes three answers before ("proven"). Who answers ARP alone is asked as often as the budget allows.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil, floor, inf
from types import MappingProxyType
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.machine import Effect
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.voice import PROVEN, ProbeKind, Voice
from roost.protocols.words.statement import Kind, Statement

__all__ = [
    "PROCESS",
    "TIMINGS",
    "AskLan",
    "Declare",
    "Missing",
    "Probe",
    "ProbeKind",
    "Tell",
    "Timing",
    "Witness",
]

_SUSPICIOUS: Final = 1  # probes without an answer that make the others look too
_PATIENCE: Final = 2.0  # silence lasts this many times the longest gap of late: a full link is slow, not dead
_SLACK: Final = 0.3  # of `silence`: counted before the first missing answer, and how late a wake may be
_LONGEST: Final = 0.25  # seconds: the most that a bad link can slow a verdict down
_FEWEST: Final = 3  # losses that a verdict of several takes where a budget affords no more
_MANY: Final = 5  # losses that a verdict takes after twice the silence
_RARELY: Final = 2.0  # seconds between questions of the kind that decides nothing, of all witnesses together
_LEARNING: Final = 50  # echo requests without any answer, after which it is asked rarely
_DEAF: Final = 0.2  # seconds without any answer: this node's own link did not work
_SLOW: Final = 0.05  # seconds that an answer may take on a link that works badly
_LATE: Final = 64  # late wakes remembered: a verdict looks at a fraction of a second
_REMEMBERED: Final = 1024  # subjects
_FOLLOWING: Final = 2  # times the interval while another witness asks on it, and all answer
_LAN_HOSTS: Final = 4  # asked at once when this node has to prove its own link


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
# It answers when it wakes for its own probes, and its answer is read when this node wakes for them.
PROCESS: Final = Timing(interval=0.08, urgent=0.025, flight=0.05, silence=0.3, losses=6)
TIMINGS: Final[Mapping[str, Timing]] = MappingProxyType(
    {
        "default": Timing(interval=0.04, urgent=0.004, flight=0.008, silence=0.065, losses=8),
        "fast": Timing(interval=0.016, urgent=0.002, flight=0.004, silence=0.025, losses=6),
    }
)


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
    """`subject` is gone; `evidence` says for people why."""

    subject: str
    evidence: str


@dataclass(slots=True)
class _Watch:
    """One subject; times are seconds on the machine's scale."""

    others: frozenset[str]
    phase: float  # of routine ARP, a share of its spacing
    follows: bool  # another witness asks at the full pace
    voices: dict[ProbeKind, Voice]
    pressed_until: float = 0.0  # somebody asked to look,
    missed_since: float = inf  # having asked in vain since then
    asked: float | None = None  # when the first answer was missed
    looked: bool = False  # the others were asked to look since
    proved: float | None = None  # when this node's own link proved that it works, since then
    compared: float | None = None  # `asked` of the silence in which ARP was asked, too
    told: float = 0.0  # when they were told last that it is silent
    word: dict[str, tuple[Kind, float]] = field(default_factory=dict)  # the others' last, and when
    declared: bool = False
    arp_ceased: bool = False  # ARP was answered, is no more, and echo is

    main: ProbeKind = ProbeKind.ARP  # the kind whose silence decides
    decisive: Voice = field(init=False)  # what the main kind has got

    def __post_init__(self) -> None:
        self.decide()

    def decide(self) -> None:
        """Find the main kind: echo once it is proven."""
        echo = self.voices.get(ProbeKind.ECHO)
        self.main = ProbeKind.ECHO if echo is not None and echo.proven else ProbeKind.ARP
        self.decisive = self.voices[self.main]


class Witness:
    """Watches peers for the node `me`; drive it as any machine, and drain answers before `wake`.

    `budget` bounds ARP, in common with other machines on the same port; None: one of its own, of the default
    rate. `kinds` are those that subjects can be asked by, ARP at least: a process answers nothing else. One
    that `remembers` takes a subject that comes back for the host that it was: what it answered it answers.
    `proof` is how many answers it takes until silence means something. Routine questions are asked on beats
    of `grid` seconds, so that machines of one node wake together; None: of their own interval.
    """

    def __init__(
        self,
        me: str,
        timing: Timing,
        budget: Budget | None = None,
        kinds: Collection[ProbeKind] = tuple(ProbeKind),
        *,
        remembers: bool = False,
        proof: int = PROVEN,
        grid: float | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._me = me
        if grid is not None:
            timing = replace(timing, interval=grid * max(1, round(timing.interval / grid)))
        self._timing = timing
        self._slack = _SLACK * timing.silence
        self._budget = Budget() if budget is None else budget
        self._kinds = kinds
        self._phase = _fraction(me)
        self._remembers = remembers
        self._proof = proof
        self._known: dict[str, frozenset[ProbeKind]] = {}  # of subjects that are not watched any more
        self._grid = timing.interval if grid is None else grid
        self._watches: dict[str, _Watch] = {}
        self._proven: set[str] = set()  # of the watched, who has answered by any kind
        self._owing: set[str] = set()  # of the watched, who has missed an answer since the last one
        self.changes = 0  # how often it has changed who is heard
        self._stale = True  # whether `_due` has to be looked for
        self._due: float | None = None
        self._effects: list[Effect] = []
        self._lan_heard = dict.fromkeys(ProbeKind, 0.0)
        self._heard_any = 0.0
        self._lan_asked = float("-inf")
        self._awake_since = float("-inf")  # until then it was this node that was not heard
        # Wakes that were late: when, and by how much.
        self._late: deque[tuple[float, float]] = deque(maxlen=_LATE)

    def heard(self, subject: str) -> float | None:
        """Return when `subject` answered last, or None when it is not watched or never did."""
        watch = self._watches.get(subject)
        return watch.decisive.heard if watch is not None and watch.decisive.answers else None

    def well(self, subject: str, now: float) -> bool:
        """Tell whether `subject` is watched, has answered, and owes no answer."""
        watch = self._watches.get(subject)
        return watch is not None and watch.decisive.proven and not self._lost(watch, now)

    @property
    def subjects(self) -> AbstractSet[str]:
        """Who is watched."""
        return self._watches.keys()

    @property
    def proven_subjects(self) -> AbstractSet[str]:
        """Who is watched and has answered, so that its silence would mean something."""
        return self._proven

    @property
    def owing(self) -> AbstractSet[str]:
        """Who is watched and owes an answer."""
        return self._owing

    def proven(self, subject: str) -> bool:
        """Tell whether `subject` is one of those."""
        return subject in self._proven

    def proven_kinds(self, subject: str) -> frozenset[ProbeKind]:
        """Return by which kinds `subject` is watched and has answered."""
        watch = self._watches.get(subject)
        voices = watch.voices if watch is not None else {}
        return frozenset(kind for kind, voice in voices.items() if voice.proven)

    @property
    def on_beats(self) -> bool:
        """Whether a wake comes with every interval at least."""
        return any(
            not watch.follows and (watch.main is ProbeKind.ECHO or not self._budget.limited)
            for watch in self._watches.values()
        )

    def watch(
        self, subjects: Mapping[str, frozenset[str]], now: float, followed: Collection[str] = ()
    ) -> None:
        """Watch exactly these from now on: subject -> the other witnesses of it.

        Those of `followed` are asked by one of these often enough: this node asks them rarely, until it is
        told to look or anybody owes it an answer.
        """
        self._stale = True
        self.changes += 1
        for gone in self._watches.keys() - subjects.keys():
            self._forget(gone)
        new = subjects.keys() - self._watches.keys()
        for subject, others in subjects.items():
            if subject in new:
                known = self._known.get(subject, frozenset())
                voices = {
                    kind: Voice(
                        heard=now, due=now, answers=self._proof if kind in known else 0, proof=self._proof
                    )
                    for kind in self._kinds
                }
                turn = self._turn(subject, others)
                self._watches[subject] = _Watch(others, turn, subject in followed, voices)
                if known:
                    self._proven.add(subject)
            else:
                self._watches[subject].others = others
                self._watches[subject].phase = self._turn(subject, others)
                self._watches[subject].follows = subject in followed
        self._wish()
        for subject in new if self._budget.limited else ():
            watch = self._watches[subject]  # a cluster that starts or heals has all ask all
            watch.voices[ProbeKind.ARP].due = self._routine(watch, self._timing.interval, now)

    def _forget(self, subject: str) -> None:
        """Watch a subject no more; what it answers is remembered where that is the host's nature."""
        kinds = self.proven_kinds(subject)
        del self._watches[subject]
        self._proven.discard(subject)
        self._owing.discard(subject)
        if self._remembers and kinds:
            remember(self._known, subject, kinds, _REMEMBERED)

    def answered(self, subject: str, at: float, kind: ProbeKind) -> None:
        """Take an answer of `subject`'s kernel that came in at `at`."""
        self.lan_answered(at, kind)
        watch = self._watches.get(subject)
        voice = watch.voices.get(kind) if watch is not None else None
        if watch is None or voice is None or not voice.answered(at, self._slack):
            return
        self._stale = True
        if voice.answers == self._proof:
            self._proven.add(subject)
            self.changes += 1
            if kind is ProbeKind.ECHO:
                watch.decide()
                self._wish()
        if kind is ProbeKind.ARP:
            watch.arp_ceased = False
            if watch.main is ProbeKind.ECHO:
                return  # anybody may have said that
        asked = watch.word and any(word is not Kind.SEEN for word, _ in watch.word.values())
        if asked or (watch.asked is not None and watch.looked):
            self._tell(Kind.SEEN, subject, watch.others)
            watch.word.clear()
        if kind is watch.main is ProbeKind.ARP and self._budget.limited and self._urgent(watch, at):
            voice.due = self._routine(watch, self._timing.interval, at)  # no more than that was to be known
        self._pays(subject, watch)
        watch.pressed_until = 0.0

    def vouched(self, subject: str, at: float) -> None:
        """Hear on another way that `subject` lives: silence counts from `at`, and nothing is proven."""
        watch = self._watches.get(subject)
        if watch is not None:
            self._stale = True
            for voice in watch.voices.values():
                voice.spared(at)
            self._pays(subject, watch)

    def _pays(self, subject: str, watch: _Watch) -> None:
        """Take that `subject` owes no answer."""
        if watch.asked is not None:
            self._owing.discard(subject)
            self.changes += 1
        watch.asked, watch.declared = None, False
        watch.missed_since = inf

    def withdraw(self, subject: str) -> None:
        """Take back that `subject` is gone: something else speaks for it. It goes on being asked."""
        watch = self._watches.get(subject)
        if watch is not None:
            watch.declared = False
            self._stale = True

    def lan_answered(self, at: float, kind: ProbeKind) -> None:
        """Take an answer of any other host of the LAN."""
        if at - self._heard_any > _DEAF:
            self._awake_since = max(self._awake_since, at)  # until now it was this node that was not heard
        if at > self._lan_heard[kind]:
            self._lan_heard[kind] = at
            self._heard_any = max(self._heard_any, at)

    def receive(self, statement: Statement, now: float) -> None:
        """Take another witness's word; only that of known witnesses counts."""
        watch = self._watches.get(statement.subject)
        if watch is None or statement.sender not in watch.others:
            return
        late = self._lateness(now)
        self._stale = True
        watch.word[statement.sender] = (statement.kind, now)
        if statement.kind is not Kind.SEEN:
            watch.pressed_until = now + self._timing.silence
            watch.missed_since = min(watch.missed_since, now - self._timing.flight)
            watch.decisive.due = min(watch.decisive.due, now)
        if not late:  # else there may be answers to be read, and the wake that comes has to count it first
            self._suspect(statement.subject, watch, now)
            if watch.asked is not None:
                self._judge(statement.subject, watch, now)

    def wake(self, now: float) -> None:
        """Probe who is due and judge who is silent.

        A wake that is late blames nobody: what counts is probes that were sent and stayed unanswered.
        """
        if late := self._lateness(now):
            self._late.append((now, late))
        self._stale = True
        for subject, watch in self._watches.items():
            if watch.asked is None and self._wanted(watch) > now:
                continue  # answered, and not due: nearly always
            self._suspect(subject, watch, now)
            for kind, voice in watch.voices.items():
                if voice.due <= now:
                    self._probe(subject, watch, kind, now)
            if watch.asked is not None:
                self._judge(subject, watch, now)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody is watched. Kept until something comes in."""
        if self._stale:
            self._due = min(map(self._wanted, self._watches.values()), default=None)
            self._stale = False
        return self._due

    @property
    def has_effects(self) -> bool:
        """Whether there are any."""
        return bool(self._effects)

    def effects(self) -> Iterable[Effect]:
        """Hand over the effects since the last call, oldest first."""
        if not self._effects:
            return ()  # nearly always
        effects, self._effects = self._effects, []
        return effects

    def _lateness(self, now: float) -> float:
        """Return by how many seconds the next wake is overdue, 0 while that may be chance."""
        planned = self.next_wake()
        late = now - planned if planned is not None else 0.0
        return late if late > self._slack else 0.0

    def _wanted(self, watch: _Watch) -> float:
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

    def _look(self, asked: float) -> float:
        """Return when to look whether what was asked at `asked` is answered."""
        missing = asked + self._timing.flight
        if self._grid >= self._timing.interval:
            return missing
        offset = self._offset(self._grid)  # of another machine's questions, too: no wake is spent on the look
        return ceil((missing - offset) / self._grid) * self._grid + offset

    def _probe(self, subject: str, watch: _Watch, kind: ProbeKind, now: float) -> None:
        voice = watch.voices[kind]
        urgent = kind is watch.main and self._urgent(watch, now)
        if kind is ProbeKind.ARP and not self._budget.take(now, urgent=urgent):
            self.counters["arp_withheld"] += 1
            voice.due = now + self._budget.wait(now, urgent=urgent)
            return
        self._effects.append(Probe(subject, kind))
        voice.ask(now)
        voice.due = self._next(watch, kind, now)

    def _next(self, watch: _Watch, kind: ProbeKind, now: float) -> float:
        """Return when to ask next: on beats that subjects share, so that they cost one wake-up together."""
        voice, timing = watch.voices[kind], self._timing
        urgent = self._urgent(watch, now)
        if kind is ProbeKind.ECHO:
            rarely = kind is not watch.main and len(voice.pending) >= _LEARNING
            interval = timing.urgent if urgent else _RARELY if rarely else self._interval(watch)
            return _beat(now, interval, self._offset(interval))
        if kind is not watch.main:
            return self._routine(watch, self._rarely(watch), now)
        if urgent:
            if not self._budget.limited:
                return _beat(now, timing.urgent, self._offset(timing.urgent))
            return now + max(timing.urgent, (1 - _SLACK) * timing.silence / self._losses(watch))
        return self._routine(watch, self._interval(watch), now)

    def _interval(self, watch: _Watch) -> float:
        """Return the seconds between routine questions of the main kind, and of what is to be learnt."""
        rarely = self._follows(watch) and not self._owing and watch.decisive.proven
        return self._timing.interval * (_FOLLOWING if rarely else 1)

    def _follows(self, watch: _Watch) -> bool:
        """Tell whether another witness asks at the full pace; within a budget all take turns."""
        return watch.follows and not (self._budget.limited and watch.main is ProbeKind.ARP)

    def _offset(self, interval: float) -> float:
        """Return by how many seconds this node's beats of `interval` are moved, on the beats of the grid."""
        slots = round(interval / self._grid)
        if slots < 1:
            return self._phase * interval
        return self._grid * (self._phase + floor(self._phase * slots))

    def _urgent(self, watch: _Watch, now: float) -> bool:
        suspicious = watch.asked is not None or watch.pressed_until > now
        return suspicious and watch.decisive.proven and not watch.declared

    def _routine(self, watch: _Watch, interval: float, now: float) -> float:
        """Return when routine ARP, wanted every `interval`, is due: a subject's witnesses take turns."""
        spacing = self._budget.spacing(interval)
        limited = self._budget.limited
        return _beat(now, spacing, watch.phase * spacing if limited else self._offset(spacing))

    def _rarely(self, watch: _Watch) -> float:
        return _RARELY * (len(watch.others) + 1)

    def _wish(self) -> None:
        """Tell the budget how often this machine would ask by ARP."""
        echoing = (watch.main is ProbeKind.ECHO for watch in self._watches.values())
        self._budget.wish(
            self,
            [
                self._rarely(watch) if rare else self._timing.interval
                for rare, watch in zip(echoing, self._watches.values(), strict=True)
            ],
        )

    def _turn(self, subject: str, others: frozenset[str]) -> float:
        """Return this node's phase among the witnesses of `subject`: on one clock they take exact turns."""
        witnesses = sorted({self._me, *others})
        return (_fraction(subject) + witnesses.index(self._me) / len(witnesses)) % 1

    def _lost(self, watch: _Watch, now: float) -> int:
        """Count the probes since the last answer that ought to have been answered by now."""
        return watch.decisive.lost(now - self._timing.flight)

    def _losses(self, watch: _Watch) -> int:
        """Return how many a verdict takes."""
        if watch.main is ProbeKind.ECHO or not self._budget.limited:
            return self._timing.losses
        return min(self._timing.losses, _FEWEST if watch.others else max(_FEWEST + 1, self._budget.burst))

    def _suspect(self, subject: str, watch: _Watch, now: float) -> None:
        """Look closer from the first missing answer on."""
        if watch.asked is not None or watch.declared or not watch.decisive.proven:
            return
        if self._lost(watch, now) < _SUSPICIOUS:
            self._note_arp(watch, now)
            return
        watch.asked, watch.proved = now, None
        self._owing.add(subject)
        self.changes += 1
        self._hurry(now)
        self._effects.append(Missing(subject))
        watch.looked = False
        watch.decisive.due = now
        if ProbeKind.ECHO in watch.voices:
            watch.voices[ProbeKind.ECHO].due = now  # costs no budget, and may refute

    def _hurry(self, now: float) -> None:
        """Ask at the full pace whom another witness may ask no more."""
        for watch in self._watches.values():
            if self._follows(watch):
                watch.decisive.due = min(watch.decisive.due, self._next(watch, watch.main, now))

    def _note_arp(self, watch: _Watch, now: float) -> None:
        if watch.main is not ProbeKind.ECHO or watch.arp_ceased:
            return
        arp = watch.voices[ProbeKind.ARP]
        if arp.proven:
            watch.arp_ceased = arp.lost(now - self._timing.flight) >= _FEWEST
            self.counters["arp_ceased"] += watch.arp_ceased

    def _compare(self, watch: _Watch, now: float) -> None:
        """Ask by ARP, too, when several echo requests are lost: a single one is not worth the budget."""
        if watch.main is ProbeKind.ARP or watch.compared == watch.asked:
            return
        if self._lost(watch, now) >= self._timing.losses / 2:
            watch.compared = watch.asked
            watch.voices[ProbeKind.ARP].due = now

    def _call(self, subject: str, watch: _Watch, now: float) -> None:
        """Let the others look: where a budget is short, not for a single loss, which would cost everybody."""
        short = watch.main is ProbeKind.ARP and self._budget.limited
        if not watch.looked and self._lost(watch, now) >= _SUSPICIOUS + short:
            watch.looked = True
            self._tell(Kind.LOOK, subject, watch.others)

    def _judge(self, subject: str, watch: _Watch, now: float) -> None:
        """Come to a verdict on a subject that has missed an answer."""
        self._call(subject, watch, now)
        self._compare(watch, now)
        if watch.declared:
            return
        if now - self._heard_any > _DEAF / 2:
            self._ask_lan(now, arp=False)  # in time: who hears nobody for longer takes itself for deaf
        if not self._silent(watch, now):
            return
        if now - watch.told >= self._timing.silence / 2:
            watch.told = now
            self._tell(Kind.SILENT, subject, watch.others)
        if agreement := self._agreement(watch, now):
            watch.declared = True
            if self._arp_answers(watch):
                self.counters["arp_for_the_dead"] += 1
            self._effects.append(Declare(subject, f"{self._evidence(watch, now)}; {agreement}"))

    def _evidence(self, watch: _Watch, now: float) -> str:
        lost, silence = self._lost(watch, now), (now - watch.decisive.heard) * 1e3
        told = f"{lost} probes in {silence:.0f} ms were not answered"
        if watch.main is ProbeKind.ARP:
            return told
        if self._arp_answers(watch):
            return f"{told} (ICMP echo), although ARP was: a proxy or the fabric answers for it"
        asked = watch.voices[ProbeKind.ARP].lost(now - self._timing.flight)
        return f"{told} (ICMP echo, {'and ARP neither' if asked else 'ARP was not asked'})"

    def _arp_answers(self, watch: _Watch) -> bool:
        """Tell whether ARP was answered for a host whose echo is silent since it has been missed."""
        arp = watch.voices[ProbeKind.ARP]
        asked = watch.asked
        return watch.main is ProbeKind.ECHO and asked is not None and arp.answers > 0 and arp.heard >= asked

    def _silent(self, watch: _Watch, now: float) -> bool:
        voice = watch.decisive
        threshold = max(self._timing.silence, min(_PATIENCE * voice.gap, _LONGEST))
        since = max(voice.silent_since(self._slack, watch.missed_since), self._awake_since)
        echo = watch.voices.get(ProbeKind.ECHO, voice)
        if echo.answers and echo.heard > since:
            return False  # too few to be proven, but no fabric said it
        # While this process did not run it asked nothing, so nobody was silent.
        silent = now - since - sum(late for when, late in self._late if when > since)
        lost = self._lost(watch, now)
        # Who cannot ask often, on a busy host, has time on its side.
        enough = min(_MANY, self._losses(watch)) if silent >= 2 * threshold else self._losses(watch)
        return silent >= threshold and lost >= enough

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
            return f"so {'says' if len(agreeing) == 1 else 'say'} {', '.join(agreeing)}"
        waited = watch.asked is not None and now - watch.asked >= 2 * self._timing.silence
        if not waited and any(self._credible(witness, now) for witness in watch.others):
            return ""
        if watch.others and self._lost(watch, now) < self._timing.losses:
            return ""  # the others may be short of budget, not of doubts
        if self._link_works(watch, now):
            return "no other witness speaks, and others on the LAN answer this node"
        self._ask_lan(now)
        return ""

    def _link_works(self, watch: _Watch, now: float) -> bool:
        """Tell whether this node's own link has worked for long enough to blame the subject.

        What was under way when it failed came in still, and what was asked before it worked again was lost.
        """
        heard = self._link_heard(watch, now)
        if watch.asked is None or heard <= watch.asked:
            return False
        if watch.main is ProbeKind.ARP and self._budget.limited:
            return True  # questions are too few to ask for more
        watch.proved = heard if watch.proved is None else watch.proved
        # A link that was slow of late is given time.
        open_by = now - max(self._timing.flight, min(watch.decisive.gap, _SLOW))
        asked_since = watch.decisive.lost(open_by) - watch.decisive.lost(watch.proved)
        return heard > (watch.asked + now) / 2 and asked_since > 0

    def _link_heard(self, watch: _Watch, now: float) -> float:
        """Return when an answer proved this node's link last.

        Who answers ARP for one dead host may for all, so ARP counts only where the subject's is silent.
        """
        echo, arp = self._lan_heard[ProbeKind.ECHO], watch.voices[ProbeKind.ARP]
        silent = arp.lost(now - self._timing.flight) > 0  # what was asked just now is no sign
        faked = watch.main is ProbeKind.ECHO and arp.answers > 0 and not silent
        return echo if faked else max(echo, self._lan_heard[ProbeKind.ARP])

    def _ask_lan(self, now: float, *, arp: bool = True) -> None:
        if now - self._lan_asked < 2 * self._timing.flight:
            return
        self._lan_asked = now
        self._effects.append(AskLan(ProbeKind.ECHO, _LAN_HOSTS))
        if arp and (hosts := sum(self._budget.take(now, urgent=True) for _ in range(_LAN_HOSTS))):
            self._effects.append(AskLan(ProbeKind.ARP, hosts))

    def _credible(self, witness: str, now: float) -> bool:
        """Tell whether a word of `witness` is worth waiting for: it is not silent itself."""
        watch = self._watches.get(witness)
        return watch is None or not self._silent(watch, now)

    def _tell(self, kind: Kind, subject: str, to: frozenset[str]) -> None:
        if to:
            self._effects.append(Tell(to, Statement(kind, self._me, subject)))


def _fraction(name: str) -> float:
    """Return a number of [0, 1) that stands for `name`."""
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big") / 2**32


def _beat(now: float, interval: float, offset: float) -> float:
    """Return the next multiple of `interval`, moved by `offset` seconds, that is not too close to `now`."""
    return (floor((now - offset) / interval + 0.25) + 1) * interval + offset
