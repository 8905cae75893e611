"""A simulated host: power, a kernel, a port, and at most one process at a time.

The kernel answers for the host's own address and delivers packets as long as the host is not paused, whatever
becomes of the process. Faults are counted, because they overlap; times are virtual but `time()`, which is the
host's own monotonic scale.
"""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Interface
from typing import Final

from roost.decide.effects import PassOn, SendAdvert
from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.model.service import DesiredState
from roost.protocols.machine import Endpoint
from roost.protocols.vrrp.packet import HOPS
from roost.protocols.words.sightings import Sighting
from roost.simulator.addresses import lan_address
from roost.simulator.clock import Clock
from roost.simulator.inbox import Queue
from roost.simulator.kernel import Kernel
from roost.simulator.lan import Claim, Lan, Port, Question
from roost.simulator.process import Process
from roost.simulator.seams import MakeDecider, NodeFacts
from roost.simulator.spreading import Spreading

__all__ = ["Host", "Surroundings"]

_PORT: Final = 7946
_PREFIX: Final = 24
_BOOT: Final = (1.0, 1.5)  # seconds that a Python process takes to start
_NETLINK: Final = 0.005  # seconds until the process hears of its links
_POLL: Final = 0.05  # seconds between two looks whether a leaving process is done
_QUIET: Final = 1.0  # seconds without packets after which it ends
_GRACE: Final = 10.0  # seconds after which it ends anyway


@dataclass(slots=True)
class Surroundings:
    """What hosts share: time, the LAN, each other, and who is told what happened.

    `note` takes who, what, and words for people; `declared` who says of whom that it is gone, `claimed` who
    tells everybody that it has which addresses.
    """

    clock: Clock
    lan: Lan
    make: MakeDecider
    profile: str
    note: Callable[[str, str, str], None]
    answers_changed: Callable[[], None]
    declared: Callable[[str, str], None]
    claimed: Callable[[str, Collection[IPAddress]], None]
    hosts: dict[Endpoint, "Host"] = field(default_factory=dict)


