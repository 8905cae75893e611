"""One LAN of one or two switches that learn where hardware addresses are.

Frames are routed, not carried: `unicast` and `broadcast` say which ports a frame reaches now, and teach the
switches as it would. What a frame holds is between the two stations: so a ping costs a call and no event.
An address that moved is looked for at its old port until it speaks at the new one; an unknown one is flooded.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from roost.decide.vrrp.judging import Received
from roost.model.address import IPAddress

__all__ = ["FLIGHT", "Claim", "Lan", "Port", "Question", "Station"]

FLIGHT: Final = (0.00005, 0.0004)  # seconds: one way across an idle LAN, with both kernels
_UPLINK: Final = "uplink"


class Question(NamedTuple):
    """An ARP request for `target`, `direct` if to one station; a probe has no `asker` and teaches nobody.

    `mac` (6 bytes) and `port` are the asker's. A named tuple: millions are made.
    """

    target: IPAddress
    asker: IPAddress | None
    mac: bytes
    port: "Port"
    answered: Callable[["Claim"], None] | None = None  # hears the answer, too
    direct: bool = False


class Claim(NamedTuple):
    """An ARP frame that says `address` is at `mac` (6 bytes): a reply to the hearer, or gratuitous."""

    address: IPAddress
    mac: bytes
    gratuitous: bool


class Station(Protocol):
    """Whatever is plugged into a port."""

    name: str
    address: IPAddress

    @property
    def awake(self) -> bool:
        """Whether its kernel answers for its own address."""

    def hear_question(self, question: Question) -> None:
        """Take an ARP request that reached this station."""

    def hear_claims(self, claims: tuple[Claim, ...], *, broadcast: bool) -> None:
        """Take what says where addresses are."""

    def hear_advert(self, received: Received) -> None:
        """Take a VRRP packet."""


@dataclass(slots=True, eq=False)
class Port:
    """A switch port with its cable; directions are the station's. Faults are counted, for they overlap.

    `cut` blocks both ways and leaves the carrier, `mute` loses what the station sends, `deaf` what it
    would hear, `down` takes the carrier. `losses` (shares), `delays` (seconds, the longest added) and
    `doubling` (shares of datagrams) are those in force. Call `settle` after every change.
    """

    station: Station
    macs: list[bytes]
    switch: int = 0
    cut: int = 0
    mute: int = 0
    deaf: int = 0
    down: int = 0
    losses: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    doubling: list[float] = field(default_factory=list)
    sends: bool = True
    hears: bool = True
    loss: float = 0.0
    delay: float = 0.0
    doubled: float = 0.0

    def settle(self) -> None:
        """Work out what the faults in force come to."""
        passes = not (self.cut or self.down)
        self.sends = passes and not self.mute
        self.hears = passes and not self.deaf
        self.loss = max(self.losses, default=0.0)
        self.delay = max(self.delays, default=0.0)
        self.doubled = max(self.doubling, default=0.0)

    def take(self, hear: Callable[[], None]) -> None:
        """Let the station hear what has come, unless the port has been cut while that was on its way."""
        if self.hears:
            hear()


class Lan:
    """Ports on `switches` switches (1 or 2), joined by an uplink that can be `split`.

    `passes_gossip` tells whether they pass frames of gossip's own EtherType.
    """

    def __init__(self, switches: int, chance: random.Random, *, passes_gossip: bool = False) -> None:
        self.ports: list[Port] = []
        self.split = 0  # faults that cut the uplink
        self.switches = switches
        self.passes_gossip = passes_gossip
        self._chance = chance
        self._tables: tuple[dict[bytes, Port | Literal["uplink"]], ...] = ({}, {})

    def attach(self, station: Station, mac: bytes, switch: int) -> Port:
        """Plug a station into a free port of `switch`."""
        port = Port(station, [mac], switch)
        self.ports.append(port)
        return port

    def move(self, port: Port, switch: int) -> None:
        """Replug without a blink, as a virtual machine moves: no switch is told."""
        port.switch = switch

    def forget(self, port: Port) -> None:
        """Drop what was learnt about a port, as a switch does when its link goes down."""
        for table in self._tables:
            for mac in [mac for mac, at in table.items() if at is port]:
                del table[mac]

    def flight(self, one: Port, other: Port) -> float:
        """Return the seconds that a frame takes from one port to the other."""
        low, high = FLIGHT
        longest = one.delay + other.delay
        taken = low + (high - low) * self._chance.random()
        return taken + longest * self._chance.random() if longest else taken

    def round_trip(self, one: Port, other: Port) -> float:
        """Return the seconds that a frame takes to the other port, and the answer to it back."""
        return self.flight(one, other) + self.flight(other, one)

    def unicast(self, port: Port, source: bytes, target: bytes) -> Port | None:
        """Return the port that a frame from `source` (at `port`) to `target` reaches, None if it is lost."""
        if not port.sends or (port.loss and self._chance.random() < port.loss):
            return None
        here = port.switch
        table = self._tables[here]
        table[source] = port
        at = table.get(target)
        if at is None:
            at = self._find(target, here)
        if at is _UPLINK:
            here = 1 - here
            at = self._cross(source, target, here)
        if not isinstance(at, Port) or not at.hears or at.switch != here or target not in at.macs:
            return None  # nobody there, nobody any more, or somebody else
        return None if at.loss and self._chance.random() < at.loss else at

    def broadcast(self, port: Port, source: bytes) -> list[Port]:
        """Return the ports that a broadcast reaches."""
        if not port.sends or (port.loss and self._chance.random() < port.loss):
            return []
        self._tables[port.switch][source] = port
        joined = not self.split
        if joined and self.switches > 1:
            self._tables[1 - port.switch][source] = "uplink"
        return [
            each
            for each in self.ports
            if each.hears
            and each is not port
            and (joined or each.switch == port.switch)
            and not (each.loss and self._chance.random() < each.loss)
        ]

    def connected(self, one: Port, other: Port) -> bool:
        """Tell whether two stations can talk with each other."""
        passes = one.sends and one.hears and other.sends and other.hears
        return passes and (one.switch == other.switch or not self.split)

    def reaches(self, switch: int, port: Port) -> bool:
        """Tell whether a station well connected to `switch` could talk with the one at `port`, both ways."""
        return port.sends and port.hears and (port.switch == switch or not self.split)

    def joined(self, one: Port, other: Port) -> bool:
        """Tell whether the switches of two ports reach each other."""
        return one.switch == other.switch or not self.split

    def _cross(self, source: bytes, target: bytes, switch: int) -> Port | Literal["uplink"] | None:
        if self.split:
            return None
        table = self._tables[switch]
        table[source] = "uplink"
        at = table.get(target)
        # What was learnt from the uplink is not sent back there.
        return self._local(target, switch) if at is None else at

    def _find(self, target: bytes, switch: int) -> Port | Literal["uplink"] | None:
        """Flood: whoever has the address takes it, on this switch or beyond the uplink."""
        here = self._local(target, switch)
        return here if here is not None or self.switches < 2 else "uplink"

    def _local(self, target: bytes, switch: int) -> Port | None:
        return next((port for port in self.ports if port.switch == switch and target in port.macs), None)
