"""Watching the peers that fall to this node: their kernels, their processes, and those that were lost.

    links, members -> which peers to probe, and where        answers -> Witness -> verdicts, words to others

A peer is asked for its own address, which its kernel answers, and for one that it leads, which its process
answers. Peers that were declared dead are asked for now and then, so that their return is seen at once. A
peer that shares no link with this node, or has no address there, is not probed: SWIM and the lifeline alone
judge it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roost.decide.effects import AskHosts, Declare, Hold, Listen, Probe, Target, Tell
from roost.decide.members import ClusterMember
from roost.decide.witnessing.duties import duties
from roost.decide.witnessing.lost_peers import LostPeers
from roost.decide.witnessing.targets import can_ask, kernel_target
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.model.node import Verdict
from roost.protocols.machine import Effect, Endpoint
from roost.protocols.witness import machine
from roost.protocols.witness.machine import PROCESS, Timing, Witness
from roost.protocols.words.statement import Statement
from roost.protocols.words.verdict import Ground

__all__ = ["Evidence", "Watch"]

_LOST_INTERVAL: Final = 0.2  # seconds between two looks for lost peers
_FRESH: Final = 0.3  # seconds in which an answer shows that somebody is well


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a peer at a moment: whether its kernel, and its process, answered of late."""

    kernel: bool
    process: bool | None  # None: nothing is asked that its process would answer


