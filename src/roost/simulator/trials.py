"""Figures of a detector from seeded trials: how soon the dead are found, how often the living are accused.

options, seed -> Network -> Figures
"""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from roost.protocols.memberlist import profile as profiles
from roost.protocols.memberlist.messages import Status
from roost.protocols.witness.timing import TIMINGS
from roost.simulator.network import Host, Network

__all__ = ["FAULTS", "PROFILES", "Figures", "Options", "simulate"]

FAULTS: Final = ("cut", "kill", "freeze")
# Beside those that speakers have: SWIM as its paper has it, with memberlist's timers and without Lifeguard.
PROFILES: Final = profiles.PROFILES | {
    "swim": replace(profiles.PROFILES["lan"], awareness_max_multiplier=1, suspicion_max_timeout_mult=1)
}
_WARM_UP: Final = 2.0  # seconds until witnesses have proven everybody and gossip is quiet
_PATIENCE: Final = 60.0  # seconds within which a dead node must be found
_FREEZE: Final = 1.0  # seconds that a slow node does not run at a stretch
_STEPS: Final = 50  # of the quiet stretch, each of which is told
_YEAR: Final = 365 * 86_400.0  # seconds
_SURE: Final = 0.95
_JOIN: Final = 50  # nodes that join as in life; more know each other from the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is simulated.

    `fault` befalls one node in each of `trials`. For false positives `slow` of all nodes (a share) do not run
    for a tenth of the time, `loss` of all packets are lost, for `seconds` of virtual time. `witnesses`: None
    as the profile has them.
    """

    nodes: int = 3
    profile: str = "default"
    fault: str = "cut"
    trials: int = 10
    seconds: float = 60.0
    slow: float = 0.0
    loss: float = 0.0
    witnesses: bool | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out: seconds until the first and until every other node knew, per trial; and the living.

    `accusations` are verdicts about living nodes by all others together, `victims` the nodes concerned.
    Packets are of SWIM and of witnesses, per node and second.
    """

    first: Sequence[float]
    all: Sequence[float]
    missed: int
    accusations: int
    victims: int
    seconds: float
    packets: float
    probes: float

    @property
    def a_year_at_most(self) -> float:
        """The false verdicts in a year that the living allow for, rounded up, with 95 % certainty."""
        return math.ceil(_most(self.accusations) * _YEAR / self.seconds)

    @property
    def good(self) -> bool:
        """Whether every dead node was found and no living one accused."""
        return not self.missed and not self.accusations

    def as_data(self) -> dict[str, Any]:
        """Return the figures as JSON-able data; times in milliseconds, verdicts per hour."""
        hours = self.seconds / 3600
        return {
            "first_ms": _spread(self.first),
            "all_ms": _spread(self.all),
            "missed": self.missed,
            "false_verdicts_per_hour": round(self.accusations / hours, 1) if hours else 0.0,
            "false_verdicts": self.accusations,
            "false_verdicts_a_year_at_most": self.a_year_at_most,
            "accused_nodes": self.victims,
            "packets_per_node_second": round(self.packets, 1),
            "probes_per_node_second": round(self.probes, 1),
        }


def simulate(options: Options, progress: Callable[[str], None] = lambda _: None) -> Figures:
    """Run the trials and the quiet stretch; the same options give the same figures."""
    first, everybody = [], []
    for trial in range(options.trials):
        progress(f"trial {trial + 1} of {options.trials}")
        found = _trial(options, options.seed + trial)
        if found is not None:
            first.append(found[0])
            everybody.append(found[1])
    network = _network(options, options.seed)
    network.udp_loss = options.loss
    slow = list(network.hosts.values())[: round(options.slow * options.nodes)]
    begin, packets, probes = network.now, network.datagrams, network.probes
    _slow_down(network, slow, options)
    for step in range(1, _STEPS + 1):
        network.run(begin + options.seconds * step / _STEPS - network.now)
        progress(f"the living: {100 * step // _STEPS} % of {options.seconds:g} s")
    accused = [change.split(": ")[1] for change in network.changes("dead", since=begin)]
    per = options.nodes * max(options.seconds, 1e-9)
    return Figures(
        first,
        everybody,
        options.trials - len(first),
        len(accused),
        len(set(accused)),
        options.seconds,
        (network.datagrams - packets) / per,
        (network.probes - probes) / per,
    )


def _network(options: Options, seed: int) -> Network:
    timing = None if options.witnesses is False else TIMINGS.get(options.profile)
    network = Network(seed, PROFILES[options.profile], hosts=options.nodes, witnesses=timing)
    if options.nodes <= _JOIN:
        network.settle()
    else:
        network.acquaint_all()
    network.run(_WARM_UP)
    return network


def _trial(options: Options, seed: int) -> tuple[float, float] | None:
    """Return the seconds from the fault until the first, and until every other node, knows of it."""
    network = _network(options, seed)
    chance = random.Random(seed)  # noqa: S311 - a simulation
    network.run(chance.random())
    victim = chance.choice(list(network.hosts.values()))
    others = [host for host in network.hosts.values() if host is not victim]
    if options.fault == "cut":
        network.partition([victim], others)
    elif options.fault == "kill":
        network.kill(victim)
    else:
        network.freeze(victim, 2 * _PATIENCE)
    at = network.now

    def known() -> list[Host]:
        return [host for host in others if host.sees(victim.name) is Status.DEAD]

    first = network.run_until(lambda: bool(known()), _PATIENCE)
    if first is None or network.run_until(lambda: len(known()) == len(others), _PATIENCE) is None:
        return None
    return first, network.now - at


def _slow_down(network: Network, slow: Sequence[Host], options: Options) -> None:
    """Freeze each slow host at random moments, for a tenth of the time in all."""
    chance = random.Random(options.seed)  # noqa: S311 - a simulation
    for host in slow:
        for _ in range(round(options.seconds * 0.1 / _FREEZE)):
            network.freeze_at(network.now + chance.random() * options.seconds, host, _FREEZE)


def _most(count: int) -> float:
    """Return how many to expect at most where `count` came, by Poisson: 3 where none did (rule of three)."""
    low, high = float(count), 10.0 + 3.0 * count
    while high - low > 1e-6 * high:
        mean = (low + high) / 2
        chances = (each * math.log(mean) - mean - math.lgamma(each + 1) for each in range(count + 1))
        likely = sum(map(math.exp, chances))
        low, high = (mean, high) if likely > 1 - _SURE else (low, mean)
    return high


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {
        "p50": round(statistics.median(ordered) * 1e3, 1),
        "p99": round(ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))] * 1e3, 1),
    }
