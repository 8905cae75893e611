"""A network in virtual time for a node's machines: loss, delay, partitions, frozen and killed hosts; seeded.

Each host has the machines that a speaker has, SWIM and the witness, driven as asyncio drives them there.
Times are seconds on one virtual clock; the same seed gives the same run.
"""

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from roost.decide.witnessing.duties import duties, nearer
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint, SendDatagram
from roost.protocols.memberlist.messages import CURRENT_VERSIONS, NodeState, PushPull, Status
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.protocols.memberlist.swim import Fault, MemberChanged, OpenExchange, Swim, SwimConfig, UserData
from roost.protocols.witness.budget import ARP_RATE, Budget
from roost.protocols.witness.effects import AskLan, Declare, Probe, Tell
from roost.protocols.witness.machine import Witness
from roost.protocols.witness.timing import Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import decode, encode
from roost.protocols.words.statement import Statement

__all__ = ["Host", "Network"]

_SOCKET_BUFFER: Final = 200  # datagrams that wait for a frozen host
_FIRST: Final = IPv4Address("198.18.0.1")
_REJOIN: Final = 0.2  # seconds between two looks for lost members, as on the wire


@dataclass
class Host:
    """One machine and what happens to it; without a `witness` SWIM alone finds the dead."""

    name: str
    endpoint: Endpoint
    swim: Swim
    witness: Witness | None = None
    running: bool = True
    frozen: bool = False
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    changes: list[tuple[float, MemberChanged]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    planned: float | None = None
    planned_witness: float | None = None
    clock: float = 0.0  # seconds that its witness's clock is ahead: hosts share none
    arp_times: deque[float] = field(default_factory=deque)  # of the last second on its port
    arp_most: int = 0  # ARP packets within a second
    shut: bool = False  # its port, for more ARP than the switch allows
    lost: dict[str, Endpoint] = field(default_factory=dict)  # longer than SWIM remembers its dead

    @property
    def active(self) -> set[str]:
        """The members that this host holds for alive or suspect, itself included."""
        return {name for name, member in self.swim.members.items() if member.live}

    def sees(self, name: str) -> Status | None:
        """Return in which status this host holds a member, or None."""
        member = self.swim.members.get(name)
        return member.status if member else None


class Network:
    """Hosts n1, n2, ... on one segment. `delay`: one-way; `lateness`: of wakes; both spans in seconds.

    `udp_loss` is the share of packets lost, each way. `witnesses`: the timing of theirs, or none, who may use
    `arp_rate` ARP packets/second and port (None: any number).
    """

    def __init__(
        self,
        seed: int,
        profile: str | Profile = "default",
        *,
        hosts: int = 0,
        delay: tuple[float, float] = (0.0001, 0.001),
        lateness: tuple[float, float] = (0.0, 0.002),
        udp_loss: float = 0.0,
        witnesses: Timing | None = None,
        arp_rate: float | None = ARP_RATE,
    ) -> None:
        self.now = 1000.0
        self.profile = PROFILES[profile] if isinstance(profile, str) else profile
        self.udp_loss = udp_loss
        self.hosts: dict[str, Host] = {}
        self.duplicated = 0.0  # share of datagrams that arrive twice
        self.datagrams = 0
        self.probes = 0  # of witnesses
        self.arp_proxy = False  # the fabric answers ARP for whoever it has ever seen
        self.arp_limit: int | None = None  # packets/second from one port, after which the switch shuts it
        self.arp_only: set[str] = set()  # hosts whose kernels do not answer ICMP echo
        self._arp_rate = arp_rate
        self._timing = witnesses
        self._random = random.Random(seed)  # noqa: S311 - a simulation
        self._delay = delay
        self._lateness = lateness
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._by_endpoint: dict[Endpoint, Host] = {}
        self._group: dict[str, int] = {}
        self._blocked: set[tuple[str, str]] = set()
        for _ in range(hosts):
            self.add()

    def add(self, name: str = "", *, meta: bytes = b"") -> Host:
        """Start a host; one of the same name as a killed one replaces it at its address."""
        name = name or f"n{len(self.hosts) + 1}"
        old = self.hosts.get(name)
        endpoint = old.endpoint if old else Endpoint(str(_FIRST + len(self.hosts)), 7946)
        randomness = random.Random(self._random.random())  # noqa: S311 - a simulation
        codec = PacketCodec(compress=False, random=randomness)
        host = Host(name, endpoint, Swim(SwimConfig(name, endpoint, meta, self.profile), codec, randomness))
        if self._timing is not None:
            host.clock = randomness.uniform(0.0, 100.0)
            host.witness = Witness(name, self._timing, Budget(self._arp_rate))
        self.hosts[name] = self._by_endpoint[endpoint] = host
        host.swim.start(self.now)
        self._pump(host)
        return host

    def acquaint_all(self) -> None:
        """Let every host know every other as after a long time together; quicker than joining a thousand."""
        states = tuple(
            NodeState(
                host.name,
                IPv4Address(host.endpoint.host).packed,
                host.endpoint.port,
                b"",
                1,
                Status.ALIVE,
                CURRENT_VERSIONS,
            )
            for host in self.hosts.values()
        )
        for host in self.hosts.values():
            host.swim.acquaint(PushPull(states, b"", join=False), self.now)
            self._pump(host)
            self._watch(host)

    def look_for_the_lost(self) -> None:
        """From now on let hosts join again whoever they lost and can reach, as speakers do on the wire."""
        for host in self.hosts.values():
            reachable = [
                lost for lost in host.lost.values() if self._reachable(host, self._by_endpoint[lost])
            ]
            if reachable:
                self._act(host, partial(host.swim.join, reachable[:1], self.now))
        self._at(self.now + _REJOIN, self.look_for_the_lost)

    def join_all(self) -> None:
        """Let every host join the first."""
        first, *others = self.hosts.values()
        for host in others:
            self.join(host, first)

    def join(self, host: Host, *targets: Host) -> None:
        """Let a host exchange states with others."""
        self._act(host, lambda: host.swim.join([target.endpoint for target in targets], self.now))

    def leave(self, host: Host) -> None:
        """Let a host leave politely."""
        self._act(host, lambda: host.swim.leave(self.now))

    def set_meta(self, host: Host, meta: bytes) -> None:
        """Give a host other metadata."""
        self._act(host, lambda: host.swim.set_meta(meta, self.now))

    def kill(self, host: Host) -> None:
        """Stop a host for good; nobody is told."""
        host.running = False

    def freeze(self, host: Host, seconds: float) -> None:
        """Stop a host's process as SIGSTOP does; its socket keeps some datagrams."""
        host.frozen = True
        self._at(self.now + seconds, lambda: self._thaw(host))

    def freeze_at(self, when: float, host: Host, seconds: float) -> None:
        """Freeze a host later."""
        self._at(when, lambda: self.freeze(host, seconds))

    def partition(self, *groups: Iterable[Host]) -> None:
        """Let only the members of one group hear each other; no group heals everything."""
        self._blocked.clear()
        self._group = {host.name: number for number, group in enumerate(groups) for host in group}

    def mute(self, host: Host) -> None:
        """Lose whatever a host sends, while it hears everything, until the next partition."""
        self._blocked |= {(host.name, other) for other in self.hosts}

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, reached: Callable[[], bool], limit: float) -> float | None:
        """Run until `reached` and return the seconds that took, or None after `limit` of them."""
        start = self.now
        while not reached():
            if not self._events or self._events[0][0] > start + limit:
                self.now = start + limit
                return None
            self.now, _, action = heapq.heappop(self._events)
            action()
        return self.now - start

    def agreed(self, status: Status = Status.ALIVE, *, about: Host | None = None) -> bool:
        """Tell whether every running host sees every other running one, or `about`, in `status`."""
        running = [host for host in self.hosts.values() if host.running]
        subjects = [about] if about else running
        return all(
            host.sees(subject.name) is status for host in running for subject in subjects if host is not about
        )

    def settle(self, limit: float = 30.0) -> float:
        """Join everybody and return the seconds until all know all."""
        self.join_all()
        took = self.run_until(self.agreed, limit)
        assert took is not None, "did not converge"  # noqa: S101 - a bug of the machines
        return took

    def changes(self, kind: str, since: float = 0.0) -> list[str]:
        """Return who reported a change of that kind about whom."""
        return [
            f"{host.name}: {change.member.name}"
            for host in self.hosts.values()
            for time, change in host.changes
            if change.kind == kind and time >= since
        ]

    def _at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._serial), action))

    def _act(self, host: Host, action: Callable[[], None]) -> None:
        """Let something happen at a host: at once, after its thaw, or never."""
        if not host.running:
            return
        if host.frozen:
            if len(host.waiting) < _SOCKET_BUFFER:
                host.waiting.append(action)
            return
        action()
        self._pump(host)

    def _thaw(self, host: Host) -> None:
        host.frozen = False
        waiting = list(host.waiting)
        host.waiting.clear()
        actions = [*waiting, lambda: host.swim.wake(self.now)]
        if self._random.random() < 0.5:
            actions.reverse()  # the loop may look at its timers first, and UDP is unordered anyway
        for action in actions:
            self._act(host, action)

    def _pump(self, host: Host) -> None:
        changed = False
        for effect in host.swim.effects():
            match effect:
                case SendDatagram():
                    self._send(host, effect)
                case OpenExchange():
                    self._exchange(host, effect)
                case MemberChanged():
                    host.changes.append((self.now, effect))
                    self._remember(host, effect)
                    changed = True
                case UserData(payload):
                    self._hear(host, payload)
                case Fault():
                    host.faults.append(effect)
        if changed:
            self._watch(host)
        due = host.swim.next_wake()
        if due is not None and (host.planned is None or due < host.planned):
            host.planned = due
            self._at(
                max(due, self.now) + self._random.uniform(*self._lateness), lambda: self._wake(host, due)
            )

    def _remember(self, host: Host, change: MemberChanged) -> None:
        if change.kind == "dead":
            host.lost[change.member.name] = change.member.endpoint
        elif change.kind in ("join", "alive", "leave"):
            host.lost.pop(change.member.name, None)

    def _watch(self, host: Host) -> None:
        """Let the host's witness follow who is there, as a speaker does on every change."""
        if host.witness is not None:
            watched = duties(host.name, host.active)
            followed = {name for name, witnesses in nearer(watched).items() if witnesses}
            host.witness.watch(watched, self.now + host.clock, followed)
            self._pump_witness(host)

    def _hear(self, host: Host, payload: bytes) -> None:
        with suppress(PacketError):
            match decode(payload):
                case Statement() as statement if host.witness is not None:
                    host.witness.receive(statement, self.now + host.clock)
                    self._pump_witness(host)

    def _pump_witness(self, host: Host) -> None:
        witness = host.witness
        assert witness is not None  # noqa: S101 - asked for only where there is one
        for effect in witness.effects():
            match effect:
                case Probe(subject, kind):
                    self._probe(host, witness, self.hosts.get(subject), kind)
                case AskLan(kind, hosts):
                    self._ask_lan(host, witness, kind, hosts)
                case Tell(to, word):
                    host.swim.tell(sorted(to), encode(word), self.now)
                case Declare(subject, evidence):
                    host.swim.declare_dead(subject, evidence, self.now)
        wanted = witness.next_wake()
        due = None if wanted is None else wanted - host.clock
        if due is not None and (host.planned_witness is None or due < host.planned_witness):
            host.planned_witness = due
            late = self._random.uniform(*self._lateness)
            self._at(max(due, self.now) + late, lambda: self._wake_witness(host, due))

    def _probe(self, host: Host, witness: Witness, target: Host | None, kind: ProbeKind) -> None:
        """Ask a host's kernel, which answers as long as the host runs, whatever its process does."""
        self.probes += 1
        if kind is ProbeKind.ARP:
            self._spend_arp(host)
        elif target is not None and target.name in self.arp_only:
            return
        lost = self._random.random() < self.udp_loss or self._random.random() < self.udp_loss
        if target is None or lost:
            return
        at = self.now + self._random.uniform(*self._delay) + self._random.uniform(*self._delay)
        alive = self._reachable(host, target) and self._reachable(target, host)
        if alive and kind is ProbeKind.ARP and not self.arp_proxy:
            self._spend_arp(target)
        if alive or (kind is ProbeKind.ARP and self.arp_proxy and not host.shut):
            self._at(
                at, lambda: self._act(host, lambda: witness.answered(target.name, at + host.clock, kind))
            )

    def _spend_arp(self, host: Host) -> None:
        """Count an ARP packet that a host sends; the switch shuts a port that sends too many in a second."""
        host.arp_times.append(self.now)
        while host.arp_times[0] <= self.now - 1.0:
            host.arp_times.popleft()
        host.arp_most = max(host.arp_most, len(host.arp_times))
        if self.arp_limit is not None and len(host.arp_times) > self.arp_limit:
            host.shut = True

    def _ask_lan(self, host: Host, witness: Witness, kind: ProbeKind, hosts: int) -> None:
        """Somebody on the larger side of a split answers whoever is on that side, too."""
        for _ in range(hosts if kind is ProbeKind.ARP else 0):
            self._spend_arp(host)
        sizes = Counter(self._group.get(name) for name, each in self.hosts.items() if each.running)
        muted = host.shut or any(source == host.name for source, _ in self._blocked)
        larger = sizes and self._group.get(host.name) == sizes.most_common(1)[0][0]
        if not muted and (larger or (kind is ProbeKind.ARP and self.arp_proxy)):
            at = self.now + 2 * self._random.uniform(*self._delay)
            self._at(at, lambda: self._act(host, lambda: witness.lan_answered(at + host.clock, kind)))

    def _wake_witness(self, host: Host, planned: float) -> None:
        witness = host.witness
        if witness is None or host.planned_witness != planned:
            return
        host.planned_witness = None

        def wake() -> None:
            witness.wake(self.now + host.clock)
            self._pump_witness(host)

        self._act(host, wake)

    def _wake(self, host: Host, planned: float) -> None:
        if host.planned == planned:
            host.planned = None
            self._act(host, lambda: host.swim.wake(self.now))

    def _reachable(self, source: Host, target: Host | None) -> bool:
        return (
            target is not None
            and target.running
            and not source.shut
            and not target.shut
            and self._group.get(source.name) == self._group.get(target.name)
            and (source.name, target.name) not in self._blocked
        )

    def _send(self, host: Host, effect: SendDatagram) -> None:
        self.datagrams += 1
        target = self._by_endpoint.get(effect.target)
        if target is None or self._random.random() < self.udp_loss or not self._reachable(host, target):
            return
        twice = self.duplicated > 0 and self._random.random() < self.duplicated
        for _ in range(1 + twice):
            self._at(
                self.now + self._random.uniform(*self._delay),
                lambda: self._act(target, lambda: target.swim.receive(effect.data, host.endpoint, self.now)),
            )

    def _exchange(self, host: Host, effect: OpenExchange) -> None:
        """Carry request and reply, three delays each way; silence ends at the deadline."""
        target = self._by_endpoint.get(effect.target)
        answered = False

        def fail() -> None:
            if not answered:
                self._act(host, lambda: host.swim.exchange_failed(effect.id, "timed out", self.now))

        def serve() -> None:
            assert target is not None  # noqa: S101 - it was reachable
            reply = target.swim.serve(effect.request, host.endpoint, self.now)
            if reply is not None:
                self._at(self.now + 3 * self._random.uniform(*self._delay), lambda: self._act(host, answer))

            def answer() -> None:
                nonlocal answered
                assert reply is not None  # noqa: S101 - it was given
                if not answered and self.now <= effect.deadline and self._reachable(target, host):
                    answered = True
                    host.swim.exchange_answered(effect.id, reply, self.now)

        def connect() -> None:
            if target is not None and self._reachable(host, target):
                self._act(target, serve)

        self._at(self.now + 3 * self._random.uniform(*self._delay), connect)
        self._at(effect.deadline, fail)
