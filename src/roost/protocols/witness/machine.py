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

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from math import inf
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.machine import Effect
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.effects import AskLan, Declare, Missing, Probe, Tell
from roost.protocols.witness.jury import Jury
from roost.protocols.witness.own_link import OwnLink
from roost.protocols.witness.pace import Pace
from roost.protocols.witness.timing import Timing
from roost.protocols.witness.voice import PROVEN, ProbeKind, Voice
from roost.protocols.witness.watched import Watched
from roost.protocols.words.statement import Kind, Statement

__all__ = ["Witness"]

_SUSPICIOUS: Final = 1  # probes without an answer that make the others look too
_ARP_CEASED: Final = 3  # ARP questions without an answer while echo is answered
_REMEMBERED: Final = 1024  # subjects
_LAN_HOSTS: Final = 4  # asked at once when this node has to prove its own link


class Witness:
    """Watches peers for the node `me`; drive it as any machine, and drain answers before `wake`.

    `budget` bounds ARP, in common with other machines on the same port; None: one of its own, of the default
    rate. `kinds` are those that subjects can be asked by, ARP at least: a process answers nothing else. One
    that `remembers` takes a subject that comes back for the host that it was: what it answered it answers.
    `proof` is how many answers it takes until silence means something; `together` is as `Jury` has it.
    Routine questions are asked on beats of `grid` seconds, so that machines of one node wake together; None:
    of their own interval.
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
        together: bool = False,
        grid: float | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._me = me
        self._budget = Budget() if budget is None else budget
        self._kinds = kinds
        self._remembers = remembers
        self._proof = proof
        self._known: dict[str, frozenset[ProbeKind]] = {}  # of subjects that are not watched any more
        self._watches: dict[str, Watched] = {}
        self._pace = Pace(me, timing, self._budget, grid)
        self._timing = self._pace.timing
        self._own_link = OwnLink(timing, self._budget)
        self._jury = Jury(timing, self._pace, self._own_link, self._watches, together=together)
        self._proven: set[str] = set()  # of the watched, who has answered by any kind
        self._owing: set[str] = set()  # of the watched, who has missed an answer since the last one
        self.changes = 0  # how often it has changed who is heard
        self._stale = True  # whether `_due` has to be looked for
        self._due: float | None = None
        self._effects: list[Effect] = []

    def heard(self, subject: str) -> float | None:
        """Return when `subject` answered last, or None when it is not watched or never did."""
        watch = self._watches.get(subject)
        return watch.decisive.heard if watch is not None and watch.decisive.answers else None

    def well(self, subject: str, now: float) -> bool:
        """Tell whether `subject` is watched, has answered, and owes no answer."""
        watch = self._watches.get(subject)
        return watch is not None and watch.decisive.proven and not self._jury.lost(watch, now)

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
                turn = self._pace.turn(subject, others)
                self._watches[subject] = Watched(others, turn, subject in followed, voices)
                if known:
                    self._proven.add(subject)
            else:
                self._watches[subject].others = others
                self._watches[subject].phase = self._pace.turn(subject, others)
                self._watches[subject].follows = subject in followed
        self._pace.wish(self, self._watches.values())
        for subject in new if self._budget.limited else ():
            watch = self._watches[subject]  # a cluster that starts or heals has all ask all
            watch.voices[ProbeKind.ARP].due = self._pace.routine(watch, now)

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
        if watch is None or voice is None or not voice.answered(at, self._timing.slack):
            return
        self._stale = True
        if voice.answers == self._proof:
            self._proven.add(subject)
            self.changes += 1
            if kind is ProbeKind.ECHO:
                watch.decide()
                self._pace.wish(self, self._watches.values())
        if kind is ProbeKind.ARP:
            watch.arp_ceased = False
            if watch.main is ProbeKind.ECHO:
                return  # anybody may have said that
        asked = watch.word and any(word is not Kind.SEEN for word, _ in watch.word.values())
        if asked or (watch.asked is not None and watch.looked):
            self._tell(Kind.SEEN, subject, watch.others)
            watch.word.clear()
        if kind is watch.main is ProbeKind.ARP and self._budget.limited and watch.is_urgent(at):
            voice.due = self._pace.routine(watch, at)  # no more than that was to be known
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

    def _pays(self, subject: str, watch: Watched) -> None:
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
        self._own_link.heard(at, kind)

    def receive(self, statement: Statement, now: float) -> None:
        """Take another witness's word; only that of known witnesses counts."""
        watch = self._watches.get(statement.subject)
        if watch is None or statement.sender not in watch.others:
            return
        late = self._lateness(now)
        self._stale = True
        watch.word[statement.sender] = (statement.kind, min(now - late, self._own_link.may_be_of(now)))
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
            self._own_link.was_late(now, late)
        self._stale = True
        for subject, watch in self._watches.items():
            if watch.asked is None and self._pace.wanted(watch) > now:
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
            self._due = min(map(self._pace.wanted, self._watches.values()), default=None)
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
        return late if late > self._timing.slack else 0.0

    def _probe(self, subject: str, watch: Watched, kind: ProbeKind, now: float) -> None:
        voice = watch.voices[kind]
        urgent = kind is watch.main and watch.is_urgent(now)
        if kind is ProbeKind.ARP and not self._budget.take(now, urgent=urgent):
            self.counters["arp_withheld"] += 1
            voice.due = now + self._budget.wait(now, urgent=urgent)
            return
        self._effects.append(Probe(subject, kind))
        voice.ask(now)
        voice.due = self._pace.next(watch, kind, now, calm=not self._owing)

    def _suspect(self, subject: str, watch: Watched, now: float) -> None:
        """Look closer from the first missing answer on."""
        if watch.asked is not None or watch.declared or not watch.decisive.proven:
            return
        if self._jury.lost(watch, now) < _SUSPICIOUS:
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
            if self._pace.follows(watch):
                due = self._pace.next(watch, watch.main, now, calm=False)
                watch.decisive.due = min(watch.decisive.due, due)

    def _note_arp(self, watch: Watched, now: float) -> None:
        if watch.main is not ProbeKind.ECHO or watch.arp_ceased:
            return
        arp = watch.voices[ProbeKind.ARP]
        if arp.proven:
            watch.arp_ceased = arp.lost(now - self._timing.flight) >= _ARP_CEASED
            self.counters["arp_ceased"] += watch.arp_ceased

    def _compare(self, watch: Watched, now: float) -> None:
        """Ask by ARP, too, when several echo requests are lost: a single one is not worth the budget."""
        if watch.main is ProbeKind.ARP or watch.compared == watch.asked:
            return
        if self._jury.lost(watch, now) >= self._timing.losses / 2:
            watch.compared = watch.asked
            watch.voices[ProbeKind.ARP].due = now

    def _call(self, subject: str, watch: Watched, now: float) -> None:
        """Let the others look: where a budget is short, not for a single loss, which would cost everybody."""
        short = watch.main is ProbeKind.ARP and self._budget.limited
        if not watch.looked and self._jury.lost(watch, now) >= _SUSPICIOUS + short:
            watch.looked = True
            self._tell(Kind.LOOK, subject, watch.others)

    def _judge(self, subject: str, watch: Watched, now: float) -> None:
        """Come to a verdict on a subject that has missed an answer."""
        self._call(subject, watch, now)
        self._compare(watch, now)
        if watch.declared:
            return
        if self._own_link.is_doubtful(now):
            self._ask_lan(now, arp=False)
        if not self._jury.is_silent(watch, now):
            return
        if now - watch.told >= self._timing.silence / 2:
            watch.told = now
            self._tell(Kind.SILENT, subject, watch.others)
        alone = self._jury.is_alone(watch, now)
        if agreement := self._jury.agreement(watch, now):
            watch.declared = True
            if watch.arp_answers:
                self.counters["arp_for_the_dead"] += 1
            self._effects.append(Declare(subject, f"{self._jury.evidence(watch, now)}; {agreement}", alone))
        elif alone:
            self._ask_lan(now)

    def _ask_lan(self, now: float, *, arp: bool = True) -> None:
        if not self._own_link.may_ask(now):
            return
        self._effects.append(AskLan(ProbeKind.ECHO, _LAN_HOSTS))
        if arp and (hosts := sum(self._budget.take(now, urgent=True) for _ in range(_LAN_HOSTS))):
            self._effects.append(AskLan(ProbeKind.ARP, hosts))

    def _tell(self, kind: Kind, subject: str, to: frozenset[str]) -> None:
        if to:
            self._effects.append(Tell(to, Statement(kind, self._me, subject)))
