"""The virtual routers of one node: which there are, what each hears and sends, and who moves with whom.

services, links, checks -> parts -> adverts of others, time -> states -> adverts, and who leads each service

Parts of one service move together, and so do services of one `group`: what is wrong with one is wrong with
all, when one takes over or gives way all do. Pure.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from roost.decide.effects import HearAdverts
from roost.decide.vrrp.adverts import adverts
from roost.decide.vrrp.judging import Received, judge
from roost.decide.vrrp.part import PEERS, Part, Peer, own_address, ruling
from roost.decide.vrrp.strangers import Strangers
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.eligibility import interface_allowed
from roost.model.event import Event
from roost.model.fitness import FIT, Fitness
from roost.model.link import Link, reaches
from roost.model.service import Service
from roost.protocols.bounded import remember
from roost.protocols.machine import Effect, soonest
from roost.protocols.vrrp.machine import Advertise, AnnounceAgain, Heard, Timing
from roost.protocols.vrrp.packet import Advert, AdvertError, Flaw, peek
from roost.protocols.vrrp.table import State

__all__ = ["Facts", "VirtualRouters"]

_ON_THE_WAY: Final = 0.1  # seconds: adverts, and a backup that is busy


@dataclass(frozen=True, slots=True)
class Facts:
    """What this node has: `links` that announce, `fitness` for services by their names.

    `refused` are addresses that it cannot hold, with the reason; those `awaited` it does not hold yet.
    `standing` is why it would lead nothing at all, or "".
    """

    links: Sequence[Link] = ()
    fitness: Mapping[str, Fitness] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[IPAddress, str] = field(default_factory=lambda: MappingProxyType({}))
    awaited: Collection[IPAddress] = ()
    standing: str = ""


class VirtualRouters:
    """`announcements`: how each address is answered for while this node leads it."""

    def __init__(self) -> None:
        self.parts: tuple[Part, ...] = ()
        self.announcements: dict[IPAddress, Announcement] = {}
        self.foreign: Counter[str] = Counter()  # adverts with VRIDs of nobody here, and unreadable ones
        self.again: set[IPAddress] = set()  # addresses that the LAN has to be told about again
        self.events: list[Event] = []
        self.touched: set[str] = set()  # services that may be led by another one now
        self.strangers = Strangers()
        self._running = False
        self._facts = Facts()
        self._groups: tuple[tuple[Part, ...], ...] = ()
        self._group_of: Mapping[Part, tuple[Part, ...]] = {}
        self._by_service: Mapping[str, tuple[Part, ...]] = {}
        self._heard_on: Mapping[int, frozenset[int]] = {}
        self._effects: list[Effect] = []

    # -- what comes in ---------------------------------------------------------------------------

    def run(self, now: float) -> None:
        """Take part from now on."""
        self._running = True
        self._look(now)

    def take_services(self, services: Iterable[Service], now: float) -> None:
        """Take all services that VRRP decides about; those that are known go on as they are until `take`."""
        known = {(part.service.name, part.family): part for part in self.parts}
        groups: defaultdict[str, list[Part]] = defaultdict(list)
        kept: list[Part] = []
        for service in sorted(services, key=lambda each: each.name):
            router = service.vrrp
            if router is None:
                continue
            group = groups[f"group {router.group}" if router.group else f"service {service.name}"]
            for family in sorted({address.version for address in service.addresses}):
                part = known.get((service.name, family))
                if part is None or _is_another(part, service):
                    part = Part.of(service, router, family, arbiter=not group)
                part.service, part.router = service, router
                group.append(part)
                kept.append(part)
        for part in self.parts:
            if part not in kept:
                part.instance.stop(now)
                self._collect(part)
        self.parts = tuple(kept)
        left = {address for part in kept for address in part.addresses}
        for address in self.announcements.keys() - left:
            del self.announcements[address]
        self._groups = tuple(map(tuple, groups.values()))
        self._group_of = {part: parts for parts in self._groups for part in parts}
        self.touched.update(self._by_service)
        by_service: defaultdict[str, list[Part]] = defaultdict(list)
        for part in kept:
            by_service[part.service.name].append(part)
        self._by_service = {name: tuple(parts) for name, parts in by_service.items()}

    def take(self, facts: "Facts", now: float) -> None:
        """Take what there is to know of this node now."""
        self._facts = facts
        self._look(now)

    def hear(self, received: Received, now: float) -> None:
        """Take a packet of protocol 112."""
        told = peek(received.data)
        if told is None:
            self.foreign[Flaw.LENGTH.value] += 1
            return
        part = next((each for each in self.parts if _is_for(each, received, told[1])), None)
        if part is None:
            self.foreign[Flaw.VRID.value] += 1
            return
        own = [each.ip for each in part.link.addresses] if part.link else []
        try:
            advert = judge(received, part, own)
        except AdvertError as error:
            part.flaws[error.flaw] += 1
            if clash := self.strangers.note(part, received, error, now):
                self.events.append(clash)
            return
        self._believe(part, received, advert, now)

    def wake(self, now: float) -> None:
        """Do what is due at `now`."""
        for part in self.parts:
            due = part.instance.next_wake()
            if due is not None and due <= now:
                self._with_group(part, part.instance.wake, now)
            elif part.instance.state is State.INITIALIZE:
                self.touched.add(part.service.name)  # whoever led may have fallen silent

    def next_wake(self, now: float) -> float | None:
        """When `wake` is wanted next."""
        return soonest(part.next_wake(now) for part in self.parts)

    # -- what follows ----------------------------------------------------------------------------

    def effects(self) -> list[Effect]:
        """Hand over what is to be sent, oldest first."""
        taken, self._effects = self._effects, []
        return taken

    def parts_of(self, service: str) -> Sequence[Part]:
        """Return the parts of the service with that name."""
        return self._by_service.get(service, ())

    def masters(self, me: str, name_of: Callable[[Peer], str], now: float) -> Mapping[str, str | None]:
        """Return who leads the services touched since the last call (None: nobody is heard).

        That is `me`, or another by the name that `name_of` has for it.
        """
        touched, self.touched = self.touched, set()
        found: dict[str, str | None] = {}
        for name in touched:
            parts = self.parts_of(name)
            if parts and all(part.instance.state is State.MASTER for part in parts):
                found[name] = me
            else:
                peer = next((peer for part in parts if (peer := part.master(now))), None)
                found[name] = name_of(peer) if peer is not None else None
        return found

    def decides(self, service: str) -> Part | None:
        """Return the part that decides for the group of a service, None where VRRP does not."""
        parts = self.parts_of(service)
        return self._group_of[parts[0]][0] if parts else None

    def handover_time(self, address: IPAddress) -> float:
        """Return the seconds within which any backup has taken over from a master that said that it goes."""
        part = next(each for each in self.parts if address in each.addresses)
        if part.link is None:
            return 0.0
        router = part.router
        return Timing.of(router.version, 1, router.interval).skew + _ON_THE_WAY

    def why(self, service: str) -> str:
        """Return one clause on why the instances of a service are in their state."""
        parts = self.parts_of(service)
        fault = next((part.fault for part in parts if part.fault), "")
        return fault or next((f"VRRP: {part.instance.last.value}" for part in parts), "it is gone")

    # -- parts of the above ------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Start and stop instances by what is known now."""
        services = frozenset(address for part in self.parts for address in part.addresses)
        for part in self.parts:
            part.link = self._link_of(part)
            peer = part.unicast[0] if part.unicast else None
            part.own = own_address(part.link, part.family, services, peer) if part.link else None
        self.announcements.clear()
        for parts in self._groups:
            fault = next((fault for part in parts if (fault := self._fault_of(part))), "")
            weight = sum({part.service.name: self._fit(part).weight for part in parts}.values())
            for at, part in enumerate(parts):
                self._rule(part, weight, fault, arbiter=at == 0, now=now)
        heard_on: defaultdict[int, set[int]] = defaultdict(set)
        for part in self.parts:
            if part.link is not None and self._running:
                heard_on[part.link.index].add(part.family)
        wanted = {link: frozenset(families) for link, families in heard_on.items()}
        if wanted != self._heard_on:
            self._heard_on = wanted
            self._effects.insert(0, HearAdverts(wanted))

    def _rule(self, part: Part, weight: int, fault: str, *, arbiter: bool, now: float) -> None:
        if part.link is not None:
            how = Announcement(part.answered_on, part.mac)
            self.announcements.update(dict.fromkeys(part.addresses, how))
        instance, part.fault = part.instance, fault
        if part.own is not None:
            instance.rule(ruling(part.router, weight, arbiter=arbiter), part.own, now)
        if fault:
            instance.stop(now)
        elif instance.state is State.INITIALIZE:
            instance.start(now)
        self._collect(part)

    def _fault_of(self, part: Part) -> str:
        """Return why `part` cannot take part, or ""."""
        facts, link, fitness = self._facts, part.link, self._fit(part)
        starts = part.instance.state is State.INITIALIZE
        name = link.name if link else part.router.interface or "a link of its subnet"
        rules = (
            (not self._running, "not started yet"),
            (bool(facts.standing), facts.standing),
            (link is None, f"{name} is not there, or cannot announce"),
            (part.own is None, f"{name} has no address of its own to send IPv{part.family} adverts from"),
            (not fitness.fit, fitness.why or "its checks fail"),
            *((each in facts.refused, facts.refused.get(each, "")) for each in part.addresses),
            (
                starts and any(each in facts.awaited for each in part.addresses),
                "its addresses are not on this host yet",
            ),
        )
        return next((reason for holds, reason in rules if holds), "")

    def _fit(self, part: Part) -> Fitness:
        return self._facts.fitness.get(part.service.name, FIT)

    def _link_of(self, part: Part) -> Link | None:
        if part.router.interface:
            return next((link for link in self._facts.links if link.name == part.router.interface), None)
        patterns = [each.interfaces for each in part.service.advertisements]
        links = [
            each for each in self._facts.links if any(interface_allowed(some, each.name) for some in patterns)
        ]
        near = (link for link in links if any(reaches(link, each) for each in part.service.addresses))
        alone = links[0] if len(links) == 1 else None
        return next(near, alone)

    def _believe(self, part: Part, received: Received, advert: Advert, now: float) -> None:
        part.adverts += 1
        source = received.source
        peer = Peer(
            source, received.mac, advert.priority, advert.interval, advert.version, advert.checksum, now
        )
        remember(part.peers, source, peer, PEERS)
        heard = Heard(source, advert.priority, advert.interval)
        self._with_group(part, lambda now: part.instance.hear(heard, now), now)

    def _with_group(self, part: Part, happen: Callable[[float], None], now: float) -> None:
        """Let something happen to one instance, and to the others of its group what follows from it."""
        before = part.instance.state
        happen(now)
        after = part.instance.state
        self._collect(part)
        if before is after:
            return
        for other in self._group_of[part]:
            if other is part:
                continue
            if after is State.MASTER:
                other.instance.lead_with_group(now)
            elif before is State.MASTER:
                other.instance.yield_with_group(now)
            self._collect(other)

    def _collect(self, part: Part) -> None:
        self.touched.add(part.service.name)
        for effect in part.instance.effects():
            match effect:
                case Advertise(priority):
                    self._effects.extend(adverts(part, priority))
                case AnnounceAgain():
                    self.again.update(part.addresses)


def _is_for(part: Part, received: Received, vrid: int) -> bool:
    on_link = part.link is not None and part.link.index == received.link
    return on_link and part.router.vrid == vrid and part.family == received.source.version


def _is_another(part: Part, service: Service) -> bool:
    """Tell whether a changed service needs another instance: what peers know it by is not the same."""
    before, after = part.router, service.vrrp
    return after is None or (before.vrid, before.version, before.interface) != (
        after.vrid,
        after.version,
        after.interface,
    )
