"""What befalls a simulated cluster, as data: faults, whole schedules, and how they are drawn.

A schedule is everything that a run depends on: the same schedule always gives the same run. It is drawn
swarm style: each run has its own few kinds of faults, its own pace and its own cluster, because a mix of
everything hides what two kinds alone bring about.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any, Final

from roost.model.address import IPAddress
from roost.model.tenure import ALWAYS, NEVER, failback_text
from roost.simulator.addresses import lan_address
from roost.simulator.fitting import misfits

__all__ = [
    "DRAWN_APART",
    "KINDS",
    "PLANNED",
    "Fault",
    "Kind",
    "Schedule",
    "ScheduleError",
    "ServiceSpec",
    "draw",
]

_VERSION: Final = 1
_FIRST: Final = 4.0  # seconds of peace at the start: the cluster finds itself
_REST: Final = 17.0  # seconds of peace after the last fault, in which it has to come to rest
_AFTER: Final = 8.0  # seconds after the planned move at the end
_FAILBACKS: Final = MappingProxyType({failback_text(each): each for each in (ALWAYS, NEVER, 2.0, 5.0)})
_KEEPING: Final = 0.4  # share of runs in which leads stay, and there:
_KEPT: Final = 0.6  # share of services whose leads do
_SHARED: Final = 0.5  # of the services, where any are shared
_BALANCED: Final = 0.5  # share of services that are balanced in a run with backends
_TRACKED: Final = 0.7  # share of services that are tracked in a run with checks
_FRAMES: Final = 0.9  # share of runs on a fabric that passes frames of an EtherType it does not know
_FIRST_ADDRESS: Final = IPv4Address("198.18.0.100")


class ScheduleError(ValueError):
    """A file is no schedule; the text says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How faults of one kind are drawn: `seconds` of duration, `level`s, `ways`, and what they concern.

    `share` is how often the kind takes part in a run.
    """

    text: str
    seconds: tuple[float, float] = (0.05, 8.0)
    level: tuple[float, float] = (0.0, 0.0)
    ways: tuple[str, ...] = ("",)
    node: bool = True
    service: bool = False
    share: float = 0.5


_WAYS: Final = ("both", "in", "out")
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "freeze": Kind("the process does not run", (0.05, 6.0)),
        "kill": Kind("the process is killed, and started again", (0.01, 5.0)),
        "term": Kind("the process is asked to leave, and started again", (2.0, 12.0)),
        "cut": Kind("the switch port passes nothing, with carrier", (0.05, 10.0)),
        "oneway": Kind("the port passes one way only", (0.1, 8.0), ways=("in", "out")),
        "carrier": Kind("the link is down", (0.05, 8.0)),
        "flap": Kind("the link goes down and up, several times", (0.5, 4.0), (2, 6)),
        "gossip": Kind("gossip alone is blocked", (0.1, 10.0), ways=_WAYS),
        "loss": Kind("the port loses some of everything", (0.5, 10.0), (0.02, 0.1)),
        "double": Kind("datagrams arrive twice", (0.5, 10.0), (0.1, 0.9)),
        "delay": Kind("frames take longer", (0.5, 10.0), (0.005, 0.05)),
        "slow": Kind("the interpreter is busy for so long at a time", (0.5, 10.0), (0.02, 0.06)),
        "pause": Kind("the whole host stands still, its clock with it if asked", (0.05, 4.0), (0, 1)),
        "drain": Kind("an operator drains the node", (1.0, 12.0), ways=("", "peer")),
        "config": Kind("a service is gone for a while", (0.5, 8.0), (0.0, 1.5), node=False, service=True),
        "file": Kind("the node has another file, without a service", (0.2, 6.0), service=True),
        "refuse": Kind("the host cannot have an address", (0.2, 6.0), service=True),
        "source": Kind("the node hears of no changes", (0.5, 40.0)),
        "split": Kind("the switches lose each other", (0.1, 12.0), node=False),
        "move": Kind("the host appears at the other switch", (0.5, 8.0), share=0.3),
        "forget": Kind("the clients lose their neighbour tables", (0.0, 0.0), node=False, share=0.3),
        "unfit": Kind(
            "a check of the node fails from now on, or is well again",
            (0.0, 0.0),
            ways=("sick", "well"),
            service=True,
        ),
        "reach": Kind(
            "the node reaches no backend of a service from now on, one, or all",
            (0.0, 0.0),
            ways=("none", "one", "all"),
            service=True,
        ),
    }
)
PLANNED: Final = frozenset({"drain", "term"})
DRAWN_APART: Final = ("unfit", "reach")  # so that what was drawn before there were any is drawn as it was
_TWO_SWITCHES: Final = frozenset({"split", "move"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a kind, from `at` for `duration` (seconds of the run); what it concerns is named."""

    kind: str
    at: float
    duration: float
    node: str = ""
    way: str = ""
    level: float = 0.0
    service: str = ""

    @property
    def end(self) -> float:
        """When it is over."""
        return self.at + self.duration

    def told(self) -> str:
        """Return it in words."""
        parts = [self.node, self.kind, self.way, self.service, f"{self.level:g}" if self.level else ""]
        return " ".join(part for part in parts if part) + f" for {self.duration:g} s"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service: its address, the nodes that may announce it (empty: all), those with an endpoint.

    With `endpoints` its traffic goes through the node's proxy, else the host terminates the address. Where it
    is `tracked` nodes check whether they can serve it. `failback` is as the configuration has it: older files
    have none, which is always. With a `vrid` VRRP decides who leads it: adverts come every 0.1 s, the first
    node has the highest priority, and with an odd number nobody preempts. With `shared` all these nodes
    answer, each its own askers; with `spread` the leader passes connections to all of them. What is
    `balanced` every node takes to the same backends.
    """

    name: str
    address: str
    nodes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    tracked: bool = False
    failback: str = failback_text(ALWAYS)
    vrid: int = 0
    shared: bool = False
    balanced: bool = False
    spread: bool = False

    @property
    def seconds(self) -> float:
        """The failback as `Service` has it."""
        return _FAILBACKS[self.failback]

    @property
    def ip(self) -> IPAddress:
        """The address as a value."""
        return lan_address(self.address)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A whole run: the cluster, the faults in order of time, and how long it goes (seconds)."""

    seed: int
    nodes: int
    switches: int
    clients: int
    profile: str
    services: tuple[ServiceSpec, ...]
    faults: tuple[Fault, ...] = ()
    seconds: float = 0.0
    connections: bool = False  # whether clients hold any: older files are played without
    kernel: bool = False  # whether kernels answer for the processes, as long as the lease lasts
    frames: bool = False  # whether gossip also goes in frames of the LAN: older files are played without

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes."""
        return tuple(f"n{number + 1}" for number in range(self.nodes))

    def with_faults(self, faults: Sequence[Fault]) -> "Schedule":
        """Return this schedule with other faults."""
        return replace(self, faults=tuple(faults))

    def as_json(self) -> str:
        """Return the schedule as a file, one fault a line."""
        document = asdict(self)
        faults = [{k: v for k, v in fault.items() if v not in ("", 0.0)} for fault in document.pop("faults")]
        lines = ",\n".join("    " + json.dumps(fault) for fault in faults)
        head = json.dumps({"roost_schedule": _VERSION} | document)
        return f'{head[:-1]},\n  "faults": [\n{lines}\n  ]}}\n'

    @classmethod
    def from_json(cls, text: str) -> "Schedule":
        """Read a file. Raises ScheduleError."""
        try:
            document: dict[str, Any] = json.loads(text)
            if document.pop("roost_schedule") != _VERSION:
                raise ScheduleError("a schedule of another version")
            document["services"] = tuple(_service(each) for each in document["services"])
            document["faults"] = tuple(_fault(each) for each in document["faults"])
            schedule = cls(**document)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ScheduleError(f"not a schedule: {error}") from None
        if why := next(misfits(schedule), ""):
            raise ScheduleError(f"not a schedule that can be played: {why}")
        return schedule


def _service(row: dict[str, Any]) -> ServiceSpec:
    IPv4Address(row["address"])
    tracked, vrid = bool(row.get("tracked")), int(row.get("vrid", 0))  # older files are played without
    failback = row.get("failback", failback_text(ALWAYS))
    shared, balanced = bool(row.get("shared")), bool(row.get("balanced"))
    if failback not in _FAILBACKS:
        raise ScheduleError(f"no failback of the simulator is {failback}")
    nodes, endpoints = tuple(row["nodes"]), tuple(row["endpoints"])
    name, address, spread = row["name"], row["address"], bool(row.get("spread"))
    return ServiceSpec(name, address, nodes, endpoints, tracked, failback, vrid, shared, balanced, spread)


def _fault(row: dict[str, Any]) -> Fault:
    if row["kind"] not in KINDS:
        raise ScheduleError(f"no fault is called {row['kind']}")
    return Fault(**({"duration": 0.0} | row))


@dataclass(slots=True)
class _Swarm:
    """The mix of one run."""

    kinds: list[str]
    pace: float  # seconds between two faults, on average
    chance: random.Random
    nodes: tuple[str, ...] = ()
    services: tuple[ServiceSpec, ...] = field(default=())

    def fault(self, at: float) -> Fault:
        name = self.chance.choice(self.kinds)
        kind = KINDS[name]
        level = self.chance.uniform(*kind.level)
        if name in ("flap", "pause"):
            level = round(level)
        return Fault(
            name,
            round(at, 3),
            round(_spread(kind.seconds, self.chance), 3),
            self.chance.choice(self.nodes) if kind.node else "",
            self.chance.choice(kind.ways),
            round(level, 3),
            self.chance.choice(self.services).name if kind.service else "",
        )


def draw(seed: int, *, faults: int, nodes: int | None = None, profile: str = "default") -> Schedule:
    """Return a schedule with so many faults, the last of them a planned move after a rest.

    Changes of checks come on top. Without `nodes` there are two to five.
    """
    chance = random.Random(f"schedule {seed}")  # noqa: S311 - a simulation
    count = nodes or chance.choice((2, 3, 3, 3, 4, 4, 5))
    switches = chance.choice((1, 2))
    names = tuple(f"n{number + 1}" for number in range(count))
    services = tuple(_draw_service(number, names, chance) for number in range(chance.randint(3, 6)))
    services = _draw_failback(services, random.Random(f"failback {seed}"))  # noqa: S311 - a simulation
    possible = [
        kind for kind in KINDS if kind not in DRAWN_APART and (switches > 1 or kind not in _TWO_SWITCHES)
    ]
    kinds = [kind for kind in possible if chance.random() < KINDS[kind].share] or [chance.choice(possible)]
    swarm = _Swarm(kinds, _spread((0.4, 4.0), chance), chance, names, services)
    at, drawn = _FIRST, []
    for _ in range(max(faults - 1, 0)):
        drawn.append(swarm.fault(at))
        at += chance.expovariate(1 / swarm.pace)
    last = max((fault.end for fault in drawn), default=_FIRST) + _REST
    planned = Fault(chance.choice(sorted(PLANNED)), round(last, 3), 6.0, chance.choice(names))
    services, checks = _draw_checks(seed, services, names, last - _REST)
    services, reached = _draw_reach(seed, _some_shared(services, seed), names, last - _REST)
    return Schedule(
        seed,
        count,
        switches,
        chance.randint(switches, 4),  # where nobody lives, nobody has to be answered
        profile,
        _some_spread(services, seed),
        (*sorted((*drawn, *checks, *reached), key=lambda fault: fault.at), planned),
        round(last + _AFTER, 3),
        connections=True,
        kernel=random.Random(f"responder {seed}").random() < 0.5,  # noqa: S311 - a simulation
        frames=random.Random(f"frames {seed}").random() < _FRAMES,  # noqa: S311 - a simulation
    )


def _draw_checks(
    seed: int, services: tuple[ServiceSpec, ...], names: tuple[str, ...], until: float
) -> tuple[tuple[ServiceSpec, ...], list[Fault]]:
    """Return the services, some of them tracked now, and when checks fail or are well; in some runs only.

    What they leave behind at the end lasts: somebody may be unfit when all has come to rest.
    """
    chance = random.Random(f"checks {seed}")  # noqa: S311 - a simulation
    if chance.random() >= KINDS["unfit"].share or until <= _FIRST:
        return services, []
    tracked = [chance.random() < _TRACKED for _ in services]
    found = tuple(replace(each, tracked=yes) for each, yes in zip(services, tracked, strict=True))
    some = [each.name for each in found if each.tracked]
    if not some:
        return services, []
    return found, _draw_lasting("unfit", ("sick", "sick", "well"), names, some, until, chance)


def _draw_reach(
    seed: int, services: tuple[ServiceSpec, ...], names: tuple[str, ...], until: float
) -> tuple[tuple[ServiceSpec, ...], list[Fault]]:
    """Return the services, some of them balanced now, and when nodes reach backends or not; in some runs.

    What that leaves behind at the end lasts, as with checks.
    """
    chance = random.Random(f"reach {seed}")  # noqa: S311 - a simulation
    kind = KINDS["reach"]
    if chance.random() >= kind.share or until <= _FIRST:
        return services, []
    balanced = [chance.random() < _BALANCED and not (each.endpoints or each.shared) for each in services]
    found = tuple(replace(each, balanced=yes) for each, yes in zip(services, balanced, strict=True))
    some = [each.name for each in found if each.balanced]
    return found, _draw_lasting("reach", kind.ways, names, some, until, chance) if some else []


def _draw_lasting(  # noqa: PLR0917 - what is drawn from
    kind: str,
    ways: Sequence[str],
    names: Sequence[str],
    services: Sequence[str],
    until: float,
    chance: random.Random,
) -> list[Fault]:
    """Return some faults that each say how one of `services` is on a node from then on."""
    return [
        Fault(
            kind,
            round(chance.uniform(_FIRST, until), 3),
            0.0,
            chance.choice(names),
            chance.choice(ways),
            service=chance.choice(services),
        )
        for _ in range(chance.randint(2, 12))
    ]


def _draw_service(number: int, names: tuple[str, ...], chance: random.Random) -> ServiceSpec:
    """Return a service that all may announce, or two, or those with an endpoint."""
    name, address = f"s{number + 1}", str(_FIRST_ADDRESS + number)
    lot = chance.random()
    some = tuple(sorted(chance.sample(names, 2)))
    if lot < 0.15:
        return ServiceSpec(name, address, nodes=some)
    return ServiceSpec(name, address, endpoints=some) if lot < 0.35 else ServiceSpec(name, address)


def _draw_failback(services: tuple[ServiceSpec, ...], chance: random.Random) -> tuple[ServiceSpec, ...]:
    """Return the services, some with a failback; a chance of its own leaves the rest of a draw alone."""
    if chance.random() >= _KEEPING:
        return services
    others = [each for each, seconds in _FAILBACKS.items() if seconds != ALWAYS]
    return tuple(
        replace(each, failback=chance.choice(others)) if chance.random() < _KEPT else each
        for each in services
    )


def _some_shared(services: tuple[ServiceSpec, ...], seed: int) -> tuple[ServiceSpec, ...]:
    """Share some of the services in half of all runs; drawn apart, so that a seed keeps its faults."""
    chance = random.Random(f"shared {seed}")  # noqa: S311 - a simulation
    share = chance.choice((0.0, _SHARED))
    return tuple(replace(each, shared=chance.random() < share) for each in services)


def _some_spread(services: tuple[ServiceSpec, ...], seed: int) -> tuple[ServiceSpec, ...]:
    """Spread connections of some of the others in some runs, drawn apart as well."""
    chance = random.Random(f"spread {seed}")  # noqa: S311 - a simulation
    share = chance.choice((0.0, 0.0, _SHARED))
    return tuple(
        replace(each, spread=not each.shared and not each.vrid and chance.random() < share)
        for each in services
    )


def _spread(span: tuple[float, float], chance: random.Random) -> float:
    """Return a number that is short as often as long: even on a logarithmic scale."""
    low, high = span
    return low * (high / low) ** chance.random() if low else low
