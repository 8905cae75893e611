"""What a simulated host's kernel does by itself, whatever the process on it does: it delivers packets.

It also remembers who sent packets for addresses that moved away, and which neighbours it has talked to.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from roost.decide.effects import Onward, PassOn
from roost.model.address import IPAddress
from roost.model.flow import Flow
from roost.protocols.words.sightings import Sighting
from roost.simulator.clock import Clock
from roost.simulator.spreading import Spreading

__all__ = ["Kernel"]

_LOOK: Final = 0.02  # seconds between two looks at the meter of stragglers
_NEIGHBOURS: Final = 8


class Kernel:
    """`passed_on` are addresses that a proxy serves; `report(packets, seen)` hears of stragglers."""

    def __init__(self, clock: Clock, report: Callable[[int, tuple[Sighting, ...]], None]) -> None:
        self.delivered: frozenset[IPAddress] = frozenset()
        self.passed_on: frozenset[IPAddress] = frozenset()
        self.followed: frozenset[IPAddress] = frozenset()
        self.balanced: frozenset[IPAddress] = frozenset()  # whose connections any node can go on with
        self.sockets: set[Flow] = set()  # connections, as this host has them
        self.counts = False  # whether anybody has connections
        self.answers = False  # whether it has the responder: it answers for the process, whatever that does
        self.onward: PassOn = PassOn({})
        self._uncertain: dict[IPAddress, float] = {}  # -> until when nothing from peers is refused
        self.spreading = Spreading()
        self.refused: frozenset[IPAddress] = frozenset()
        self._refusals: Counter[IPAddress] = Counter()  # faults that say so
        self.last_packet = 0.0  # of those that are followed, virtual time
        self.neighbours: deque[tuple[IPAddress, bytes]] = deque(maxlen=_NEIGHBOURS)
        self._clock = clock
        self._report = report
        self._packets = 0
        self._seen: dict[Sighting, None] = {}

    def refuse(self, address: IPAddress, by: int) -> None:
        """Count a fault that keeps this host from having an address, or one that does so no more."""
        self._refusals[address] += by
        self.refused = frozenset(each for each, faults in self._refusals.items() if faults)

    def takes(self, address: IPAddress, client: tuple[IPAddress, bytes]) -> bool:
        """Take a packet of `client` (address, MAC) for a service address; tells whether it is delivered."""
        if client not in self.neighbours:
            self.neighbours.append(client)
        if self.followed and address in self.followed:
            self._count(Sighting(address, *client))
        return address in self.delivered or address in self.passed_on

    def delivers(self, address: IPAddress) -> bool:
        """Tell whether packets for a service address are delivered here."""
        return address in self.delivered or address in self.passed_on

    def pass_on(self, wanted: PassOn) -> None:
        """Pass on exactly this from now on."""
        until = self._clock.now + Onward.UNCERTAIN
        self._uncertain = {each: when for each, when in self._uncertain.items() if each in wanted.onward}
        for address, onward in wanted.onward.items():
            if onward.ends(self.onward.onward.get(address)):
                self._uncertain[address] = until
        self.onward = wanted

    def next_hop(self, address: IPAddress, source: bytes) -> bytes | None:
        """Return to which MAC a packet from `source` is passed on, whose connection is unknown here."""
        onward = self.onward.onward.get(address)
        if onward is None or source in onward.returned:
            return None
        if source not in self.onward.peers:
            hop = onward.first
        elif source in self.onward.before:
            hop = onward.upward
        else:
            hop = onward.led if source in onward.leader else None
        return hop.mac if hop is not None else None

    def refuses(self, address: IPAddress, source: bytes) -> bool:
        """Tell whether a packet from `source` that is passed on to nobody is refused, or else dropped."""
        onward = self.onward.onward.get(address)
        if onward is None:
            return True
        if source not in self.onward.peers:
            return not onward.unreached
        uncertain = self._clock.now < self._uncertain.get(address, 0.0)
        known = source in self.onward.before or source in onward.leader
        return known and not uncertain and source not in onward.returned

    def _count(self, sighting: Sighting) -> None:
        if not self._packets:
            self._clock.after(_LOOK, self._look)
        self._packets += 1
        self.last_packet = self._clock.now
        self._seen[sighting] = None

    def _look(self) -> None:
        packets, seen = self._packets, tuple(self._seen)
        self._packets = 0
        self._seen.clear()
        self._report(packets, seen)
