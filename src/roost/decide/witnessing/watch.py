"""Watching the peers that fall to this node: their kernels, their processes, and those that were lost.

    links, members -> which peers to probe, and where        answers -> Witness -> verdicts, words to others

A peer is asked for its own address by ICMP echo and by ARP or Neighbor Solicitation, which its kernel
answers, and by the latter for one that it leads, which its process answers; all that is ARP shares one
budget. Peers that were declared dead are asked for now and then, so that their return is seen at once. A
peer that shares no link with this node, or has no address there, is not probed: SWIM and the lifeline alone
judge it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from roost.decide.effects import AskHosts, Declare, Doubt, Hold, LetWait, Listen, Probe, Target, Tell
from roost.decide.members import ClusterMember
from roost.decide.witnessing.duties import duties, nearer
from roost.decide.witnessing.lost_peers import LostPeers
from roost.decide.witnessing.targets import can_ask, kernel_target
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.model.node import Verdict
from roost.protocols.machine import Effect, Endpoint, soonest
from roost.protocols.witness import effects as witnessed
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.machine import Witness
from roost.protocols.witness.timing import PROCESS, Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.statement import Statement
from roost.protocols.words.verdict import Ground

__all__ = ["Evidence", "Watch"]

_LOST_INTERVAL: Final = 0.2  # seconds between two looks for lost peers
_MISSED: Final = frozenset({Verdict.DEAD, Verdict.UNREACHABLE})  # of whose process nothing bad is known
_LAN_HOSTS: Final = 4  # asked at once when this node is cut off


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a peer at a moment: whether its kernel, and its process, answered of late."""

    kernel: bool
    process: bool | None  # None: nothing is asked that its process would answer
    answered: float = field(default=float("-inf"), compare=False)  # when its process did last, seconds


