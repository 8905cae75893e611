"""One node's watch on virtual time, and peers on its LAN that answer or do not."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from tests.unit.decide.builders import link, mac, member

from roost.decide.effects import Probe, Target
from roost.decide.members import ClusterMember
from roost.decide.witnessing.watch import Watch
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.model.node import Verdict
from roost.protocols.machine import Effect
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.timing import TIMINGS
from roost.protocols.witness.voice import ProbeKind

__all__ = ["Lan"]

FLIGHT = 0.001  # seconds


class Lan:
    """Node n1 among `count`; what is in `silent_hosts` and `silent_processes` does not answer."""

    def __init__(self, count: int = 3, *, links: Sequence[Link] = (link(),), watched: bool = True) -> None:
        self.now = 100.0
        self.links = links
        self.members: list[ClusterMember] = [member(number) for number in range(1, count + 1)]
        self.led: Mapping[str, IPAddress] = {}
        self.silent_hosts: set[str] = set()
        self.silent_processes: set[str] = set()
        self.taken: list[Effect] = []
        self.returned: list[str] = []
        self.watch = Watch("n1", TIMINGS["default"] if watched else None, budget=Budget(None))
        self.update()

    def update(self) -> None:
        self.watch.meet(self.links, self.members)
        self.watch.update(self.led, self.now)
        self._collect()

    def lose(self, number: int, verdict: Verdict = Verdict.DEAD) -> None:
        self.members[number - 1] = member(number, verdict)
        self.update()

    def find(self, number: int) -> None:
        self.members[number - 1] = member(number)
        self.update()

    def run(self, seconds: float, *, cut_off: bool = False) -> None:
        end = self.now + seconds
        while (due := self.watch.next_wake()) is not None and due <= end:
            self.now = max(self.now, due)
            self.watch.wake(self.now, cut_off=cut_off)
            after = self.watch.next_wake()
            assert after is None or after > self.now, "it wants to be woken for nothing"
            self._collect()
        self.now = end

    def answer(self, target: Target, source: bytes | None = None, kind: ProbeKind = ProbeKind.ARP) -> None:
        back = self.watch.answered(target.link, target.address, source or target.mac, kind, self.now + FLIGHT)
        if back is not None:
            self.returned.append(back)

    def of(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.taken if type(effect) is kind]

    def _collect(self) -> None:
        for effect in self.watch.effects():
            self.taken.append(effect)
            if isinstance(effect, Probe) and self._answers(effect.target):
                self.answer(effect.target, kind=effect.kind)

    def _answers(self, target: Target) -> bool:
        own = target.address == ip_address(f"192.0.2.{10 + int(target.name[1:])}")
        silent = self.silent_hosts if own else self.silent_processes | self.silent_hosts
        return target.name not in silent and target.mac == mac(int(target.name[1:]))