class Host:
    """Node `name`. `number` gives it its addresses, `offset` is its monotonic time less the virtual one."""

    def __init__(
        self,
        around: Surroundings,
        name: str,
        number: int,
        *,
        switch: int,
        offset: float,
        chance: random.Random,
    ) -> None:
        self.name = name
        self.mac = bytes((2, 0, 0, 0, 0, number))
        self.address: IPAddress = lan_address(f"198.18.0.{number}")
        self.endpoint = Endpoint(str(self.address), _PORT)
        self.clock = around.clock
        self.port = around.lan.attach(self, self.mac, switch)
        self.kernel = Kernel(around.clock, self._stragglers)
        self.process: Process | None = None
        self.desired = DesiredState()
        self.offset = offset
        self.epoch = 0  # processes that have ended here
        self.began = 0.0  # when the process did, virtual time
        self.lateness = 0.0  # seconds that a slow interpreter is busy at a time, at most
        self.frozen = self.paused = self.stopped = self.blinded = 0  # faults that say so
        self.gossip_mute = self.gossip_deaf = 0
        self.sick: set[str] = set()  # services whose check fails here
        self.reach: dict[str, str] = {}  # services -> which backends it reaches: none, one or (as else) all
        self.slow: list[float] = []
        self.join: tuple[Endpoint, ...] = ()
        self._link = Link(
            index=2,
            name="eth0",
            mac=self.mac,
            up=True,
            carrier=True,
            broadcast=True,
            no_arp=False,
            loopback=False,
            addresses=(IPv4Interface(f"{self.address}/{_PREFIX}"),),
        )
        self._unplugged = replace(self._link, carrier=False)
        self._around = around
        self._lan = around.lan
        self._chance = chance
        self._booting = False
        self._boots_late = False  # the process would have started while the host stood still
        self._last: Process | None = None  # that has ended
        self._paused_at = 0.0
        self._stops_clock = False
        around.hosts[self.endpoint] = self

    # -- what others see ---------------------------------------------------------------------------

    @property
    def awake(self) -> bool:
        """Whether the kernel runs."""
        return not self.paused

    @property
    def runs(self) -> bool:
        """Whether the process gets to run."""
        return not (self.frozen or self.paused)

    @property
    def untouched(self) -> bool:
        """Whether no fault concerns this host, its process or its port."""
        port, process = self.port, self.process
        calm = not (self.lateness or self.gossip_mute or self.gossip_deaf or port.loss or port.delay)
        present = process is not None and not process.leaving and self.runs
        return present and calm and port.sends and port.hears

    @property
    def listening(self) -> bool:
        """Whether a process has the gossip port open."""
        return self.process is not None

    def time(self) -> float:
        """Return the host's own monotonic time."""
        return self.clock.now + self.offset

    def find(self, endpoint: Endpoint) -> "Host | None":
        """Return the host at a gossip endpoint."""
        return self._around.hosts.get(endpoint)

    def link(self) -> Link:
        """Return the host's one link as it is now."""
        return self._unplugged if self.port.down else self._link

    def flight(self, other: "Host") -> float:
        """Return the seconds that a packet takes to another host."""
        return self._lan.flight(self.port, other.port)

    def passes(self, other: "Host") -> bool:
        """Tell whether gossip gets to another host and back, losses aside."""
        blocked = self.gossip_mute or self.gossip_deaf or other.gossip_mute or other.gossip_deaf
        return not blocked and self._is_connected(other)

    def passes_frames(self, other: "Host") -> bool:
        """Tell whether frames of gossip get to another host and back, losses aside."""
        return self._lan.passes_gossip and self._is_connected(other)

    def _is_connected(self, other: "Host") -> bool:
        """Tell whether both hosts run, and the LAN is whole between them."""
        return not (self.paused or other.paused) and self._lan.connected(self.port, other.port)

    def answers_changed(self) -> None:
        """Tell that this host may answer for other addresses from now on."""
        self._around.answers_changed()

    def declared(self, subject: str) -> None:
        """Tell that this node declares another one gone."""
        self._around.declared(self.name, subject)

    def note(self, what: str, text: str) -> None:
        """Tell what happened here."""
        self._around.note(self.name, what, text)

    # -- the process's life ------------------------------------------------------------------------

    def boot(self, seconds: float | None = None) -> None:
        """Start a process, unless something keeps it from running; it takes its time, or `seconds`."""
        if self.process is not None or self._booting or self.stopped:
            return
        low, high = _BOOT
        self._booting = True
        self.clock.after(
            low + (high - low) * self._chance.random() if seconds is None else seconds, self._booted
        )

    def kill(self) -> None:
        """End the process at once; its kernel closes what it held."""
        process, self.process = self.process, None
        if process is None:
            return
        self._last = process
        self.kernel.pass_on(PassOn({}))  # it goes with the process
        self.kernel.spreading = Spreading()
        self.epoch += 1
        process.end()
        self.answers_changed()
        self.port.macs[1:] = []
        self.kernel.followed = frozenset()
        for other in self._around.hosts.values():
            if other.process is not None:
                other.process.lifelines.ended(self)

    def terminate(self) -> None:
        """Ask the process to hand over and to leave."""
        if self.process is not None and self.process.leaving is None:
            self.process.leave()
            self.clock.after(_POLL, partial(self._look_at_leaver, self.process))

    def pause(self, *, stops_clock: bool) -> None:
        """Let the whole host stand still; its monotonic clock may not count that, as a guest's does not."""
        self.paused += 1
        if self.paused == 1:
            self._paused_at, self._stops_clock = self.clock.now, stops_clock

    def go_on(self) -> None:
        """End one pause."""
        self.paused -= 1
        if self.paused:
            return
        if self._stops_clock:
            self.offset -= self.clock.now - self._paused_at
        self.resume()

    def freeze(self, by: int) -> None:
        """Let the process stand still once more, or once less."""
        self.frozen += by
        self.resume()

    def resume(self) -> None:
        """Let the process go on where it stood still, if it runs now."""
        if self.process is not None:
            self.process.resume()
        elif self._boots_late and self.runs:
            self._booted()

    def wish(self, node: str, *, wish: bool) -> None:
        """Let an operator here ask `node` to drain, or to do so no more."""
        if self.process is not None:
            self.process.take(Queue.EVENTS, partial(self.process.decider.wish, node, wish))

    def want(self, desired: DesiredState, why: str) -> None:
        """Give this node another configuration, if it hears of changes."""
        self.desired = desired
        if self.process is not None and not self.blinded:
            self.process.take(Queue.EVENTS, lambda now: self._decider_wants(desired, why, now))

    def feel(self, service: str, *, sick: bool) -> None:
        """Let the check of a service fail from now on, or be well."""
        if sick:
            self.sick.add(service)
        else:
            self.sick.discard(service)
        if self.process is not None:
            self.process.hands.look_at_checks()

    def trouble(self, *, troubled: bool) -> None:
        """Let the source of services fail, or work again."""
        process = self.process
        if process is None:
            return
        process.take(Queue.EVENTS, partial(process.decider.source_trouble, troubled))
        if not troubled:
            self.want(self.desired, "the source is back")

    def links_changed(self) -> None:
        """Let the process hear of the carrier, a moment later."""
        if self.port.down:
            self._lan.forget(self.port)
        process = self.process
        if process is not None:
            self.clock.after(
                _NETLINK,
                lambda: process.take(
                    Queue.EVENTS, lambda now: process.decider.set_links((self.link(),), now)
                ),
            )

    def _booted(self) -> None:
        self._boots_late = not self.runs
        if self._boots_late:
            return  # what stands still starts nothing
        self._booting = False
        if self.stopped or self.process is not None:
            return
        self.began = self.clock.now
        facts = NodeFacts(self.name, self._around.profile, self.endpoint, self.join)
        self.process = Process(self, facts, self._around.make, self._chance)
        self.process.start(self.desired, troubled=bool(self.blinded))
        self.note("started", "")

    def _decider_wants(self, desired: DesiredState, why: str, now: float) -> None:
        if self.process is not None:
            self.process.desired = desired
            self.process.decider.want(desired, frozenset(), why, now)
            self.process.backends.want(now)
            self.process.hands.tell_delivery()

    def _look_at_leaver(self, process: Process, over: float | None = None) -> None:
        """End a process that leaves, once nothing has come for a while since its handover was `over`."""
        if process is not self.process:
            return
        since = self.clock.now - (process.leaving or 0.0)
        if process.has_handed_over() and over is None:
            over = self.clock.now
        quiet = over is not None and self.clock.now - max(self.kernel.last_packet, over) >= _QUIET
        if self.runs and (quiet or since >= _GRACE):
            lingering = process.decider.lingering(self.time())
            self.kernel.delivered = frozenset(lingering)
            if lingering:
                self.clock.after(max(lingering.values()), partial(self._let_go, process))
            self.kill()
            self.note("ended", "")
        else:
            self.clock.after(_POLL, partial(self._look_at_leaver, process, over))

    def _let_go(self, process: Process) -> None:
        """Let the kernel end what has outlived `process`, unless another one has taken it over."""
        if self.process is None and not self._booting and self._last is process:
            self.kernel.delivered = frozenset()

    def _stragglers(self, packets: int, seen: tuple[Sighting, ...]) -> None:
        if self.process is not None:
            self.process.take(Queue.EVENTS, partial(self.process.decider.stragglers, packets, seen))

    # -- frames --------------------------------------------------------------------------------------

    def hear_question(self, question: Question) -> None:
        """Take an ARP request: the kernel's for the host's own address, and where it has the responder."""
        if self.paused:
            return
        if question.target == self.address:
            self.reply(Claim(self.address, self.mac, gratuitous=False), question)
        elif self.process is not None:
            if not self.process.hands.is_left_to_the_process(question):
                self.process.hands.reply(question)
            self.process.ask(question)

    def hear_claims(self, claims: tuple[Claim, ...], *, broadcast: bool) -> None:
        """Take claims for service addresses."""
        if self.process is not None and not self.paused:
            self.process.take(Queue.FRAMES, partial(self.process.claims, claims, broadcast))

    def send_advert(self, advert: SendAdvert) -> None:
        """Send a VRRP packet to everybody, as a switch floods what is for the group."""
        mac = advert.mac or self.mac
        received = Received(self._link.index, advert.source, advert.destination, HOPS, advert.data, mac)
        for port in self._lan.broadcast(self.port, mac):
            self._reach(port, partial(port.station.hear_advert, received))

    def hear_advert(self, received: Received) -> None:
        """Take a VRRP packet."""
        if self.process is not None and not self.paused:
            self.process.take(Queue.FRAMES, partial(self.process.decider.advert, received))

    def reply(self, claim: Claim, question: Question) -> None:
        """Answer a question by unicast."""
        if self._lan.unicast(self.port, claim.mac, question.mac) is question.port:
            when = self.clock.now + self._lan.flight(self.port, question.port)
            take = question.port.take
            self.clock.at(
                when, partial(take, partial(question.port.station.hear_claims, (claim,), broadcast=False))
            )
            if question.answered is not None:
                self.clock.at(when, partial(take, partial(question.answered, claim)))

    def tell(self, to: bytes, source: bytes, claims: tuple[Claim, ...]) -> None:
        """Send claims to one station."""
        port = self._lan.unicast(self.port, source, to)
        if port is not None:
            self._reach(port, partial(port.station.hear_claims, claims, broadcast=False))

    def broadcast_claims(self, source: bytes, claims: tuple[Claim, ...]) -> None:
        """Send claims to everybody."""
        ports = self._lan.broadcast(self.port, source)
        for port in ports:
            self._reach(port, partial(port.station.hear_claims, claims, broadcast=True))
        if ports:
            self._around.claimed(self.name, [claim.address for claim in claims])

    def broadcast_question(self, address: IPAddress) -> None:
        """Ask everybody for an address without teaching anybody anything."""
        question = Question(address, None, self.mac, self.port)
        for port in self._lan.broadcast(self.port, self.mac):
            self._reach(port, partial(port.station.hear_question, question))

    def ask(self, address: IPAddress, mac: bytes, answered: Callable[[Claim], None]) -> None:
        """Ask the station at `mac` for an address; a kernel's answer, and only a kernel's, goes there."""
        port = self._lan.unicast(self.port, self.mac, mac)
        if port is None:
            return
        station = port.station
        if address != station.address:
            question = Question(address, None, self.mac, self.port, answered, direct=True)
            self._reach(port, partial(station.hear_question, question))
        elif station.awake and self._lan.unicast(port, mac, self.mac) is self.port:
            claim = Claim(address, mac, gratuitous=False)
            when = self._lan.round_trip(self.port, port)
            self.clock.after(when, partial(self.port.take, partial(answered, claim)))

    def _reach(self, port: Port, hear: Callable[[], None]) -> None:
        """Let the station at `port` hear what it is sent, after the flight."""
        self.clock.after(self._lan.flight(self.port, port), partial(port.take, hear))

    # -- gossip --------------------------------------------------------------------------------------

    def send_datagram(self, target: Endpoint, data: bytes) -> None:
        """Send a datagram of gossip."""
        other = self.find(target)
        if other is None or self.gossip_mute or other.gossip_deaf or self.paused:
            return
        if not self._gets_to(other):
            return
        hear = partial(other.hear_datagram, data, self.endpoint)
        self._reach(other.port, hear)
        if other.port.doubled and self._chance.random() < other.port.doubled:
            self.clock.after(2 * self.flight(other), partial(other.port.take, hear))

    def send_frame(self, target: Endpoint, data: bytes) -> None:
        """Send a packet of gossip in a frame, which no firewall of a host sees."""
        other = self.find(target)
        if other is None or self.paused or not self._lan.passes_gossip:
            return
        if self._gets_to(other):
            self._reach(other.port, partial(other.hear_frame, data, self.endpoint))

    def _gets_to(self, other: "Host") -> bool:
        """Send a frame to another host's hardware address; tells whether it is that host which gets it."""
        return self._lan.unicast(self.port, self.mac, other.mac) is other.port

    def hear_frame(self, data: bytes, source: Endpoint) -> None:
        """Take a packet of gossip from a frame."""
        if self.process is not None and not self.paused:
            hear = partial(self.process.swim.receive, data, source, in_frame=True)
            self.process.take(Queue.BESIDE, hear)

    def hear_datagram(self, data: bytes, source: Endpoint) -> None:
        """Take a datagram of gossip."""
        if self.process is not None and not self.paused:
            self.process.take(Queue.GOSSIP, partial(self.process.swim.receive, data, source))
