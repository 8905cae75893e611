"""The seam between announcing and what answers on one link: this process, or the kernel."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.model.spreading import Spread, Station
from roost.protocols.words.sightings import Sighting

__all__ = ["Heard", "Kind", "Responder", "ResponderMaker", "Tally"]

Kind = Literal["tcx", "clsact", "packet"]  # the kernel at one of tc's hooks, or this process


@dataclass(slots=True)
class Tally:
    """Frames counted for one address."""

    requests: int = 0  # that reached this node while it answered for the address
    responses: int = 0
    gratuitous: int = 0
    packets: int = 0  # for the address to this node, where the kernel counts them: ND is not among them
    spread: int = 0  # of these packets, sent on to the nodes of their connections

    def add(self, other: "Tally") -> None:
        """Count what another link counted, too."""
        self.requests += other.requests
        self.responses += other.responses
        self.gratuitous += other.gratuitous
        self.packets += other.packets
        self.spread += other.spread


class Heard(Protocol):
    """What a responder tells of the LAN."""

    def claimed(self, address: IPAddress, mac: bytes, interface: str, *, direct: bool) -> None:
        """Another machine says that `address` is at `mac` (6 bytes), to this node alone if `direct`."""

    def asked(self, sighting: Sighting, at: float) -> None:
        """Somebody asked for an address, at that time (the loop's)."""


class Responder(Protocol):
    """What answers on one link. Times are the event loop's.

    `why` says why it is not the kernel that answers, if it was to, `why_not_spread` why no connections can be
    spread over nodes, if so.
    """

    link: Link
    kind: Kind
    why: str

    @property
    def why_not_spread(self) -> str:
        """One clause, or ""."""

    def follow(self, link: Link) -> None:
        """Take news of the link that need no other responder, such as its addresses."""

    def meet(self, peers: frozenset[bytes]) -> None:
        """Let this process answer what these hardware addresses (6 bytes) ask: it shows them that it runs.

        Their probes are answered also for an address that others share, whoever's they are.
        """

    def let_peers_wait(self, *, wait: bool) -> None:
        """Leave what peers send this station alone to `hear_peers`, or let it wake this process."""

    def hear_peers(self) -> None:
        """Take what has waited: their probes and their answers."""

    def notice(self, addresses: frozenset[IPAddress]) -> None:
        """Hear questions and claims about all these addresses, answered here or not."""

    def answer(self, announcements: Mapping[IPAddress, Announcement]) -> None:
        """Answer for exactly those that are allowed on this link."""

    def renew(self, until: float) -> None:
        """Answer until then, and not a moment longer without another call."""

    def spread_out(
        self, spreads: Mapping[IPAddress, Spread], places: Mapping[tuple[int, int], Station]
    ) -> None:
        """Spread connections of exactly these over the nodes, while questions may be answered."""

    def announce(self, addresses: Iterable[IPAddress], *, sparing: bool = False) -> list[IPAddress]:
        """Send one round of gratuitous frames for each; return those that found the send queue full.

        `sparing`: one frame for each.
        """

    def tell(self, sightings: Iterable[Sighting]) -> None:
        """Tell these clients alone where the address that they use is, if it is answered here."""

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`, teaching nobody anything."""

    def counts(self) -> Mapping[IPAddress, Tally]:
        """Return what was counted for each address that is noticed."""

    def events(self) -> Mapping[str, int]:
        """Return what else happened, in numbers that go with this responder."""

    def close(self) -> None:
        """Fall silent."""


ResponderMaker = Callable[[Link, Heard], Responder]
