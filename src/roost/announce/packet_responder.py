"""Answering on one link from this process, over a packet socket."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from roost.announce.answering import (
    Answer,
    Asked,
    Claimed,
    Dropped,
    Inquiry,
    Outcome,
    correction_frames,
    gratuitous_frames,
    probe_frame,
    respond,
)
from roost.announce.responder import Heard, Kind, Tally
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.model.sharing import Share
from roost.model.spreading import Spread, Station
from roost.protocols import filter as filters
from roost.protocols.bounded import remember
from roost.protocols.filter import Instruction
from roost.protocols.words.sightings import Sighting
from roost.runtime.packet_socket import CapabilityError, PacketSocket, Sent, Tap

__all__ = ["CapabilityError", "PacketResponder"]

_REMEMBERED: Final = 256  # frames


class PacketResponder:
    """Answers on `link` (`roost.announce.responder.Responder`); what happens is counted in `counters`.

    `tap` sees the frames. Raises CapabilityError without CAP_NET_RAW, OSError when the link is gone already.
    """

    kind: Kind = "packet"

    def __init__(
        self, link: Link, heard: Heard, counters: Counter[str], why: str = "", *, tap: Tap | None = None
    ) -> None:
        self.link = link
        self.why = why
        self._heard = heard
        self._counters = counters
        self._tallies: dict[IPAddress, Tally] = {}
        self._answered: dict[IPAddress, bytes] = {}  # -> the MAC to answer with
        self._shares: dict[IPAddress, Share] = {}  # of those that others answer, too
        self._peers: frozenset[bytes] = frozenset()
        self._until = float("-inf")
        self._clock = asyncio.get_running_loop().time
        self._router = _forwards(link.name)
        self._frames: dict[IPAddress, tuple[bytes, ...]] = {}
        self._outcomes: dict[
            bytes, Outcome
        ] = {}  # of frames that have come before; the same ones come always
        self._socket = PacketSocket(link, filters.build(()), self._on_frame, tap=tap)
        self._patient = PacketSocket(link, filters.build(()), self._on_frame, tap=tap)

    def follow(self, link: Link) -> None:
        """Take news of the link, which still has its name and its hardware address."""
        self.link = link
        self._outcomes.clear()

    def meet(self, peers: frozenset[bytes]) -> None:
        """Answer these hardware addresses also for what is shared: they ask whether this process runs."""
        self._peers = peers
        self._outcomes.clear()
        self._listen()

    def let_peers_wait(self, *, wait: bool) -> None:
        """Leave what peers send this station alone to `hear_peers`, or let it wake this process."""
        self._patient.wake(on=not wait)

    def hear_peers(self) -> None:
        """Take what has waited."""
        self._patient.drain()

    def notice(self, addresses: frozenset[IPAddress]) -> None:
        """Hear questions and claims about all these addresses, answered here or not."""
        self._tallies = {address: self._tallies.get(address) or Tally() for address in addresses}
        self._outcomes.clear()
        self._listen()
        # All of them, led or not: the successor must hear solicitations from its first moment on.
        self._socket.set_groups([each for each in addresses if isinstance(each, IPv6Address)])
        self._frames = {address: frames for address, frames in self._frames.items() if address in addresses}

    def answer(self, announcements: Mapping[IPAddress, Announcement]) -> None:
        """Answer for exactly those that are allowed on this link."""
        answered = {
            address: how.mac or self.link.mac
            for address, how in announcements.items()
            if how.allows(self.link.name)
        }
        for address, mac in answered.items():
            if self._answered.get(address, mac) != mac:
                self._frames.pop(address, None)
        self._answered = answered
        self._outcomes.clear()
        self._shares = {
            address: how.share
            for address, how in announcements.items()
            if how.share is not None and address in answered
        }

    @property
    def why_not_spread(self) -> str:
        """Why this host cannot spread connections over nodes: it takes the kernel."""
        return self.why or "the process answers, as it was told to, and sees no packets of connections"

    def spread_out(
        self, spreads: Mapping[IPAddress, Spread], places: Mapping[tuple[int, int], Station]
    ) -> None:
        """Do nothing: packets of connections do not come to this process."""

    def renew(self, until: float) -> None:
        """Answer until then, and not a moment longer without another call."""
        self._until = until

    def announce(self, addresses: Iterable[IPAddress], *, sparing: bool = False) -> list[IPAddress]:
        """Send one round of gratuitous frames for each; return those that found the send queue full.

        Of what is shared nobody is told: it would take the clients of all others.
        """
        most = 1 if sparing else None
        whole = (each for each in addresses if each in self._answered and each not in self._shares)
        return [each for each in whole if not self._round(each, most)]

    def tell(self, sightings: Iterable[Sighting]) -> None:
        """Tell these clients alone where the address that they use is, if it is answered here."""
        for sighting in sightings:
            if mac := self._answered.get(sighting.vip):
                frames = correction_frames(mac, sighting, router=self._router)
                self._counters["clients_told"] += sum(self._send(frame) is Sent.YES for frame in frames)

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`, teaching nobody anything."""
        for address in addresses:
            self._send(probe_frame(self.link.mac, address))

    def counts(self) -> Mapping[IPAddress, Tally]:
        """Return what was counted for each address that is noticed."""
        return self._tallies

    def events(self) -> Mapping[str, int]:
        """Return nothing: this responder counts in `counters`."""
        return {}

    def close(self) -> None:
        """Fall silent and leave the groups."""
        self._socket.close()
        self._patient.close()

    def _listen(self) -> None:
        addresses = frozenset(self._tallies)
        self._patient.set_filter(filters.build_patient(addresses, self._peers))
        self._socket.set_filter(self._filter(addresses))

    def _filter(self, addresses: frozenset[IPAddress]) -> list[Instruction]:
        """Return what lets this process hear what it has to about `addresses`."""
        return filters.build(addresses, without=self._peers)

    def _round(self, address: IPAddress, most: int | None) -> bool:
        """Send one round; tells whether another try makes no sense: all is sent, or the link is gone."""
        outcomes = [self._send(frame) for frame in self._gratuitous(address)[:most]]
        if tally := self._tallies.get(address):
            tally.gratuitous += outcomes.count(Sent.YES)
        self._counters["gratuitous_sent"] += outcomes.count(Sent.YES)
        return Sent.LATER not in outcomes

    def _gratuitous(self, address: IPAddress) -> tuple[bytes, ...]:
        """Return the frames of a round, built once: on a takeover only sending is left."""
        frames = self._frames.get(address)
        if frames is None:
            mac = self._answered[address]
            frames = self._frames[address] = gratuitous_frames(mac, address, router=self._router)
        return frames

    def _on_frame(self, data: bytes) -> None:
        outcome = self._outcomes.get(data)
        if outcome is None:
            known, answered = self._tallies, self._answered.get
            outcome = respond(
                data, self.link.mac, answered, known, is_ours=self._is_ours, router=self._router
            )
            remember(self._outcomes, data, outcome, _REMEMBERED)
        match outcome:
            case Answer() if self._clock() > self._until:
                self._counters["requests_after_the_lease"] += 1
            case Answer(address, frame, asker):
                tally = self._tallies[address]
                tally.requests += 1
                if self._send(frame) is Sent.YES:
                    tally.responses += 1
                    self._counters["requests_answered"] += 1
                self._note(asker)
            case Claimed(address, mac, direct):
                self._counters["claims_heard"] += 1
                self._heard.claimed(address, mac, self.link.name, direct=direct)
            case Asked(_, asker):
                self._counters["requests_left_to_the_leader"] += 1
                self._note(asker)
            case Dropped(reason):
                self._counters[f"dropped_{reason}"] += 1

    def _is_ours(self, inquiry: Inquiry) -> bool:
        """Tell whether this node answers; who asks it alone uses it already, and goes on doing so."""
        share = self._shares.get(inquiry.address)
        of_a_peer = inquiry.probe and inquiry.mac in self._peers
        return share is None or inquiry.alone or of_a_peer or share.answers(inquiry.mac, inquiry.address)

    def _note(self, asker: Sighting | None) -> None:
        if asker is not None:
            self._heard.asked(asker, self._clock())

    def _send(self, frame: bytes) -> Sent:
        outcome = self._socket.send(frame)
        if outcome is not Sent.YES:
            self._counters["send_later" if outcome is Sent.LATER else "send_link_gone"] += 1
        return outcome


def _forwards(interface: str) -> bool:
    """Tell whether this host forwards IPv6 from `interface`: the Router flag of its advertisements."""
    try:
        return Path(f"/proc/sys/net/ipv6/conf/{interface}/forwarding").read_text().strip() not in ("0", "")
    except OSError:
        return False
