"""A decider of the simplest kind, to test the simulator with: a hash over the living decides, at once.

It can be told to have a fault, which the simulator has to find.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256

from roost.decide import effects as do
from roost.decide.members import ClusterMember
from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.check import Check, Result
from roost.model.fitness import Fitness
from roost.model.flow import Flow
from roost.model.link import Link
from roost.model.node import Verdict
from roost.model.service import DesiredState, Service
from roost.protocols.machine import Effect, Endpoint, Randomness
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import Word
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.sightings import Sighting
from roost.protocols.words.verdict import Ground
from roost.simulator.seams import MakeDecider, NodeFacts

BEAT = 0.1
LEASE = 0.28
HOLD = 0.3


class FakeDecider:
    def __init__(self, facts: NodeFacts, random: Randomness, fault: str = "") -> None:
        self.facts = facts
        self.fault = fault
        self.desired = DesiredState()
        self.links: tuple[Link, ...] = ()
        self.members: tuple[ClusterMember, ...] = ()
        self.ready: frozenset[IPAddress] = frozenset()
        self.until = 0.0
        self.settled = False
        self.settles = 0.0
        self.draining = self.leaving = False
        self.held: dict[IPAddress, float] = {}
        self.answering: dict[IPAddress, Announcement] = {}
        self.rejoin = 0.0
        self.grown: list[int] = []
        self.woken = 0
        self.salt = ""
        self._effects: list[Effect] = []

    def start(self, now: float) -> None:
        self.settles = now + 0.7
        self.rejoin = now
        self.wake(now)

    def want(self, desired: DesiredState, refused: frozenset[str], why: str, now: float) -> None:
        self.desired = desired
        local = {a for s in desired.services if s.deliver == "local" for a in s.addresses}
        known = frozenset(a for s in desired.services for a in s.addresses)
        self._effects += [do.Deliver(frozenset(local)), do.Notice(known)]
        self._apply(now)

    def set_links(self, links: tuple[Link, ...], now: float) -> None:
        self.links = links
        self._effects.append(do.Open(tuple(link for link in links if link.carrier)))
        if self.fault == "fails" and not links[0].carrier:
            raise ZeroDivisionError
        self._describe()
        self._apply(now)

    def set_members(self, members: tuple[ClusterMember, ...], now: float, *, unheard: bool = False) -> None:
        self.members = members
        peers = {
            m.name: m.endpoint for m in members if m.is_roost and m.name != self.facts.name and m.endpoint
        }
        self._effects.append(do.Hold(peers))
        self._apply(now)

    def synchronized(self, now: float) -> None:
        self.settled = True
        self._apply(now)

    def accused(self, by: str, now: float) -> None:
        self.rejoin = now

    def hear(self, word: Word, now: float) -> None:
        pass

    def claimed(self, address: IPAddress, mac: bytes, interface: str, direct: bool, now: float) -> None:
        if address in self.held:
            self.held[address] = now
            self._apply(now)

    def asked(self, sighting: Sighting, at: float, now: float) -> None:
        pass

    def answered(self, link: int, address: IPAddress, mac: bytes, kind: ProbeKind, at: float) -> None:
        pass

    def set_spreading(self, able: bool, now: float) -> None:
        """Spread nothing."""

    def delivered(self, ready: frozenset[IPAddress], refused: Mapping[IPAddress, str], now: float) -> None:
        self.ready = ready
        self._apply(now)

    def proxied(self, service_name: str, now: float) -> None:
        pass

    def advert(self, received: Received, now: float) -> None:
        pass

    def checked(self, check: Check, result: Result, now: float) -> None:
        pass

    def reached(self, fitness: Mapping[str, Fitness | None], now: float) -> None:
        pass

    def process_gone(self, name: str, now: float) -> None:
        self._effects.append(do.Declare(Ground(name, Verdict.PROCESS_GONE, "its port is closed")))

    def counted(self, flows: Collection[Flow], now: float) -> None:
        pass

    def lingering(self, now: float) -> Mapping[IPAddress, float]:
        return {}

    def stragglers(self, packets: int, seen: Iterable[Sighting], now: float) -> None:
        pass

    def resolved(self, host: str, port: int, endpoints: tuple[Endpoint, ...], now: float) -> None:
        pass

    def source_trouble(self, troubled: bool, now: float) -> None:
        pass

    def wish(self, node: str, wish: bool | None, now: float) -> None:
        if node == self.facts.name and wish is not None:
            self.draining = wish
            self._describe()

    def leave(self, now: float) -> None:
        self.leaving = True
        self._apply(now)

    def wake(self, now: float) -> None:
        if now - self.until > LEASE - BEAT and self.until:
            self.settled = self.fault == "no lease"  # it did not run: first ask the others
            self.settles = now + 0.7
            self.rejoin = now
        self.until = now + LEASE
        self._effects.append(do.Renew(float("inf") if self.fault == "no lease" else self.until))
        self.woken += 1
        if self.fault == "grows":
            self.grown.extend(range(20))
        self.salt = str(self.woken // 260) if self.fault == "wanders" else ""
        if now >= self.rejoin:
            self.rejoin = now + 2.0
            known = {member.endpoint for member in self.members if member.verdict.active}
            lost = tuple(each for each in self.facts.join if each not in known or not self.settled)
            self._effects.append(do.Join(lost))
        self.settled = self.settled or now >= self.settles
        self._apply(now)

    def next_wake(self) -> float | None:
        return self.until - LEASE + BEAT

    def effects(self) -> Iterable[Effect]:
        taken, self._effects = self._effects, []
        return taken

    def _describe(self) -> None:
        macs = tuple(link.mac for link in self.links if link.carrier)
        self._effects.append(do.Describe(Metadata(macs=macs, draining=self.draining)))

    def _apply(self, now: float) -> None:
        led: dict[IPAddress, Announcement] = {}
        for service in self.desired.services if self.settled and self._is_up() else ():
            for address in service.addresses:
                able = address in self.ready or service.deliver == "external"
                if able and self._leads(service):
                    led[address] = Announcement()
        lost = self.answering.keys() - led.keys() if self._is_up() else set()
        self.held = {address: self.held.get(address, now + HOLD) for address in lost}
        for address, until in self.held.items() if self.fault != "lets go" else ():
            if until > now or self.fault == "never stops":
                led[address] = Announcement()
        if led != self.answering:
            new = tuple(sorted(led.keys() - self.answering.keys()))
            self.answering = led
            self._effects += [do.Answer(led), do.Announce(new)]

    def _is_up(self) -> bool:
        return any(link.carrier for link in self.links)

    def _leads(self, service: Service) -> bool:
        names, endpoints = service.advertisements[0].names, service.endpoint_nodes

        def rank(member: ClusterMember) -> tuple[bool, bytes]:
            key = f"{member.name}#{service.name}#{self.salt}"
            return member.metadata.draining, sha256(key.encode()).digest()

        able = [
            member
            for member in self.members
            if member.is_roost
            and not (member.name == self.facts.name and self.leaving)
            and (not names or member.name in names)
            and (endpoints is None or member.name in endpoints)
        ]
        return bool(able) and min(able, key=rank).name == self.facts.name


def maker(fault: str = "", node: str = "") -> MakeDecider:
    """Make fake deciders; the one of `node` (all without) has the fault."""

    def make(facts: NodeFacts, random: Randomness) -> FakeDecider:
        return FakeDecider(facts, random, fault if not node or facts.name == node else "")

    return make


Make = Callable[[NodeFacts, Randomness], FakeDecider]
