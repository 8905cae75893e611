"""One decider on virtual time: tell it things, read what it wants done. There is no network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from random import Random
from typing import Any, TypeVar

from tests.unit.decide.builders import endpoint, link, mac, member, own_address, service

from roost.decide.decider import Decider
from roost.decide.effects import Announce, Answer, Ask, Became, Correct, Happened, Isolate, Probe, Renew, Tell
from roost.decide.members import ClusterMember
from roost.decide.settings import DeciderSettings
from roost.model.address import IPAddress
from roost.model.event import Happening
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.ranking import digest
from roost.model.role import Change, Role
from roost.model.service import DesiredState, Service
from roost.protocols.machine import Effect
from roost.protocols.witness.timing import TIMINGS
from roost.protocols.words.codec import Word

__all__ = ["One", "address_of"]

E = TypeVar("E", bound=Effect)
SETTINGS = DeciderSettings(node="n1", bind=endpoint(1), timing=TIMINGS["default"])


def address_of(*order: int, number: int = 0) -> IPAddress:
    """Return an address for which nodes n1 to n3 stand in this order; `number` gives different ones."""
    names = [f"n{each}" for each in order]
    found = (ip_address(f"192.0.2.{last}") for last in range(100, 255))
    fitting = [
        address for address in found if sorted(names, key=lambda name: digest(name, str(address))) == names
    ]
    return fitting[number]


class One:
    """Node n1 with peers; it is settled and has heard their claims, unless `settled` is False.

    The peers' kernels answer probes, but those of `silent` ones; `processes` answer probes for what they
    lead. Peers in `answering` answer when the LAN is asked for what they lead, but for what they are
    `ignorant` of, and `holding` says who answers for an address besides, nobody does otherwise.
    """

    def __init__(
        self,
        *services: Service,
        peers: Sequence[int] = (2, 3),
        settled: bool = True,
        links: Sequence[Link] = (link(),),
        **settings: Any,
    ) -> None:
        self.now = 100.0
        self.decider = Decider(replace(SETTINGS, **settings), Random(7))
        self.effects: list[Effect] = []
        self.answered: frozenset[IPAddress] = frozenset()
        self.isolated = False
        self.roles: dict[str, Role] = {}  # of services, as they were told
        self.until = float("-inf")
        self.silent: set[int] = set()
        self.processes: set[int] = set()
        self.answering: set[int] = set(peers) if settled else set()
        self.ignorant: dict[IPAddress, set[int]] = {}
        self.holding: dict[IPAddress, int] = {}
        self.members: dict[int, ClusterMember] = {1: member(1)}
        self.unheard = False  # whether gossip asks in vain
        self.decider.set_members(tuple(self.members.values()), self.now)
        self.decider.set_links(tuple(links), self.now)
        self.want(*services)
        self.tell(self.decider.start)
        for number in peers:
            self.members[number] = member(number)
        if peers:
            self.meet()
        if settled:
            if peers:
                self.tell(self.decider.synchronized)
            self.run(1.0)
            self.answering.clear()
            self.effects.clear()

    # -- what happens to it ----------------------------------------------------------------------

    def tell(self, hear: Callable[..., object], *facts: object) -> None:
        hear(*facts, self.now)
        self.collect()

    def want(self, *services: Service, refused: frozenset[str] = frozenset()) -> None:
        self.tell(self.decider.want, DesiredState(services, "same"), refused, "")

    def meet(self) -> None:
        self.tell(partial(self.decider.set_members, unheard=self.unheard), tuple(self.members.values()))

    def have(self, number: int, verdict: Verdict = Verdict.ALIVE, **told: Any) -> None:
        """Let a member be found or lost, or say something else of itself."""
        self.members[number] = member(number, verdict, since=self.now, **told)
        self.meet()

    def forget(self, number: int) -> None:
        del self.members[number]
        self.meet()

    def plug(self, *links: Link) -> None:
        self.tell(self.decider.set_links, links)

    def claim(self, address: IPAddress, number: int, *, direct: bool = True) -> None:
        """Let the machine with that number be heard: a node's, or a stranger's."""
        self.tell(self.decider.claimed, address, mac(number), "eth0", direct)

    def hear(self, word: Word) -> None:
        self.tell(self.decider.hear, word)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.decider.next_wake()) is not None and due <= end:
            self.now = max(self.now, due)
            self.wake()
        self.now = end

    def sleep(self, seconds: float) -> None:
        """Do not run for so long, then wake."""
        self.now += seconds
        self.wake()

    def wake(self) -> None:
        self.decider.wake(self.now)
        after = self.decider.next_wake()
        assert after is None or after > self.now, "it wants to be woken for nothing"
        self.collect()

    def collect(self) -> None:
        while effects := self.decider.effects():
            for effect in effects:
                self.effects.append(effect)
                self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Answer(announcements):
                self.answered = frozenset(announcements)
            case Isolate(isolated):
                self.isolated = isolated
            case Became(change):
                self._become(change)
            case Renew(until):
                self.until = until
            case Ask(addresses):
                for address in addresses:
                    self._answer(address)
            case Probe(target, kind) if self._is_heard(target.name, target.address):
                self.decider.answered(target.link, target.address, target.mac, kind, self.now)

    def _become(self, change: Change) -> None:
        before = self.roles.get(change.service)
        assert change.role is not before
        assert change.before is before or (change.before is None and before is Role.STOPPED)
        self.roles[change.service] = change.role

    def _answer(self, address: IPAddress) -> None:
        lead = self.decider.state.plan.lead(address)
        leader = int((lead.node or "n0")[1:])
        shared = lead.weights if not lead.takers else ()  # those that take its connections answer nobody
        owing = {int(name[1:]) for name, _ in shared} - {1} or {leader}
        able = self.answering - self.ignorant.get(address, set())
        for number in owing & able | {self.holding.get(address, leader)} - {leader}:
            self.decider.claimed(address, mac(number), "eth0", True, self.now)

    def _is_heard(self, name: str, address: IPAddress) -> bool:
        number = int(name[1:])
        leads = number in self.processes and self.decider.state.plan.lead(address).node == name
        return number not in self.silent and (leads or str(address) == own_address(number))

    # -- what it wants ---------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def asked(self) -> set[IPAddress]:
        return {address for effect in self.of(Ask) for address in effect.addresses}

    def watched(self) -> set[IPAddress]:
        """The addresses by which processes were asked for."""
        return {effect.target.address for effect in self.of(Probe) if effect.target.process}

    def announced(self) -> set[IPAddress]:
        return {address for effect in self.of(Announce) for address in effect.addresses}

    def corrected(self) -> set[Any]:
        return {sighting for effect in self.of(Correct) for sighting in effect.sightings}

    def told(self, kind: type[Word]) -> list[tuple[tuple[str, ...], Word]]:
        return [(effect.to, effect.word) for effect in self.of(Tell) if isinstance(effect.word, kind)]

    def happened(self) -> list[Happening]:
        return [effect.event.what for effect in self.of(Happened)]


def web(*addresses: IPAddress, **changed: Any) -> Service:
    return service(" ".join(str(each) for each in addresses), **changed)
