"""A virtual LAN of witnesses: hosts that answer or not, a fabric that may answer for them, ARP counted."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from roost.decide.witnessing.duties import duties, nearer
from roost.protocols.machine import Effect
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.effects import AskLan, Declare, Probe, Tell
from roost.protocols.witness.machine import Witness
from roost.protocols.witness.timing import PROCESS, TIMINGS, Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.statement import Statement

STEP = 0.001  # seconds between two looks of the virtual LAN
FLIGHT = 0.0005  # seconds there and back

Passes = Callable[[str, str], bool]
Answers = Callable[[str, ProbeKind], bool]
ARP, ECHO = ProbeKind.ARP, ProbeKind.ECHO


def everything(_source: str, _target: str) -> bool:
    return True


def both(_subject: str, _kind: ProbeKind) -> bool:
    return True


def cut(*names: str) -> Passes:
    return lambda source, target: source not in names and target not in names


@dataclass
class Lan:
    """Witnesses, a bystander that answers anybody, and `passes(source, target)` for each frame.

    `answers(subject, kind)`: what hosts answer; `proxy`: the fabric answers ARP for everybody. With
    `processes` each node is also asked for an address that it leads. `arp` are the times at which each host
    sent an ARP packet, questions and answers. `clocks`: how far nodes' clocks are ahead, seconds.
    """

    names: tuple[str, ...] = ("n1", "n2", "n3")
    timing: Timing = TIMINGS["default"]
    bystander: bool = True
    rate: float | None = 10.0
    processes: bool = False
    clocks: dict[str, float] = field(default_factory=dict)
    answers: Answers = both
    proxy: bool = False
    passes: Passes = everything
    tells: Passes = everything  # for words, beside `passes`
    stopped: set[str] = field(default_factory=set)  # their processes do not run; their kernels answer
    now: float = 100.0
    declared: list[tuple[float, str, str]] = field(default_factory=list)  # when, by whom, whom
    evidence: str = ""
    probes: int = 0
    arp: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.witnesses: dict[str, Witness] = {}
        self._machines: dict[str, list[Witness]] = {}
        for name in self.names:
            budget = Budget(self.rate)
            self.witnesses[name] = kernels = Witness(name, self.timing, budget)
            self._machines[name] = [kernels]
            if self.processes:
                self._machines[name].append(Witness(name, PROCESS, budget, [ARP], together=True))
        self.follow(self.names)

    def follow(self, members: Collection[str]) -> None:
        """Let members watch each other, as speakers do after a verdict; the others watch as before."""
        for name in members:
            watched = duties(name, members)
            followed = {subject for subject, witnesses in nearer(watched).items() if witnesses}
            self._machines[name][0].watch(watched, self._clock(name), followed)
            for processes in self._machines[name][1:]:
                led = {f"{subject} vip": others for subject, others in watched.items()}
                processes.watch(led, self._clock(name), {f"{subject} vip" for subject in followed})

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for name, machines in self._machines.items():
                wanted = [due for machine in machines if (due := machine.next_wake()) is not None]
                if name not in self.stopped and wanted and min(wanted) <= self._clock(name):
                    for machine in machines:
                        machine.wake(self._clock(name))
                    for machine in machines:
                        self._carry_out(name, machine)
            self.now += STEP

    def gone(self) -> set[str]:
        return {subject for _, _, subject in self.declared}

    def most_arp(self, name: str) -> int:
        """Return the most ARP packets that a host sent within one second."""
        times = self.arp[name]
        return max((bisect_right(times, at + 1.0) - index for index, at in enumerate(times)), default=0)

    def _clock(self, name: str) -> float:
        return self.now + self.clocks.get(name, 0.0)

    def _carry_out(self, name: str, machine: Witness) -> None:
        for effect in machine.effects():
            self._do(name, effect)

    def _do(self, name: str, effect: Effect) -> None:
        match effect:
            case Probe(subject, kind):
                self._probe(name, subject, kind)
            case AskLan(kind, hosts):
                self.arp[name] += [self.now] * (hosts if kind is ARP else 0)
                reaches = self.passes(name, "lan") and self.passes("lan", name)
                if (self.bystander and reaches) or (kind is ARP and self.proxy):
                    for each in self._machines[name]:
                        each.lan_answered(self._clock(name) + FLIGHT, kind)
            case Tell(to, statement):
                self._tell(name, to, statement)
            case Declare(subject, evidence):
                self.declared.append((self.now, name, subject))
                self.evidence = evidence

    def _probe(self, name: str, subject: str, kind: ProbeKind) -> None:
        self.probes += 1
        host, _, process = subject.partition(" ")
        arrives = self.passes(name, host) and self.answers(host, kind)
        answered = arrives and not (process and host in self.stopped)
        if kind is ARP:
            self.arp[name].append(self.now)
            if answered:
                self.arp[host].append(self.now)
        if (answered and self.passes(host, name)) or (kind is ARP and self.proxy):
            for each in self._machines[name]:  # whoever it was that asked: somebody is heard
                each.answered(subject, self._clock(name) + FLIGHT, kind)

    def _tell(self, name: str, to: Iterable[str], statement: Statement) -> None:
        for other in sorted(to):
            if other not in self.stopped and self.passes(name, other) and self.tells(name, other):
                for machine in self._machines[other]:
                    machine.receive(statement, self._clock(other))
                for machine in self._machines[other]:
                    self._carry_out(other, machine)
