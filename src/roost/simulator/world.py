"""A simulated cluster with its LAN and clients, and what each kind of fault does to it.

Schedule -> World -> hosts, clients; faults begin and end when it says
"""

import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from roost.model.address import IPAddress
from roost.model.check import Check, Interface
from roost.model.service import Advertisement, DesiredState, Service
from roost.model.sharing import Sharing
from roost.model.virtual_router import VirtualRouter
from roost.simulator.backends import FORWARD
from roost.simulator.befalling import Befalling
from roost.simulator.client import PERIOD, Client
from roost.simulator.clock import START, Clock
from roost.simulator.connections import Connections
from roost.simulator.faults import Fault, Schedule, ServiceSpec
from roost.simulator.host import Host, Surroundings
from roost.simulator.lan import Lan
from roost.simulator.seams import MakeDecider

__all__ = ["Entry", "World"]

_PROXY_PORT: Final = 32_000
_TOGETHER: Final = 0.2  # seconds within which all hosts start
_DEAF: Final = 0.3  # share of clients that hear no broadcasts
_LATELY: Final = 2.0  # seconds for which a fault that is over counts: what it stopped takes as long to start


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record: when (seconds of the run), who, what, in words."""

    at: float
    who: str
    what: str
    text: str


class World:
    """The cluster of a schedule; `run_until` lets it live. With `record` it keeps what happened."""

    def __init__(self, schedule: Schedule, make: MakeDecider, *, record: bool = False) -> None:
        self.schedule = schedule
        self.clock = Clock()
        self.record: list[Entry] = []
        self.active = 0  # faults
        self.begun = 0
        self.last_fault = START  # when one began or ended last
        self._ends: deque[float] = deque()  # of faults that are over, as far as they count still
        self.on_answers: Callable[[], None] = lambda: None  # called when other addresses are answered for
        self.on_verdict: Callable[[str, str], None] = lambda *_: (
            None
        )  # gets who is declared gone, and by whom
        self.on_claims: Callable[[str, Collection[IPAddress]], None] = lambda *_: None  # gets who, and what
        self._recording = record
        self._seed = schedule.seed
        self.lan = Lan(schedule.switches, self._chance("lan"), passes_gossip=schedule.frames)
        around = Surroundings(
            self.clock,
            self.lan,
            make,
            schedule.profile,
            self._note,
            self._answers_changed,
            self._declared,
            self._claimed,
        )
        self.hosts = {name: self._host(around, name, at) for at, name in enumerate(schedule.names)}
        self.services = {spec.name: spec for spec in schedule.services}
        self.clients = [self._client(number) for number in range(schedule.clients)]
        self.offered = frozenset(spec.ip for spec in schedule.services)  # that no operator has taken away
        self._gone: dict[str, int] = dict.fromkeys(self.services, 0)  # faults that take a service away
        self._without: dict[tuple[str, str], int] = {}  # the same for one node's file
        self._befalling = Befalling(self)
        for host in self.hosts.values():
            host.join = tuple(other.endpoint for other in self.hosts.values() if other is not host)
            host.kernel.passed_on = frozenset(spec.ip for spec in schedule.services if spec.endpoints)
            host.kernel.counts = schedule.connections
            host.kernel.answers = schedule.kernel
            host.desired = self._desired(host.name)
            host.boot(_TOGETHER * self._chance(f"boot {host.name}").random())
        for fault in schedule.faults:
            self.clock.at(START + fault.at, partial(self._begin, fault))

    def time(self) -> float:
        """Return the seconds since the run began."""
        return self.clock.now - START

    def run_until(self, seconds: float) -> None:
        """Let the run be so many seconds old."""
        self.clock.run_until(START + seconds)

    @property
    def quiet(self) -> float:
        """Seconds without any fault, 0 while one is on."""
        return 0.0 if self.active else self.clock.now - self.last_fault

    @property
    def crowd(self) -> int:
        """How many faults are on, or were a moment ago."""
        while self._ends and self._ends[0] < self.clock.now - _LATELY:
            self._ends.popleft()
        return self.active + len(self._ends)

    # -- making ------------------------------------------------------------------------------------

    def _chance(self, purpose: str) -> random.Random:
        """Each part draws for itself: a fault more or less changes nothing elsewhere."""
        return random.Random(f"{self._seed} {purpose}")  # noqa: S311 - a simulation

    def _host(self, around: Surroundings, name: str, at: int) -> Host:
        chance = self._chance(name)
        offset = -START + 10_000 * chance.random()
        return Host(around, name, at + 1, switch=at % self.schedule.switches, offset=offset, chance=chance)

    def _client(self, number: int) -> Client:
        chance = self._chance(f"client {number}")
        client = Client(
            self.clock,
            self.lan,
            number + 1,
            switch=number % self.schedule.switches,
            deaf=chance.random() < _DEAF,
            confirming=chance.random() < 0.5,
            reachable=chance.uniform(3.0, 15.0),
            chance=chance,
            moved=self._client_moved,
        )
        if self.schedule.connections:
            client.connections = Connections(self.lan, client.port, client.address, client.mac)
        client.use(tuple(spec.ip for spec in self.services.values()))
        if number == 0:  # everybody's gateway
            for host in self.hosts.values():
                host.kernel.neighbours.append((client.address, client.mac))
        self.clock.after(1.0 + PERIOD * chance.random(), client.tick)
        return client

    def _desired(self, node: str) -> DesiredState:
        specs = [
            spec
            for spec in self.services.values()
            if not self._gone[spec.name] and not self._without.get((node, spec.name))
        ]
        rank = self.schedule.names.index(node)
        return DesiredState(
            tuple(_service(spec, rank) for spec in specs), ",".join(each.name for each in specs)
        )

    def observed(self, switch: int, address: IPAddress, asker: bytes, who: frozenset[str]) -> None:
        """Take note of who answers for an address now, as seen at a switch, by `asker` if that counts."""
        what = f"{address}/{asker[-1]}" if asker else str(address)
        self._note(f"switch {switch + 1}", "answers", f"{what} {' '.join(sorted(who)) or 'nobody'}")

    def _note(self, who: str, what: str, text: str) -> None:
        if self._recording:
            self.record.append(Entry(self.time(), who, what, text))

    def _answers_changed(self) -> None:
        self.on_answers()

    def _declared(self, accuser: str, subject: str) -> None:
        self.on_verdict(accuser, subject)

    def _claimed(self, name: str, addresses: Collection[IPAddress]) -> None:
        self.on_claims(name, addresses)

    def _client_moved(self, client: Client, address: IPAddress, who: str | None) -> None:
        self._note(client.name, "ping", f"{address} {who or 'nobody'}")

    # -- faults ------------------------------------------------------------------------------------

    def _begin(self, fault: Fault) -> None:
        self.begun += 1
        self.active += 1
        self.last_fault = self.clock.now
        self._note(fault.node or "LAN", "fault", fault.told())
        self._befalling.do(fault, 1)
        self.clock.after(fault.duration, partial(self._end, fault))

    def _end(self, fault: Fault) -> None:
        self.active -= 1
        self.last_fault = self.clock.now
        self._ends.append(self.clock.now)
        self._note(fault.node or "LAN", "healed", fault.kind)
        self._befalling.do(fault, -1)

    def give_files(self, lag: float) -> None:
        """Give every node the configuration that it ought to have now, some `lag` seconds later."""
        chance = self._chance(f"lag {self.clock.now}")
        for name, host in self.hosts.items():
            self.clock.after(lag * chance.random(), partial(self._give_file, name, host))

    def _give_file(self, name: str, host: Host) -> None:
        wanted = self._desired(name)
        if wanted != host.desired:
            host.want(wanted, "the configuration changed")

    def take_away(self, service: str, by: int) -> None:
        """Count a fault that takes a service away from all."""
        self._gone[service] += by
        self.offered = frozenset(spec.ip for name, spec in self.services.items() if not self._gone[name])

    def take_out(self, node: str, service: str, by: int) -> None:
        """Count a fault that takes a service out of one node's file."""
        self._without[node, service] = self._without.get((node, service), 0) + by


def _service(spec: ServiceSpec, rank: int) -> Service:
    """Return what the node of that rank wants, from 0."""
    router = VirtualRouter(spec.vrid, priority=200 - 20 * rank, interval=10, preempt=spec.vrid % 2 == 0)
    return Service(
        spec.name,
        (spec.ip,),
        (Advertisement("all", names=frozenset(spec.nodes)),),
        endpoint_nodes=frozenset(spec.endpoints) if spec.endpoints else None,
        deliver="external" if spec.endpoints else "forward" if spec.balanced else "local",
        forward=FORWARD if spec.balanced else None,
        health_port=_PROXY_PORT if spec.endpoints else 0,
        sharing=Sharing() if spec.shared else Sharing("connection") if spec.spread else None,
        track=(Check(Interface(spec.name)),) if spec.tracked else (),
        failback=spec.seconds,
        vrrp=router if spec.vrid else None,
    )
