"""The backends that one process balances to: the product's own `Balancing` on virtual time.

Each is asked again and again; what it answers depends on what befalls its host (`Host.reach`).
"""

from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from roost.decide.forwarding.backends import Key
from roost.decide.forwarding.balancing import Balancing
from roost.model.check import Result
from roost.model.fitness import Fitness
from roost.model.forwarding import Backend, Forward, HealthCheck
from roost.simulator.inbox import Queue

if TYPE_CHECKING:
    from roost.simulator.process import Process

__all__ = ["FORWARD", "Backends"]

_INTERVAL: Final = (0.2, 0.3)  # seconds between two times of asking
_WELL, _GONE = Result(ok=True, why="it accepts connections"), Result(ok=False, why="no connection")
_BACKENDS: Final = tuple(Backend(IPv4Address(f"198.51.100.{number}"), 8080) for number in (1, 2, 3))
FORWARD: Final = Forward(_BACKENDS, health=HealthCheck("tcp", interval=0.25, timeout=0.25, rise=2, fall=2))


class Backends:
    """Asks the backends of what `process` wants, and tells its decider how well it reaches them."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._balancing = Balancing()
        self._fitness: Mapping[str, Fitness | None] = {}
        self._asking = False

    def want(self, now: float) -> None:
        """Follow the services that the process wants now."""
        self._balancing.want(self._process.desired.services, now)
        self._tell(now)
        if self._balancing.services and not self._asking:
            self._asking = True
            self._process.later(_INTERVAL, self._ask)

    def _ask(self) -> None:
        host = self._process.host
        asked, found = host.time(), {key: self._result(key) for key in self._balancing.checks()}
        self._process.take(Queue.EVENTS, partial(self._hear, found, asked))
        self._asking = bool(found)
        if found:
            self._process.later(_INTERVAL, self._ask)

    def _result(self, key: Key) -> Result:
        way = self._process.host.reach.get(key.service, "all")
        reached = way == "all" or (way == "one" and key.target.address == _BACKENDS[0].address)
        return _WELL if reached else _GONE

    def _hear(self, found: Mapping[Key, Result], asked: float, now: float) -> None:
        for key, result in found.items():
            self._balancing.checked(key, result, asked, now)
        self._tell(now)

    def _tell(self, now: float) -> None:
        fitness = self._balancing.fitness()
        if fitness != self._fitness:
            self._fitness = fitness
            self._process.decider.reached(fitness, now)
