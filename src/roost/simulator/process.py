"""The process on a simulated host: SWIM and the decider, driven as the speaker drives them.

    what comes in -> Swim, Decider -> effects -> the LAN, the kernel, and each other

What lives here: carrying out effects. When a process runs at all is the host's to say.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from roost.decide import effects as do
from roost.decide.members import Roster
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.event import Event
from roost.model.service import DesiredState, Service
from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect, SendDatagram
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES
from roost.protocols.memberlist.swim import Fault, MemberChanged, OpenExchange, Swim, SwimConfig, UserData
from roost.protocols.words import codec
from roost.protocols.words.metadata import Metadata, encode
from roost.protocols.words.sightings import Sighting
from roost.protocols.words.verdict import Ground
from roost.simulator.inbox import Inbox, Queue
from roost.simulator.lan import Claim, Question
from roost.simulator.lifelines import Lifelines
from roost.simulator.seams import MakeDecider, NodeFacts
from roost.simulator.streams import Streams

if TYPE_CHECKING:
    from roost.simulator.host import Host

__all__ = ["Process"]

_LATE: Final = 0.001  # seconds that a wake is late on an idle host
_SHORTEST_SLEEP: Final = 0.001  # seconds, as the driver on asyncio has it
_TOLD: Final = 64  # members that hear a ground directly
_ROUNDS: Final = 1000  # of effects that make effects: more is a machine that never has enough
_DELIVERY: Final = (0.001, 0.005)  # seconds to give the host other addresses
_PROXY: Final = (0.02, 0.6)  # seconds until a proxy knows of new endpoints
_HOSTS_ASKED: Final = 4


class Process:
    """One life of a speaker on `host`; `happened(event)` hears what the decider reports."""

    def __init__(self, host: "Host", facts: NodeFacts, make: MakeDecider, chance: random.Random) -> None:
        self.host = host
        self.announcements: Mapping[IPAddress, Announcement] = {}
        self.answering: frozenset[IPAddress] = frozenset()
        self.metadata: Metadata | None = None
        self.desired = DesiredState()
        self._wanted: frozenset[IPAddress] = frozenset()  # to be terminated on this host
        self._able: frozenset[IPAddress] = frozenset()
        self._able_of: tuple[DesiredState, frozenset[IPAddress]] | None = None
        self.leaving: float | None = None  # since when (virtual time)
        self.ended = False
        self._chance = chance
        self._clock = host.clock
        self._inbox = Inbox(chance)
        self._roster = Roster()
        self._busy_until = 0.0  # virtual time: a slow interpreter works on something else
        self._listened: frozenset[tuple[int, IPAddress]] = frozenset()
        self._planned: float | None = None
        self._pumping = False
        self.decider = make(facts, chance)
        packets = PacketCodec(compress=False, random=chance)
        profile = PROFILES[facts.profile]
        self.swim = Swim(SwimConfig(facts.name, host.endpoint, b"", profile), packets, chance)
        self.lifelines = Lifelines(
            self._clock, chance, find=host.find, passes=host.passes, gone=self._process_gone
        )
        self.streams = Streams(self, self._clock, chance)
        self._does: Mapping[type[Effect], Callable[[Any], None]] = self._table()

    def start(self, desired: DesiredState, *, troubled: bool) -> None:
        """Begin as the speaker begins."""
        now = self.host.time()
        self.desired = desired
        self.swim.start(now)
        self.decider.start(now)
        self.decider.set_links((self.host.link(),), now)
        if troubled:
            self.decider.source_trouble(True, now)  # noqa: FBT003 - the decider's own call
        self.decider.want(desired, frozenset(), "", now)
        self._take_members(now)
        self.pump()

    def end(self) -> None:
        """Be no more."""
        self.ended = True
        self.lifelines.close()
        self._inbox.clear()

    def leave(self) -> None:
        """Hand over and leave, as on SIGTERM."""
        if self.leaving is None:
            self.leaving = self._clock.now
            self.take(Queue.EVENTS, self._leave)

    def take(self, queue: Queue, action: Callable[[float], None]) -> None:
        """Let the process do `action(now)`: at once, when it runs again, or never."""
        if self.ended:
            return
        if self._is_busy():
            self._inbox.put(queue, action)
            return
        action(self.host.time())
        self.pump()
        self._rest()

    def resume(self) -> None:
        """Look at what came in, if the process runs now."""
        if self.ended or self._is_busy():
            return
        actions = self._inbox.drain(self._wake_machines)
        for action in actions:
            action(self.host.time())
            self.pump()
        if len(actions) > 1:
            self._rest()

    def may_answer(self) -> bool:
        """Tell whether the process may answer for anything now."""
        return self.decider.may_answer(self.host.time())

    def able(self) -> frozenset[IPAddress]:
        """Return what this node could answer for: configured, allowed to it, and to be had on its host."""
        refused = frozenset(address for address, faults in self.host.kernel.refused.items() if faults)
        key = (self.desired, refused)
        if self._able_of != key:
            self._able_of = key
            self._able = frozenset(_allowed(self.desired, self.host.name) - refused)
        return self._able

    # -- what comes in -----------------------------------------------------------------------------

    def question(self, asked: Question, now: float) -> None:
        """Answer an ARP request for a service address if this node does, and take note of who asks."""
        if asked.target in self.answering and self.decider.may_answer(now):
            mac = self.announcements[asked.target].mac or self.host.mac
            self.host.reply(Claim(asked.target, mac, gratuitous=False), asked)
        if asked.asker is not None:
            self.decider.asked(Sighting(asked.target, asked.asker, asked.mac), now)

    def claims(self, claims: tuple[Claim, ...], now: float) -> None:
        """Hear where others say that addresses are."""
        for claim in claims:
            if claim.mac not in self.host.port.macs:
                self.decider.claimed(claim.address, claim.mac, self.host.link().name, now)

    def answered(self, claim: Claim, *, asked: bool = False) -> None:
        """Hear the answer to a probe, with the kernel's time of its arrival; `asked`: one of any host."""
        if self.host.paused:
            return
        at = self.host.time()
        index = self.host.link().index
        if asked or (index, claim.address) in self._listened:
            self.take(Queue.ANSWERS, lambda _: self.decider.answered(index, claim.address, claim.mac, at))

    def user_data(self, payload: bytes, now: float) -> None:
        """Hear a peer's word."""
        with suppress(PacketError):
            word = codec.decode(payload)
            if isinstance(word, Ground):
                self._roster.note(word, self.swim.members, now)
            self.decider.hear(word, now)

    # -- what goes on ------------------------------------------------------------------------------

    def pump(self) -> None:
        """Carry out what the machines want, until they want no more."""
        if self._pumping or self.ended:
            return
        self._pumping = True
        for _ in range(_ROUNDS):
            if not self._round():
                break
        else:
            raise RuntimeError(f"{self.host.name}: effects without end")
        self._pumping = False
        if not self.ended:
            self._arm()

    def _round(self) -> bool:
        wanted = False
        for effect in self.decider.effects():
            wanted = True
            self._does[type(effect)](effect)
        changed = False
        for effect in self.swim.effects():
            wanted = True
            if isinstance(effect, MemberChanged):
                changed = True
                if effect.kind == "accused":
                    self.decider.accused(effect.evidence, self.host.time())
            else:
                self._does[type(effect)](effect)
        if changed:
            self._take_members(self.host.time())
        return wanted

    def _arm(self) -> None:
        dues = (self.swim.next_wake(), self.decider.next_wake())
        due = min((each for each in dues if each is not None), default=None)
        if due is None:
            return
        when = max(due - self.host.offset, self._clock.now + _SHORTEST_SLEEP)
        if self._planned is None or when < self._planned:
            self._planned = when
            self._clock.at(when + _LATE * self._chance.random(), partial(self._wake, when))

    def _wake(self, planned: float) -> None:
        if self._planned != planned or self.ended:
            return
        self._planned = None
        if not self._is_busy():
            self._wake_machines(self.host.time())
            self.pump()
            self._rest()

    def _wake_machines(self, now: float) -> None:
        due = self.swim.next_wake()
        if due is not None and due <= now:
            self.swim.wake(now)
        due = self.decider.next_wake()
        if due is not None and due <= now:
            self.decider.wake(now)

    def _is_busy(self) -> bool:
        return not self.host.runs or self._clock.now < self._busy_until

    def _rest(self) -> None:
        """Let a slow interpreter be busy with something else for a while."""
        if self.host.lateness:
            pause = self.host.lateness * self._chance.random()
            self._busy_until = self._clock.now + pause
            self._clock.at(self._busy_until, self.resume)

    def _take_members(self, now: float) -> None:
        self.decider.set_members(self._roster.members(self.swim.members.values()), now)

    def _leave(self, now: float) -> None:
        self.swim.leave(now)
        self.decider.leave(now)

    def _process_gone(self, name: str) -> None:
        self.take(Queue.EVENTS, partial(self.decider.process_gone, name))

    # -- effects -----------------------------------------------------------------------------------

    def _table(self) -> Mapping[type[Effect], Callable[[Any], None]]:
        host = self.host
        return {
            SendDatagram: lambda e: host.send_datagram(e.target, e.data),
            OpenExchange: self.streams.open,
            UserData: lambda e: self.user_data(e.payload, host.time()),
            Fault: lambda _: None,
            do.Answer: self._answer,
            do.Announce: self._announce,
            do.Correct: self._correct,
            do.Ask: self._ask,
            do.Renew: lambda _: None,  # a responder in the kernel would need it; `may_answer` is asked here
            do.Tell: lambda e: self.swim.tell(e.to, codec.encode(e.word), host.time()),
            do.Describe: self._describe,
            do.Declare: self._declare,
            do.Vouch: lambda e: self.swim.vouch(e.name, e.seconds, e.why, host.time()),  # type: ignore[attr-defined]
            do.Isolate: lambda e: self.swim.isolate(e.isolated, host.time()),  # type: ignore[attr-defined]
            do.Join: lambda e: self.swim.join(e.endpoints, host.time()),
            do.Resolve: lambda _: None,  # everybody is named by address here
            do.Hold: lambda e: self.lifelines.update(e.peers),
            do.Probe: self._probe,
            do.Listen: self._listen,
            do.AskHosts: self._ask_hosts,
            do.Deliver: self._deliver,
            do.AskProxy: self._ask_proxy,
            do.Teach: lambda _: None,  # the kernel answers whoever has sent
            do.Follow: self._follow,
            do.Happened: lambda e: self._happened(e.event),
        }

    def _answer(self, effect: do.Answer) -> None:
        self.announcements = dict(effect.announcements)
        self.answering = frozenset(
            address for address, told in self.announcements.items() if told.allows(self.host.link().name)
        )
        virtual = [told.mac for told in self.announcements.values() if told.mac is not None]
        self.host.port.macs[1:] = sorted(set(virtual))
        self.host.answers_changed()

    def _announce(self, effect: do.Announce) -> None:
        """Send a round of gratuitous ARP: a burst, heard or lost as one."""
        by_mac: dict[bytes, list[Claim]] = {}
        for address in effect.addresses:
            if address in self.answering:
                mac = self.announcements[address].mac or self.host.mac
                by_mac.setdefault(mac, []).append(Claim(address, mac, gratuitous=True))
        for mac, claims in by_mac.items():
            self.host.broadcast_claims(mac, tuple(claims))

    def _correct(self, effect: do.Correct) -> None:
        for sighting in effect.sightings:
            if sighting.vip in self.answering:
                mac = self.announcements[sighting.vip].mac or self.host.mac
                told = tuple(Claim(sighting.vip, mac, gratuitous=each) for each in (True, False))
                self.host.tell(sighting.mac, mac, told)

    def _ask(self, effect: do.Ask) -> None:
        for address in effect.addresses:
            self.host.broadcast_question(address)

    def _describe(self, effect: do.Describe) -> None:
        self.metadata = effect.metadata
        self.swim.set_meta(encode(effect.metadata), self.host.time())

    def _declare(self, effect: do.Declare) -> None:
        now, ground = self.host.time(), effect.ground
        self._roster.note(ground, self.swim.members, now)
        others = [
            name for name, member in self.swim.members.items() if member.live and name != self.host.name
        ]
        self.swim.tell(others[:_TOLD], codec.encode(ground), now)
        self.swim.declare_dead(ground.subject, ground.evidence, now)

    def _probe(self, effect: do.Probe) -> None:
        target = effect.target
        self.host.ask(target.address, target.mac, self.answered)

    def _listen(self, effect: do.Listen) -> None:
        self._listened = frozenset((target.link, target.address) for target in effect.targets)

    def _ask_hosts(self, effect: do.AskHosts) -> None:
        asked = [*self.host.kernel.neighbours, *effect.hosts]
        for address, mac in asked[:_HOSTS_ASKED]:
            self.host.ask(address, mac, lambda claim: self.answered(claim, asked=True))

    def _deliver(self, effect: do.Deliver) -> None:
        low, high = _DELIVERY
        self._clock.after(
            low + (high - low) * self._chance.random(), partial(self._delivered, effect.addresses)
        )

    def _delivered(self, wanted: frozenset[IPAddress]) -> None:
        if self.ended:
            return
        self._wanted = wanted
        self.tell_delivery()

    def tell_delivery(self) -> None:
        """Give the host the addresses that are wanted, and tell the decider which could be had."""
        kernel = self.host.kernel
        refused = {each: "in use elsewhere" for each in self._wanted if kernel.refused.get(each)}
        kernel.delivered = ready = self._wanted - refused.keys()
        self.take(Queue.EVENTS, lambda now: self.decider.delivered(ready, refused, now))

    def _ask_proxy(self, effect: do.AskProxy) -> None:
        low, high = _PROXY
        service: Service = effect.service
        self._clock.after(
            low + (high - low) * self._chance.random(),
            lambda: self.take(Queue.EVENTS, partial(self.decider.proxied, service.name)),
        )

    def _follow(self, effect: do.Follow) -> None:
        self.host.kernel.followed = effect.addresses

    def _happened(self, event: Event) -> None:
        self.host.note(event.what.value, event.text)


def _allowed(desired: DesiredState, name: str) -> set[IPAddress]:
    return {
        address
        for service in desired.services
        if any(each.covers(name, {}) for each in service.advertisements)
        and (service.endpoint_nodes is None or name in service.endpoint_nodes)
        for address in service.addresses
    }
