"""Who gets the clients of balanced services, by what this node's own checks say; and whether it can serve.

    services, results of checks, links -> usable backends -> pools: whose slots  -> ruleset
                                                          -> quorum met, or not  -> fitness

A node that reaches too few backends is unfit to lead: one that reaches more does. Services that share a
gateway are led by one node, so they are fit or unfit together.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from roost.decide.forwarding.backends import BackendState, Key
from roost.decide.forwarding.ruleset import Ruleset, Shared
from roost.model.address import IPAddress
from roost.model.check import Result
from roost.model.event import Event, Happening, Level
from roost.model.fitness import FIT, Fitness
from roost.model.flow import TCP, UDP
from roost.model.forwarding import Backend, Forward, HealthCheck, Target, Virtual
from roost.model.link import Link, reaches
from roost.model.service import Service
from roost.model.slots import Slots, size_for

__all__ = ["Balancing", "Check", "Pools", "key_of", "ruleset_of"]

_FOUND: Final = 1.0  # seconds between two questions of a kernel for a neighbour that has not answered
_PROTOCOLS: Final = {"TCP": TCP, "UDP": UDP}


@dataclass(frozen=True, slots=True)
class Check:
    """How a backend is asked, and where."""

    how: HealthCheck
    target: Target


@dataclass(frozen=True, slots=True)
class Pool:
    """The clients of `virtuals` are shared out in `size` slots by these weights."""

    virtuals: tuple[Virtual, ...]
    weights: Mapping[Target, int]
    size: int


@dataclass(frozen=True, slots=True)
class Pools:
    """A ruleset before its slots are shared out, which takes longer than all else."""

    pools: tuple[Pool, ...]
    rest: Ruleset
    down: frozenset[tuple[Target, int]] = field(default_factory=frozenset)  # (target, protocol)


def ruleset_of(wanted: Pools, slots: Slots) -> Ruleset:
    """Share the slots out."""
    shared = tuple(
        Shared(pool.virtuals, owners)
        for pool in wanted.pools
        if (owners := slots.share(pool.virtuals[0], pool.weights, pool.size))
    )
    slots.keep(pool.virtuals[0] for pool in wanted.pools)
    rest = wanted.rest
    return Ruleset(shared, rest.back, rest.masqueraded, rest.held)


class Balancing:
    """Follows backends; `remembered` is which were up for a predecessor of this process.

    Times are seconds.
    """

    def __init__(self, remembered: Mapping[Key, bool] = MappingProxyType({})) -> None:
        self.states: dict[Key, BackendState] = {}
        self._remembered = dict(remembered)
        self._services: dict[str, tuple[Service, Forward]] = {}
        self._of: dict[str, list[BackendState]] = {}  # of a service, in its order
        self._links: tuple[Link, ...] = ()
        self._short: dict[str, str] = {}  # services whose quorum is not met -> how it is
        self._proven: set[str] = set()  # services that had a quorum of backends that had answered
        self._judged: set[str] = set()  # services all of whose backends had shown how they are
        # Services that had no usable backend -> since when they have one again (None: not yet).
        self._returning: dict[str, float | None] = {}

    @property
    def services(self) -> Collection[Service]:
        """The services that are balanced."""
        return [service for service, _ in self._services.values()]

    def want(self, services: Iterable[Service], now: float) -> list[Event]:
        """Balance exactly those of `services` that are forwarded; returns what is to be told."""
        self._services = {each.name: (each, each.forward) for each in services if each.forward}
        states: dict[Key, BackendState] = {}
        self._of = {name: [] for name in self._services}
        for service, forward in self._services.values():
            for backend in forward.backends:
                key = key_of(service, backend)
                state = self.states.get(key)
                if state is None:
                    up = self._remembered.pop(key, None)
                    state = BackendState(backend, forward.health, now, up=up)
                else:
                    state.want(backend, forward, now)
                states[key] = state
                self._of[service.name].append(state)
        self.states = states
        self._short = {name: why for name, why in self._short.items() if name in self._services}
        self._proven &= self._services.keys()
        self._judged &= self._services.keys()
        asked = {service.name for service, forward in self._services.values() if forward.health}
        self._returning = {name: when for name, when in self._returning.items() if name in asked}
        return [event for name in self._services for event in self._judge(name, now)]

    def set_links(self, links: tuple[Link, ...]) -> None:
        """Take all links of the host."""
        self._links = links

    def checks(self) -> dict[Key, Check]:
        """Return how each backend that is to be asked is."""
        return {
            key: Check(forward.health, Target(key.target.address, forward.health.port or key.target.port))
            for service, forward in self._services.values()
            if forward.health
            for key in (key_of(service, backend) for backend in forward.backends)
        }

    def checked(self, key: Key, result: Result, asked: float, now: float) -> list[Event]:
        """Take the result of a check that began at `asked`; returns what is to be told, if anything.

        One that has waited in vain says how it was when it began.
        """
        state = self.states.get(key)
        if state is None:
            return []
        known, judged = state.state != "unknown", state.judged
        changed = state.take(result, asked, now)
        facts = {"service": key.service, "backend": str(key.target), "up": result.ok}
        told = f"a backend is {'up' if result.ok else 'down'}: {result.why}"
        if not changed and judged == state.judged:
            doubtful = self._returning.get(key.service) is not None
            if not self._has_returned(key.service, now) and (result.ok or not doubtful):
                return []
            return [Event(Happening.BACKEND, "asked again after none was up", Level.DEBUG, facts)]
        level = Level.INFO if result.ok else Level.WARNING
        news = [Event(Happening.BACKEND, told, level, facts)] if known or not result.ok else []
        self._has_returned(key.service, now)
        return [*news, *self._judge(key.service, now)] or [Event(Happening.BACKEND, told, Level.DEBUG, facts)]

    def remember(self) -> dict[Key, bool]:
        """Return what a successor of this process should know."""
        return {key: state.up for key, state in self.states.items() if state.up is not None}

    # -- what follows ----------------------------------------------------------------------------

    def fitness(self) -> dict[str, Fitness | None]:
        """Return how well this node can serve each balanced service now, None where that is not known yet.

        That is so at its start: a node that has yet to ask its backends takes over from none that knows them.
        Where they have to prove themselves it waits for the verdict on each: with some it would send the
        clients of the others astray.
        """
        reasons = {name: self._why_unfit(name) for name in self._services}
        groups: dict[IPAddress, list[str]] = {}
        for name, (_, forward) in self._services.items():
            for gateway in forward.gateways:
                groups.setdefault(gateway, []).append(name)
        found: dict[str, Fitness | None] = {}
        for name, (_, forward) in self._services.items():
            group = {name, *(other for gateway in forward.gateways for other in groups[gateway])}
            if any(reasons[other] == "" for other in group):
                found[name] = FIT
            else:
                reason = reasons[name]
                found[name] = None if reason is None else Fitness(fit=False, why=reason)
        return found

    def is_served(self, name: str) -> bool:
        """Tell whether a service has its quorum here."""
        return name not in self._short

    def shortage(self, name: str) -> str:
        """Return how far the usable backends of a service are from its quorum, "" when it is met."""
        return self._short.get(name, "")

    def pools(self) -> Pools:
        """Return what the kernel is to be told."""
        pools: list[Pool] = []
        back: dict[tuple[Target, int], Target] = {}
        masqueraded: set[tuple[Target, int]] = set()
        held: set[IPAddress] = set()
        down: set[tuple[Target, int]] = set()
        for service, forward in self._services.values():
            held.update(service.addresses)
            for version, addresses in _by_version(service, forward):
                for port, protocol in _ports(service):
                    virtuals = tuple(Virtual(each, protocol, port) for each in addresses)
                    pools.append(self._pool(service, forward, version, virtuals))
                    targets = {
                        (each.target(port), protocol)
                        for each in (*forward.backends, *forward.sorry)
                        if each.address.version == version
                    }
                    if forward.is_stateless:
                        back.update(dict.fromkeys(targets, Target(addresses[0], port)))
                    else:
                        masqueraded |= targets
                    down |= {(target, protocol) for target in self._down(service, version, port)}
        rest = Ruleset((), back, frozenset(masqueraded), frozenset(held))
        return Pools(tuple(pools), rest, frozenset(down))

    def _pool(self, service: Service, forward: Forward, version: int, virtuals: tuple[Virtual, ...]) -> Pool:
        port = virtuals[0].port
        states = [each for each in self._of[service.name] if each.backend.address.version == version]
        configured = [each.backend for each in states]
        usable = [each.backend for each in states if each.usable]
        sorry = [each for each in forward.sorry if each.address.version == version]
        if sorry and sum(each.weight for each in usable) < forward.quorum:
            usable = sorry
        elif forward.health and not forward.health.alpha:
            usable = self._presumed(service, states) or usable or configured
        return Pool(virtuals, {each.target(port): each.weight for each in usable}, size_for(len(configured)))

    def _presumed(self, service: Service, states: list[BackendState]) -> list[Backend]:
        """Return those that may be well, while not all have been asked since the first one was up again.

        Perhaps it was this node that reached nobody: what is open stays where it is.
        """
        since = self._returning.get(service.name)
        if since is None:
            return []
        return [each.backend for each in states if each.ill_at < since]

    def _down(self, service: Service, version: int, port: int) -> Iterator[Target]:
        for each in self._of[service.name]:
            if each.state == "down" and each.backend.address.version == version:
                yield each.backend.target(port)

    def _judge(self, name: str, now: float) -> list[Event]:
        """Look whether the quorum is met; return what is to be told when that has changed."""
        short = self._find_shortage(name)
        if not self._find_shortage(name, proven=True):
            self._proven.add(name)
        if all(each.judged for each in self._of[name]):
            self._judged.add(name)
        before = self._short.pop(name, "")
        if short:
            self._short[name] = short
            _, forward = self._services[name]
            reached = any(each.usable for each in self._of[name])
            if forward.health and name in self._proven and not reached:
                self._returning[name] = None
        elif self._returning.get(name, now) is None:
            self._returning[name] = now
        if bool(short) == bool(before):
            return []
        if not short:
            return [Event(Happening.QUORUM, "enough backends are usable again", facts={"service": name})]
        return [Event(Happening.QUORUM, f"too few backends: {short}", Level.WARNING, {"service": name})]

    def _find_shortage(self, name: str, *, proven: bool = False) -> str:
        """Return how far the usable backends are from the quorum, "" when it is met for each family.

        `proven`: those that have not answered yet do not count.
        """
        service, forward = self._services[name]
        for version, _ in _by_version(service, forward):
            configured = [each for each in self._of[name] if each.backend.address.version == version]
            usable = [each for each in configured if each.usable and not (proven and each.state == "unknown")]
            if (weight := sum(each.backend.weight for each in usable)) < max(forward.quorum, 1):
                of = f"{len(usable)} of {len(configured)} IPv{version} backends are usable"
                return of if forward.quorum <= 1 else f"{of}, of weight {weight}, not {forward.quorum}"
        return ""

    def _has_returned(self, name: str, now: float) -> bool:
        """Tell whether a service has just come back as a whole: all were asked since the first was up.

        This node may have been cut off from all of them, and another one leads. With some slots it would send
        connections of the others astray.
        """
        since = self._returning.get(name)
        _, forward = self._services[name]
        if since is None or not forward.health:
            return False
        if now < since + _FOUND + forward.health.interval + forward.health.timeout:
            return False
        if any(each.rising for each in self._of[name]):
            return False
        del self._returning[name]
        return True

    def _why_unfit(self, name: str) -> str | None:
        """Return why this node is unfit, "" when it is fit, None when that is not known yet."""
        if name not in self._judged:
            return None
        if short := self._short.get(name):
            return short
        if name in self._returning:
            return "its backends are coming back"
        _, forward = self._services[name]
        for gateway in forward.gateways:
            behind = [link for link in self._links if reaches(link, gateway)]
            if behind and not any(link.up and link.carrier for link in behind):
                return f"{behind[0].name}, the link to the backends, is down"
        if name in self._proven or all(each.state != "unknown" for each in self._of[name]):
            return ""
        return None


def key_of(service: Service, backend: Backend) -> Key:
    """Return what a backend of a service is known by."""
    return Key(service.name, backend.target(service.ports[0].port if service.ports else 0))


def _ports(service: Service) -> list[tuple[int, int]]:
    return [(each.port, _PROTOCOLS[each.protocol]) for each in service.ports if each.protocol in _PROTOCOLS]


def _by_version(service: Service, forward: Forward) -> Iterator[tuple[int, tuple[IPAddress, ...]]]:
    """Yield the service's addresses by the version of IP, without gateways."""
    own = [each for each in service.addresses if each not in forward.gateways]
    for version in (4, 6):
        if found := tuple(each for each in own if each.version == version):
            yield version, found
