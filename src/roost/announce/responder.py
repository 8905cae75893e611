"""The seam between announcing and what answers on one link.

`LinkResponder` answers from this process over a packet socket. Another responder (in the kernel) only
has to offer the same calls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Protocol

from roost.announce.answering import (
    Answer,
    Asked,
    Claimed,
    Dropped,
    correction_frames,
    decide,
    gratuitous_frames,
    probe_frame,
)
from roost.model.address import IPAddress
from roost.model.eligibility import interface_allowed
from roost.protocols import filter as filters
from roost.protocols.words.sightings import Sighting
from roost.model.link import Link
from roost.runtime.packet_socket import CapabilityError, PacketSocket, Sent

__all__ = ["CapabilityError", "LinkResponder", "Responder", "Tally"]

OnClaim = Callable[[IPAddress, bytes, str], None]
OnAsker = Callable[[Sighting], None]


@dataclass(slots=True)
class Tally:
    """Frames counted for one address over all links."""

    requests: int = 0  # that reached this node while it answered for the address
    responses: int = 0
    gratuitous: int = 0


class Responder(Protocol):
    """What answers on one link."""

    def set_known(self, tallies: Mapping[IPAddress, Tally]) -> None:
        """Listen for frames about all these addresses, answered here or not, and count what is sent."""

    def set_answered(self, addresses: Mapping[IPAddress, tuple[str, ...] | None]) -> frozenset[IPAddress]:
        """Answer for exactly those whose interface patterns allow this link; return these."""

    def announce(self, addresses: Iterable[IPAddress]) -> list[IPAddress]:
        """Send one round of gratuitous frames for each; return those that found the send queue full."""

    def tell(self, sightings: Iterable[Sighting]) -> None:
        """Tell these clients alone where the address that they use is, if it is answered here."""

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`, teaching nobody anything."""

    def close(self) -> None:
        """Fall silent."""


class LinkResponder:
    """Answers on one link from this process (`Responder`), while `may_answer()` holds.

    Raises CapabilityError without CAP_NET_RAW, OSError when the link is gone already.
    """

    def __init__(
        self,
        link: Link,
        tallies: Mapping[IPAddress, Tally],
        counters: Counter[str],
        *,
        on_claim: OnClaim,
        on_asker: OnAsker,
        may_answer: Callable[[], bool],
    ) -> None:
        self.link = link
        self._tallies = tallies
        self._answered: frozenset[IPAddress] = frozenset()
        self._counters = counters
        self._on_claim = on_claim
        self._on_asker = on_asker
        self._may_answer = may_answer
        self._router = _forwards(link.name)
        self._frames: dict[IPAddress, tuple[bytes, ...]] = {}
        self._socket = PacketSocket(link, filters.build(tallies), self._on_frame)
        self._join_groups()

    def set_known(self, tallies: Mapping[IPAddress, Tally]) -> None:
        """Listen for frames about all these addresses, answered here or not, and count what is sent."""
        self._tallies = tallies
        self._socket.set_filter(filters.build(tallies))
        self._join_groups()
        self._frames = {address: frames for address, frames in self._frames.items() if address in tallies}

    def set_answered(self, addresses: Mapping[IPAddress, tuple[str, ...] | None]) -> frozenset[IPAddress]:
        """Answer for exactly those whose interface patterns allow this link; return these."""
        self._answered = frozenset(
            address for address, patterns in addresses.items() if interface_allowed(patterns, self.link.name)
        )
        return self._answered

    def announce(self, addresses: Iterable[IPAddress]) -> list[IPAddress]:
        """Send one round of gratuitous frames for each; return those that found the send queue full."""
        return [address for address in addresses if address in self._answered and not self._round(address)]

    def tell(self, sightings: Iterable[Sighting]) -> None:
        """Tell these clients alone where the address that they use is, if it is answered here."""
        for sighting in sightings:
            if sighting.vip in self._answered:
                frames = correction_frames(self.link.mac, sighting, router=self._router)
                self._counters["clients_told"] += sum(self._send(frame) is Sent.YES for frame in frames)

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`, teaching nobody anything."""
        for address in addresses:
            self._send(probe_frame(self.link.mac, address))

    def close(self) -> None:
        """Fall silent and leave the groups."""
        self._socket.close()

    def _round(self, address: IPAddress) -> bool:
        """Send one round; tells whether another try makes no sense: all is sent, or the link is gone."""
        outcomes = [self._send(frame) for frame in self._gratuitous(address)]
        self._tallies[address].gratuitous += outcomes.count(Sent.YES)
        self._counters["gratuitous_sent"] += outcomes.count(Sent.YES)
        return Sent.LATER not in outcomes

    def _gratuitous(self, address: IPAddress) -> tuple[bytes, ...]:
        """Return the frames of a round, built once: on a takeover only sending is left."""
        frames = self._frames.get(address)
        if frames is None:
            frames = self._frames[address] = gratuitous_frames(self.link.mac, address, router=self._router)
        return frames

    def _on_frame(self, data: bytes) -> None:
        match decide(data, self.link.mac, self._answered.__contains__, self._tallies, router=self._router):
            case Answer() if not self._may_answer():
                self._counters["requests_after_the_lease"] += 1
            case Answer(address, frame, asker):
                tally = self._tallies[address]
                tally.requests += 1
                if self._send(frame) is Sent.YES:
                    tally.responses += 1
                    self._counters["requests_answered"] += 1
                self._note(asker)
            case Claimed(address, mac):
                self._counters["claims_heard"] += 1
                self._on_claim(address, mac, self.link.name)
            case Asked(_, asker):
                self._counters["requests_left_to_the_leader"] += 1
                self._note(asker)
            case Dropped(reason):
                self._counters[f"dropped_{reason}"] += 1

    def _note(self, asker: Sighting | None) -> None:
        if asker is not None:
            self._on_asker(asker)

    def _send(self, frame: bytes) -> Sent:
        outcome = self._socket.send(frame)
        if outcome is not Sent.YES:
            self._counters["send_later" if outcome is Sent.LATER else "send_link_gone"] += 1
        return outcome

    def _join_groups(self) -> None:
        # All known addresses, led or not: the successor must hear solicitations from its first moment on.
        self._socket.set_groups([each for each in self._tallies if isinstance(each, IPv6Address)])


def _forwards(interface: str) -> bool:
    """Tell whether this host forwards IPv6 from `interface`: the Router flag of its advertisements."""
    try:
        return Path(f"/proc/sys/net/ipv6/conf/{interface}/forwarding").read_text().strip() not in ("0", "")
    except OSError:
        return False