class Watch:
    """Watches for node `me`; without `timing` nothing is watched. Times are seconds."""

    def __init__(self, me: str, timing: Timing | None) -> None:
        self.counters: Counter[str] = Counter()
        self._me = me
        self._kernels = Witness(me, timing) if timing is not None else None
        self._processes = Witness(me, PROCESS)
        self._lost = LostPeers[Target]()
        self._look: float | None = None
        self._links: dict[int, Link] = {}
        self._macs: dict[str, frozenset[bytes]] = {}
        self._targets: dict[str, Target] = {}
        self._subjects: dict[tuple[int, IPAddress], str] = {}
        self._listened: frozenset[Target] = frozenset()
        self._watched: frozenset[str] = frozenset()
        self._held: Mapping[str, Endpoint] = {}
        self._effects: list[Effect] = []

    @property
    def proven(self) -> int:
        """How many of the watched kernels have answered, so that their silence means something."""
        if self._kernels is None:
            return 0
        return sum(self._kernels.proven(name) for name in self._kernels.subjects)

    def unproven(self) -> frozenset[str]:
        """Return the peers watched here whose kernels never answered: SWIM alone judges them."""
        proven = self._kernels.proven if self._kernels is not None else lambda _: False
        return frozenset(name for name in self._watched if not proven(name))

    def last_heard(self, name: str) -> float | None:
        """Return when the kernel of node `name` answered last, where that is known."""
        return self._kernels.heard(name) if self._kernels is not None else None

    def evidence(self, name: str, now: float) -> Evidence:
        """Return what is heard of `name`."""
        kernel = self.last_heard(name)
        keys = [key for key, target in self._targets.items() if target.name == name and key != name]
        heard = [self._processes.heard(key) for key in keys if key in self._processes.subjects]
        process = any(when is not None and now - when < 2 * _FRESH for when in heard) if heard else None
        return Evidence(kernel is not None and now - kernel < _FRESH, process)

    def shares_link(self, name: str) -> bool:
        """Tell whether `name` has an address on a link of this node, so that its claims are heard here."""
        return name in self._macs

    def update(
        self,
        links: Sequence[Link],
        members: Sequence[ClusterMember],
        led: Mapping[str, IPAddress],
        now: float,
    ) -> None:
        """Follow links that announce, members, and an address that each leads and surely answers."""
        if self._kernels is None:
            return
        self._links = {link.index: link for link in links}
        speakers = {member.name: member for member in members if member.is_roost}
        found = {name: kernel_target(member, links) for name, member in speakers.items() if name != self._me}
        self._macs = {name: frozenset(speakers[name].metadata.macs) for name, each in found.items() if each}
        watched = duties(self._me, speakers.keys())
        self._watched = frozenset(watched)
        self._hold({name: endpoint for name in watched if (endpoint := speakers[name].endpoint) is not None})
        kernels = {name: target for name in watched if (target := found.get(name))}
        for name, target in kernels.items():
            if name in self._targets and self._targets[name] != target:
                # It has just said so itself: what did not answer at its old place is not dead.
                self._kernels.answered(name, now)
        processes = {
            f"{name} {led[name]}": replace(target, address=led[name])
            for name, target in kernels.items()
            if name in led and can_ask(self._links[target.link], led[name])
        }
        self._follow_lost(members, links, now)
        self._targets = {**self._lost.targets, **kernels, **processes}
        self._subjects = {(target.link, target.address): key for key, target in self._targets.items()}
        self._listen()
        self._kernels.watch({name: watched[name] for name in kernels}, now)
        self._processes.watch({key: watched[target.name] for key, target in processes.items()}, now)
        self._gather()

    def hear(self, statement: Statement, now: float) -> None:
        """Take another witness's word."""
        for each in self._machines():
            each.receive(statement, now)
        self._gather()

    def answered(self, link: int, address: IPAddress, mac: bytes, at: float) -> str | None:
        """Take an answer for `address` from `mac` that came in at `at`; return the lost peer that is back."""
        subject = self._subjects.get((link, address))
        mine = subject is not None and mac in self._macs_of(self._targets[subject])
        for each in self._machines():
            if subject is None:
                each.lan_answered(at)
            elif mine:
                each.answered(subject, at)
        self._gather()
        if subject is None or not mine or not self._lost.answered(subject):
            return None
        self.counters["returned"] += 1
        return subject

    def ask_for_lost(self, name: str) -> bool:
        """Ask a lost peer at once; tells whether it is one that can be asked."""
        target = self._lost.targets.get(name)
        if target is None:
            return False
        self._probe(target)
        return True

    def wake(self, now: float, *, cut_off: bool) -> None:
        """Probe and judge; a node that is `cut_off` asks everybody that it can."""
        for each in self._machines():
            due = each.next_wake()
            if due is not None and due <= now:
                each.wake(now)
        self._gather()
        if self._look is not None and now >= self._look:
            self._look = now + _LOST_INTERVAL if self._lost.targets else None
            for target in self._lost.round():
                self._probe(target)
            if cut_off:
                self._effects.append(AskHosts(()))

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nobody is watched."""
        due = [when for each in self._machines() if (when := each.next_wake()) is not None]
        if self._look is not None:
            due.append(self._look)
        return min(due, default=None)

    def effects(self) -> list[Effect]:
        """Hand over the effects since the last call."""
        taken, self._effects = self._effects, []
        return taken

    def _machines(self) -> tuple[Witness, ...]:
        return (self._kernels, self._processes) if self._kernels is not None else ()

    def _macs_of(self, target: Target) -> frozenset[bytes]:
        """Return the hardware addresses of the target's node: an answer from any other one is a proxy's."""
        return self._macs.get(target.name, frozenset()) | {target.mac}

    def _hold(self, peers: Mapping[str, Endpoint]) -> None:
        if peers != self._held:
            self._held = peers
            self._effects.append(Hold(peers))

    def _listen(self) -> None:
        targets = frozenset(self._targets.values())
        if targets != self._listened:
            self._listened = targets
            self._effects.append(Listen(tuple(self._targets.values())))

    def _follow_lost(self, members: Iterable[ClusterMember], links: Sequence[Link], now: float) -> None:
        """Look for members that were declared dead, and no more for those that are back or have left."""
        for member in members:
            if member.verdict.active or member.verdict is Verdict.LEAVING:
                self._lost.found([member.name])
            elif member.metadata.version and (target := kernel_target(member, links)):
                self._lost.lost(member.name, target)
        if self._lost.targets and self._look is None:
            self._look = now + _LOST_INTERVAL

    def _gather(self) -> None:
        """Turn what the machines want into effects of this node."""
        for each in self._machines():
            for effect in each.effects():
                match effect:
                    case machine.Probe(subject):
                        self._probe(self._targets[subject])
                    case machine.Tell(to, word):
                        self.counters[f"told_{word.kind.value}"] += 1
                        self._effects.append(Tell(tuple(sorted(to)), word))
                    case machine.AskLan():
                        self._effects.append(AskHosts(()))
                    case machine.Declare(subject, evidence):
                        self._judge(subject, evidence)

    def _judge(self, subject: str, evidence: str) -> None:
        name = self._targets[subject].name
        self.counters["declared"] += 1
        host = subject == name
        verdict = Verdict.UNREACHABLE if host else Verdict.PROCESS_GONE
        silent = "host" if host else "process"
        self._effects.append(Declare(Ground(name, verdict, f"its {silent} is silent: {evidence}")))

    def _probe(self, target: Target) -> None:
        self.counters["probes"] += 1
        self._effects.append(Probe(target))
