"""What a simulated host drives: the calls of `roost.decide`'s decider, as a type.

The simulator runs whatever has this shape. The product's decider does; tests plant faults with others.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from roost.decide.members import ClusterMember
from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress
from roost.model.check import Check, Result
from roost.model.fitness import Fitness
from roost.model.flow import Flow
from roost.model.link import Link
from roost.model.service import DesiredState
from roost.protocols.machine import Effect, Endpoint, Randomness
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import Word
from roost.protocols.words.sightings import Sighting

__all__ = ["DecidingMachine", "MakeDecider", "NodeFacts"]


class DecidingMachine(Protocol):
    """One node's decider. Calls are followed by `effects()`; times are seconds on the host's scale."""

    @property
    def held(self) -> Collection[IPAddress]: ...  # noqa: D102
    def start(self, now: float) -> None: ...  # noqa: D102
    def want(self, desired: DesiredState, refused: frozenset[str], why: str, now: float) -> None: ...  # noqa: D102
    def set_links(self, links: tuple[Link, ...], now: float) -> None: ...  # noqa: D102
    def set_members(  # noqa: D102
        self, members: tuple[ClusterMember, ...], now: float, *, unheard: bool = False
    ) -> None: ...
    def synchronized(self, now: float) -> None: ...  # noqa: D102
    def accused(self, by: str, now: float) -> None: ...  # noqa: D102
    def hear(self, word: Word, now: float) -> None: ...  # noqa: D102
    def claimed(self, address: IPAddress, mac: bytes, interface: str, direct: bool, now: float) -> None: ...  # noqa: D102, FBT001
    def asked(self, sighting: Sighting, at: float, now: float) -> None: ...  # noqa: D102
    def advert(self, received: Received, now: float) -> None: ...  # noqa: D102
    def answered(self, link: int, address: IPAddress, mac: bytes, kind: ProbeKind, at: float) -> None: ...  # noqa: D102
    def delivered(  # noqa: D102
        self, ready: frozenset[IPAddress], refused: Mapping[IPAddress, str], now: float
    ) -> None: ...
    def reached(self, fitness: Mapping[str, Fitness | None], now: float) -> None: ...  # noqa: D102
    def set_spreading(self, able: bool, now: float) -> None: ...  # noqa: D102, FBT001
    def checked(self, check: Check, result: Result, now: float) -> None: ...  # noqa: D102
    def proxied(self, service: str, now: float) -> None: ...  # noqa: D102
    def process_gone(self, name: str, now: float) -> None: ...  # noqa: D102
    def stragglers(self, packets: int, seen: Iterable[Sighting], now: float) -> None: ...  # noqa: D102
    def counted(self, flows: Collection[Flow], now: float) -> None: ...  # noqa: D102
    def lingering(self, now: float) -> Mapping[IPAddress, float]: ...  # noqa: D102
    def resolved(self, host: str, port: int, endpoints: tuple[Endpoint, ...], now: float) -> None: ...  # noqa: D102
    def source_trouble(self, troubled: bool, now: float) -> None: ...  # noqa: D102, FBT001 - the decider's own
    def wish(self, node: str, wish: bool | None, now: float) -> None: ...  # noqa: D102, FBT001
    def leave(self, now: float) -> None: ...  # noqa: D102
    def wake(self, now: float) -> None: ...  # noqa: D102
    def next_wake(self) -> float | None: ...  # noqa: D102
    def effects(self) -> Iterable[Effect]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a decider is made from: the node, memberlist's profile by name, its own endpoint, whom to join."""

    name: str
    profile: str
    endpoint: Endpoint
    join: tuple[Endpoint, ...]


MakeDecider = Callable[[NodeFacts, Randomness], DecidingMachine]