class Watch:
    """Watches for node `me`, nobody without `timing`. Times are seconds; `budget` bounds all that is ARP."""

    def __init__(self, me: str, timing: Timing | None, budget: Budget) -> None:
        self.counters: Counter[str] = Counter()
        self._me = me
        self._budget = budget
        self._kernels = Witness(me, timing, self._budget, remembers=True) if timing is not None else None
        grid = timing.interval if timing is not None else None
        self._processes = Witness(
            me, PROCESS, self._budget, kinds=[ProbeKind.ARP], proof=1, together=True, grid=grid
        )
        self._machines = (self._kernels, self._processes) if self._kernels is not None else ()
        self._echoing: set[str] = set()  # who has answered echo: ARP alone does not prove its return
        self._lost = LostPeers[Target]()
        self._look: float | None = None
        self._links: dict[int, Link] = {}
        self._members: Sequence[ClusterMember] = ()
        self._found: dict[str, Target] = {}  # peers with an address on one of the links
        self._macs: dict[str, frozenset[bytes]] = {}
        self._targets: dict[str, Target] = {}
        self._subjects: dict[tuple[int, IPAddress], list[str]] = {}  # of a shared address several
        self._listened: frozenset[Target] = frozenset()
        self._watched: frozenset[str] = frozenset()
        self._suspected: frozenset[str] = frozenset()
        self._held: Mapping[str, Endpoint] = {}
        self._live: frozenset[str] = frozenset()  # all others, watched or not
        self._doubted: frozenset[str] | None = None  # as SWIM was told
        self._changes = -1  # of the machines, when it was told
        self._peers_wait = False
        self._missed: set[str] = set()  # peers that have just begun to owe an answer
        self._effects: list[Effect] = []

    @property
    def asks(self) -> bool:
        """Whether anybody on the LAN is asked at all."""
        return self._kernels is not None

    @property
    def proven(self) -> int:
        """How many of the watched kernels have answered, so that their silence means something."""
        return len(self._kernels.proven_subjects) if self._kernels is not None else 0

    @property
    def watched(self) -> frozenset[str]:
        """The peers that it falls to this node to watch."""
        return self._watched

    def unproven(self) -> frozenset[str]:
        """Return the peers watched here whose kernels never answered: SWIM alone judges them."""
        return self._watched - self._kernels.proven_subjects if self._kernels is not None else self._watched

    @property
    def owing(self) -> frozenset[str]:
        """The watched peers whose kernel or process owes an answer."""
        return frozenset(self._targets[key].name for each in self._machines for key in each.owing)

    def last_heard(self, name: str) -> float | None:
        """Return when the kernel of node `name` answered last, where that is known."""
        return self._kernels.heard(name) if self._kernels is not None else None

    def evidence(self, name: str, now: float) -> Evidence:
        """Return what is heard of `name`."""
        keys = [key for key, target in self._targets.items() if target.name == name and key != name]
        led = [key for key in keys if key in self._processes.subjects]
        kernel = self._kernels is not None and self._kernels.well(name, now)
        if not led:
            return Evidence(kernel, None)
        answered = (self._processes.heard(key) or float("-inf") for key in led)
        return Evidence(kernel, any(self._processes.well(key, now) for key in led), max(answered))

    def never_showed(self, name: str, now: float) -> bool:
        """Tell whether a process was asked for an address and never answered."""
        heard = self.evidence(name, now)
        return heard.process is False and heard.answered == float("-inf")

    def hears_lost(self, name: str) -> bool:
        """Tell whether the host of a member that was called dead answers for its own address still."""
        return self._lost.is_heard(name)

    def hears_host(self, name: str) -> bool:
        """Tell whether the host of a peer answers for its own address, whatever became of its process."""
        kernels = self._kernels
        watched = kernels is not None and name in kernels.proven_subjects and name not in kernels.owing
        return watched or self.hears_lost(name)

    def shares_link(self, name: str) -> bool:
        """Tell whether `name` has an address on a link of this node, so that its claims are heard here."""
        return name in self._macs

    def meet(self, links: Sequence[Link], members: Sequence[ClusterMember]) -> None:
        """Follow links that announce, and members; to be called before `update`."""
        if self._kernels is None:
            return
        self._links = {link.index: link for link in links}
        self._members = members
        peers = [each for each in members if each.is_roost and each.name != self._me]
        found = ((each, kernel_target(each, links)) for each in peers)
        self._found = {each.name: target for each, target in found if target is not None}
        self._macs = {each.name: frozenset(each.metadata.macs) for each in peers if each.name in self._found}

    def update(self, led: Mapping[str, IPAddress], now: float) -> frozenset[str]:
        """Watch the members, each by an address that it leads and surely answers, if there is one.

        Return those whose process has yet to show that it answers.
        """
        if self._kernels is None:
            return frozenset()
        members = self._members
        self._suspected = frozenset(each.name for each in members if each.verdict is Verdict.SUSPECT)
        speakers = {member.name: member for member in members if member.is_roost}
        self._live = frozenset(each.name for each in members if each.verdict.active) - {self._me}
        watched = duties(self._me, speakers.keys())
        self._watched = frozenset(watched)
        self._hold({name: endpoint for name in watched if (endpoint := speakers[name].endpoint) is not None})
        kernels = {name: target for name in watched if (target := self._found.get(name))}
        for name, target in kernels.items():
            if name in self._targets and self._targets[name] != target:
                # It has just said so itself: what did not answer at its old place is not dead.
                self._kernels.vouched(name, now)
        processes = {
            self._process_key(speakers[name]): replace(target, address=led[name], process=True)
            for name, target in kernels.items()
            if name in led and can_ask(self._links[target.link], led[name])
        }
        self._follow_lost(now)
        self._targets = {**self._lost.targets, **kernels, **processes}
        self._subjects = {}
        for key, target in self._targets.items():
            self._subjects.setdefault((target.link, target.address), []).append(key)
        self._listen()
        followed = _followed(watched, kernels)
        shown = frozenset(self._processes.subjects)
        self._kernels.watch({name: watched[name] for name in kernels}, now, followed)
        self._processes.watch(
            {key: watched[target.name] for key, target in processes.items()},
            now,
            {key for key, target in processes.items() if target.name in followed},
        )
        return frozenset(target.name for key, target in processes.items() if key not in shown)

    def hear(self, statement: Statement, now: float) -> None:
        """Take another witness's word."""
        for each in self._machines:
            each.receive(statement, now)

    def answered(self, link: int, address: IPAddress, mac: bytes, kind: ProbeKind, at: float) -> str | None:
        """Take an answer for `address` from `mac` that came in at `at`; return the lost peer that is back."""
        subjects = self._subjects.get((link, address))
        if subjects is None:
            for each in self._machines:
                each.lan_answered(at, kind)
            return None
        for subject in subjects:
            if self._is_of(self._targets[subject], mac):
                break
        else:
            return None
        for each in self._machines:
            each.answered(subject, at, kind)
        return self._returned(subject, kind)

    def wake(self, now: float, *, cut_off: bool) -> None:
        """Probe and judge; a node that is `cut_off` asks everybody that it can."""
        for each in self._machines:
            due = each.next_wake()
            if due is not None and due <= now:
                each.wake(now)
        self._gather()
        if self._look is not None and now >= self._look:
            self._look = now + _LOST_INTERVAL if self._lost.targets else None
            self._look_for_lost(now, cut_off=cut_off)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody is watched."""
        return soonest([self._look, *[each.next_wake() for each in self._machines]])

    @property
    def has_effects(self) -> bool:
        """Whether there are any; what is due anyway is not looked for."""
        kernels = self._kernels
        if kernels is None or self._effects:
            return bool(self._effects)
        return kernels.has_effects or self._processes.has_effects or self._has_changed()

    def effects(self) -> list[Effect]:
        """Hand over the effects since the last call."""
        self._gather()
        self._look_at_changes()
        if not self._effects:
            return []
        taken, self._effects = self._effects, []
        return taken

    def missed(self) -> set[str]:
        """Hand over the peers that have begun to owe an answer since the last call."""
        missed, self._missed = self._missed, set()
        return missed

    def _is_of(self, target: Target, mac: bytes) -> bool:
        """Tell whether the target's node has the hardware address: an answer from any other is a proxy's."""
        return mac == target.mac or mac in self._macs.get(target.name, ())

    @staticmethod
    def _process_key(member: ClusterMember) -> str:
        """Return the subject of its process: another one when it wants other services than before.

        It may not know an address that it answered for, which must not be taken for silence. One that is
        asked for another address because this node wants other services is the same process. All witnesses
        call it the same, whenever they began to watch.
        """
        return f"{member.name} process {member.metadata.digest}"

    def _hold(self, peers: Mapping[str, Endpoint]) -> None:
        if peers != self._held:
            self._held = peers
            self._effects.append(Hold(peers))

    def _listen(self) -> None:
        targets = frozenset(self._targets.values())
        if targets != self._listened:
            self._listened = targets
            self._effects.append(Listen(tuple(self._targets.values())))

    def _follow_lost(self, now: float) -> None:
        """Look for members that were declared dead, and no more for those that are back or have left."""
        links = tuple(self._links.values())
        for member in self._members:
            if member.verdict.active or member.verdict is Verdict.LEAVING:
                self._lost.found([member.name])
            elif member.metadata.version and (target := kernel_target(member, links)):
                self._lost.lost(member.name, target, silent=member.verdict is Verdict.UNREACHABLE)
        if self._lost.targets and self._look is None:
            self._look = now + _LOST_INTERVAL

    def _gather(self) -> None:
        """Turn what the machines want into effects of this node."""
        for each in self._machines:
            for effect in each.effects():
                match effect:
                    case witnessed.Probe():
                        self._probe(self._targets[effect.subject], effect.kind)
                    case witnessed.Tell(to, word):
                        self.counters[f"told_{word.kind.value}"] += 1
                        self._effects.append(Tell(tuple(sorted(to)), word))
                    case witnessed.Missing(subject):
                        self._missed.add(self._targets[subject].name)
                    case witnessed.AskLan(kind, hosts):
                        self._effects.append(AskHosts((), kind, hosts))
                    case witnessed.Declare():
                        self._judge(effect)

    def _look_at_changes(self) -> None:
        """Tell SWIM whom it has to look at: who is not witnessed, owes an answer, or is suspected already."""
        if self._kernels is None or not self._has_changed():
            return
        self._changes = self._kernels.changes + self._processes.changes
        if self._kernels.on_beats is not self._peers_wait:
            self._peers_wait = self._kernels.on_beats
            self._effects.append(LetWait(self._peers_wait))
        unwitnessed = (self._live - self._macs.keys()) | (self._watched - self._kernels.proven_subjects)
        doubted = self._live & (self.owing | unwitnessed | self._suspected)
        if doubted != self._doubted:
            self._doubted = doubted
            self._effects.append(Doubt(doubted))

    def _has_changed(self) -> bool:
        kernels = self._kernels
        return kernels is not None and kernels.changes + self._processes.changes != self._changes

    def _judge(self, found: witnessed.Declare) -> None:
        name = self._targets[found.subject].name
        self.counters["declared"] += 1
        host = found.subject == name
        # What answers gossip lives: perhaps somebody else has that address.
        if not host and (name not in self._suspected or (found.alone and self._misses_words())):
            self._processes.withdraw(found.subject)
            return
        verdict = Verdict.UNREACHABLE if host else Verdict.PROCESS_GONE
        silent = "host" if host else "process"
        self._effects.append(Declare(Ground(name, verdict, f"its {silent} is silent: {found.evidence}")))

    def _misses_words(self) -> bool:
        """Tell whether a host answers whose node gossip misses: then no word is no agreement."""
        return any(each.verdict in _MISSED and self._lost.is_heard(each.name) for each in self._members)

    def _look_for_lost(self, now: float, *, cut_off: bool) -> None:
        for target in self._lost.round():
            self._probe(target, ProbeKind.ECHO)
            if target.name not in self._echoing and self._budget.take(now):
                self._probe(target, ProbeKind.ARP)
        if cut_off:
            self._effects.append(AskHosts((), ProbeKind.ECHO, _LAN_HOSTS))
            if self._budget.take(now):
                self._effects.append(AskHosts((), ProbeKind.ARP, 1))

    def _returned(self, subject: str, kind: ProbeKind) -> str | None:
        """Return the lost peer that answers again; ARP of one that answers echo may be the fabric's."""
        if kind is ProbeKind.ECHO:
            self._echoing.add(self._targets[subject].name)
        elif subject in self._echoing:
            return None
        if not self._lost.answered(subject):
            return None
        self.counters["returned"] += 1
        return subject

    def _probe(self, target: Target, kind: ProbeKind) -> None:
        self.counters["probes"] += 1
        self.counters["arp_probes"] += kind is ProbeKind.ARP
        self._effects.append(Probe(target, kind))


def _followed(watched: Mapping[str, frozenset[str]], targets: Mapping[str, Target]) -> set[str]:
    """Return whom a nearer witness on the same link asks often; the nearest that is reached is never one."""
    return {
        name
        for name, witnesses in nearer(watched).items()
        if name in targets
        and any(each in targets and targets[each].link == targets[name].link for each in witnesses)
    }
