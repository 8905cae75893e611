"""A network in virtual time for SWIM machines: loss, delay, partitions, frozen and killed hosts; seeded."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from roost.protocols.machine import Endpoint, SendDatagram
from roost.protocols.memberlist.messages import Status
from roost.protocols.memberlist.packet import PacketCodec
from roost.protocols.memberlist.profile import PROFILES, Profile
from roost.protocols.memberlist.swim import Fault, MemberChanged, OpenExchange, Swim, SwimConfig

SOCKET_BUFFER = 200  # datagrams that wait for a frozen host


@dataclass
class Host:
    """One machine and what happens to it."""

    name: str
    endpoint: Endpoint
    swim: Swim
    running: bool = True
    frozen: bool = False
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    changes: list[tuple[float, MemberChanged]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    planned: float | None = None

    def sees(self, name: str) -> Status | None:
        member = self.swim.members.get(name)
        return member.status if member else None


class Network:
    """Hosts n1, n2, ... on one segment. `delay`: one-way; `lateness`: of wakes; both spans in seconds."""

    def __init__(
        self,
        seed: int,
        profile: str | Profile = "default",
        *,
        hosts: int = 0,
        delay: tuple[float, float] = (0.0001, 0.001),
        lateness: tuple[float, float] = (0.0, 0.002),
        udp_loss: float = 0.0,
    ) -> None:
        self.now = 1000.0
        self.profile = PROFILES[profile] if isinstance(profile, str) else profile
        self.udp_loss = udp_loss
        self.hosts: dict[str, Host] = {}
        self.datagrams = 0
        self._random = random.Random(seed)
        self._delay = delay
        self._lateness = lateness
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._by_endpoint: dict[Endpoint, Host] = {}
        self._group: dict[str, int] = {}
        for _ in range(hosts):
            self.add()

    def add(self, name: str = "", *, meta: bytes = b"") -> Host:
        """Start a host; one of the same name as a killed one replaces it at its address."""
        name = name or f"n{len(self.hosts) + 1}"
        old = self.hosts.get(name)
        endpoint = old.endpoint if old else Endpoint(f"192.0.2.{len(self.hosts) + 1}", 7946)
        randomness = random.Random(self._random.random())
        codec = PacketCodec(compress=False, random=randomness)
        host = Host(name, endpoint, Swim(SwimConfig(name, endpoint, meta, self.profile), codec, randomness))
        self.hosts[name] = self._by_endpoint[endpoint] = host
        host.swim.start(self.now)
        self._pump(host)
        return host

    def join_all(self) -> None:
        """Let every host join the first."""
        first, *others = self.hosts.values()
        for host in others:
            self.join(host, first)

    def join(self, host: Host, *targets: Host) -> None:
        self._act(host, lambda: host.swim.join([target.endpoint for target in targets], self.now))

    def leave(self, host: Host) -> None:
        self._act(host, lambda: host.swim.leave(self.now))

    def set_meta(self, host: Host, meta: bytes) -> None:
        self._act(host, lambda: host.swim.set_meta(meta, self.now))

    def kill(self, host: Host) -> None:
        """Stop a host for good; nobody is told."""
        host.running = False

    def freeze(self, host: Host, seconds: float) -> None:
        """Stop a host's process as SIGSTOP does; its socket keeps some datagrams."""
        host.frozen = True
        self._at(self.now + seconds, lambda: self._thaw(host))

    def partition(self, *groups: Iterable[Host]) -> None:
        """Let only the members of one group hear each other; no group heals everything."""
        self._group = {host.name: number for number, group in enumerate(groups) for host in group}

    def run(self, seconds: float) -> None:
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
        assert took is not None, "did not converge"
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
            if len(host.waiting) < SOCKET_BUFFER:
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
        for effect in host.swim.effects():
            match effect:
                case SendDatagram():
                    self._send(host, effect)
                case OpenExchange():
                    self._exchange(host, effect)
                case MemberChanged():
                    host.changes.append((self.now, effect))
                case Fault():
                    host.faults.append(effect)
        due = host.swim.next_wake()
        if due is not None and (host.planned is None or due < host.planned):
            host.planned = due
            self._at(
                max(due, self.now) + self._random.uniform(*self._lateness), lambda: self._wake(host, due)
            )

    def _wake(self, host: Host, planned: float) -> None:
        if host.planned == planned:
            host.planned = None
            self._act(host, lambda: host.swim.wake(self.now))

    def _reachable(self, source: Host, target: Host | None) -> bool:
        return (
            target is not None
            and target.running
            and self._group.get(source.name) == self._group.get(target.name)
        )

    def _send(self, host: Host, effect: SendDatagram) -> None:
        self.datagrams += 1
        target = self._by_endpoint.get(effect.target)
        if target is None or self._random.random() < self.udp_loss or not self._reachable(host, target):
            return
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
            assert target is not None
            reply = target.swim.serve(effect.request, host.endpoint, self.now)
            if reply is not None:
                self._at(self.now + 3 * self._random.uniform(*self._delay), lambda: self._act(host, answer))

            def answer() -> None:
                nonlocal answered
                assert reply is not None
                if not answered and self.now <= effect.deadline and self._reachable(target, host):
                    answered = True
                    host.swim.exchange_answered(effect.id, reply, self.now)

        def connect() -> None:
            if target is not None and self._reachable(host, target):
                self._act(target, serve)

        self._at(self.now + 3 * self._random.uniform(*self._delay), connect)
        self._at(effect.deadline, fail)
