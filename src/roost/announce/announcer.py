"""All links of this node, and which addresses are answered on them.

links, addresses -> Announcer -> one responder per link; one gratuitous schedule over all of them, and one
for the clients that are told by unicast
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from roost.announce.claims import Alarm, ClaimBook
from roost.announce.clients import ClientTable
from roost.announce.gratuitous import GratuitousSchedule
from roost.announce.responder import LinkResponder, Tally
from roost.model.address import IPAddress, canonical
from roost.model.eligibility import interface_allowed
from roost.observe.quiet import Quiet
from roost.protocols.sightings import Sighting
from roost.runtime.links import Link

__all__ = ["Announcer", "LinkState"]

_log = logging.getLogger("roost.announce")

_PORT_KINDS: Final = frozenset({"bridge", "bond", "team", "hsr", "openvswitch"})
_CLIENT_ROUNDS: Final = (0.0, 0.05, 0.3, 1.0)  # seconds after taking over
_QUIET: Final = 10.0  # seconds between two log lines about claims for one address
_LINES: Final = 16  # about claims for all addresses in that time

OnClaim = Callable[[IPAddress, bytes, str, str | None], None]
Announcements = Mapping[IPAddress, tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether a link announces, and if not, why."""

    name: str
    mac: str
    announcing: bool
    reason: str


class Announcer:
    """Answers for addresses on every link that can announce, and tells the LAN when it takes them over.

    `interfaces` are regular expressions for whole names (None: all that can), `rate` gratuitous frames
    per second over everything, `refresh` seconds between gratuitous rounds (None: none). `on_claim`
    hears of every claim of another machine: address, its MAC, the link's name, the peer's name or None;
    `on_client` of clients that are new here, `on_heard` of any question or claim. Requests are answered only
    while `may_answer()` holds.
    """

    def __init__(
        self,
        *,
        interfaces: tuple[str, ...] | None,
        rate: float,
        refresh: float | None,
        on_claim: OnClaim,
        on_client: Callable[[Sighting], None] = lambda _: None,
        on_heard: Callable[[], None] = lambda: None,
        may_answer: Callable[[], bool] = lambda: True,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.tallies: dict[IPAddress, Tally] = {}
        self.announcements: Announcements = {}
        self._interfaces = interfaces
        self.clients = ClientTable()
        self._schedule = GratuitousSchedule[IPAddress](rate, refresh)
        self._news = GratuitousSchedule[Sighting](rate, rounds=_CLIENT_ROUNDS)
        self._on_claim = on_claim
        self._on_client = on_client
        self._on_heard = on_heard
        self._may_answer = may_answer
        self._claims = ClaimBook()
        self._known: frozenset[IPAddress] = frozenset()
        self._peers: Mapping[bytes, str] = {}
        self._links: Sequence[Link] = ()
        self._states: tuple[LinkState, ...] = ()
        self._responders: dict[int, LinkResponder] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = Quiet(_QUIET, most=_LINES)

    @property
    def announcing(self) -> tuple[Link, ...]:
        """The links that announce, by index."""
        return tuple(self._responders[index].link for index in sorted(self._responders))

    @property
    def macs(self) -> tuple[bytes, ...]:
        """The hardware addresses of the links that announce, by link index."""
        return tuple(link.mac for link in self.announcing)

    @property
    def links(self) -> tuple[LinkState, ...]:
        """Every link but lo, and why it does not announce if it does not."""
        return self._states

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Claims of others for addresses that this node answered for."""
        return self._claims.alarms(time.time())

    def interfaces_for(self, address: IPAddress) -> tuple[str, ...]:
        """Return the names of the links on which `address` is answered."""
        if address not in self.announcements:
            return ()
        patterns = self.announcements[address]
        names = (responder.link.name for responder in self._responders.values())
        return tuple(sorted(name for name in names if interface_allowed(patterns, name)))

    def configure(self, *, interfaces: tuple[str, ...] | None, rate: float, refresh: float | None) -> None:
        """Change what the constructor was given; links are looked at again."""
        self._interfaces = interfaces
        self._schedule.rate, self._schedule.refresh = rate, refresh
        self._news.rate = rate
        self.set_links(self._links)

    def set_links(self, links: Sequence[Link]) -> None:
        """Follow the host's links: open, close, and announce again where a link came or changed.

        Raises CapabilityError when packet sockets are refused to this process.
        """
        self._links = links
        states = {link.index: self._judge(link) for link in links if not link.loopback}
        able = {link.index: link for link in links if link.index in states and not states[link.index]}
        for index in list(self._responders):
            if index not in able or _differs(self._responders[index].link, able[index]):
                self._responders.pop(index).close()
        opened = False
        for index, link in able.items():
            if index in self._responders:
                self._responders[index].link = link
                continue
            try:
                self._open(link)
                opened = True
            except OSError as error:  # gone or down since netlink told us; it will tell that too
                states[index] = f"cannot be opened: {error.strerror or error}"
        self._states = tuple(
            LinkState(link.name, link.mac.hex(":"), not states[link.index], states[link.index])
            for link in links
            if link.index in states
        )
        if opened:
            self._take(self.announcements)

    def set_known(self, addresses: frozenset[IPAddress]) -> None:
        """Listen for frames about all service addresses, led here or elsewhere."""
        if addresses != self._known:
            self._known = addresses
            self.clients.keep(addresses)
            self.tallies = {address: self.tallies.get(address) or Tally() for address in addresses}
            for responder in self._responders.values():
                responder.set_known(self.tallies)

    def set_peers(self, peers: Mapping[bytes, str]) -> None:
        """Know the hardware addresses of the cluster's other nodes from a stranger's."""
        self._peers = dict(peers)

    def set_announcements(self, announcements: Announcements) -> None:
        """Answer for exactly these addresses from now on; new ones are told to the LAN at once."""
        if announcements == self.announcements:
            return
        before, self.announcements = self.announcements, dict(announcements)
        for responder in self._responders.values():
            responder.set_answered(self.announcements)
        lost = before.keys() - self.announcements.keys()
        self._schedule.drop(lost)
        self._news.drop(self.clients.of(lost))
        for address in lost:
            self._claims.forget(address)
        self._take(
            [
                each
                for each, patterns in announcements.items()
                if each not in before or before[each] != patterns
            ]
        )

    def correct(self, sightings: Iterable[Sighting]) -> None:
        """Tell clients that still use another node where the addresses are that this node answers for."""
        ours = [each for each in sightings if each.vip in self.announcements]
        for each in ours:
            self.clients.note(each)
        self._news.take(ours, self._now())
        self._send_due()

    def ask(self, addresses: Collection[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`; the answers come as claims."""
        for responder in self._responders.values():
            responder.ask(addresses)

    def close(self) -> None:
        """Fall silent on every link."""
        if self._timer is not None:
            self._timer.cancel()
        for responder in self._responders.values():
            responder.close()
        self._responders.clear()

    def _judge(self, link: Link) -> str:
        """Return why a link cannot announce, or an empty text."""
        rules = (
            (not interface_allowed(self._interfaces, link.name), "not among the configured interfaces"),
            (link.master_kind in _PORT_KINDS, f"is a port of a {link.master_kind}"),
            (not link.mac, "has no hardware address"),
            (link.no_arp or not link.broadcast, "does not do ARP"),
            (not link.up, "is down"),
            (not link.carrier, "has no carrier"),
        )
        return next((reason for holds, reason in rules if holds), "")

    def _open(self, link: Link) -> None:
        responder = LinkResponder(
            link,
            self.tallies,
            self.counters,
            on_claim=self._heard,
            on_asker=self._asked,
            may_answer=self._may_answer,
        )
        responder.set_answered(self.announcements)
        self._responders[link.index] = responder

    def _heard(self, address: IPAddress, mac: bytes, interface: str) -> None:
        """Sort a claim heard on a link; ours are those of another link of this same host."""
        if mac in self.macs:
            return
        self._on_heard()
        peer = self._peers.get(mac)
        self._on_claim(address, mac, interface, peer)
        if address not in self.announcements:  # not ours, or just handed over to whom we heard
            return
        self._note(address, mac, interface, peer)
        if self._claims.may_defend(address, self._now()):
            self.counters["defences"] += 1
            self._schedule.again([address], self._now())
            self._send_due()

    def _asked(self, sighting: Sighting) -> None:
        self._on_heard()
        if self.clients.note(sighting):
            self._on_client(sighting)

    def _note(self, address: IPAddress, mac: bytes, interface: str, peer: str | None) -> None:
        alarm = self._claims.note(address, mac, interface, peer, time.time())
        # Not by hardware address: who makes up new ones would have a line for each.
        suppressed = self._quiet.due((address, peer is None), self._now())
        if suppressed is None:
            return
        _log.warning(
            "an address that this node answers for is claimed by %s",
            f"peer {peer}" if peer else "a stranger",
            extra={
                "address": canonical(address),
                "mac": mac.hex(":"),
                "interface": interface,
                "count": alarm.count,
                "suppressed": suppressed,
            },
        )

    def _take(self, addresses: Collection[IPAddress]) -> None:
        if addresses:
            self._schedule.take(addresses, self._now())
            self._news.take(self.clients.of(addresses), self._now())
            self._send_due()

    def _send_due(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        cost = 2 * max(1, len(self._responders))
        due = self._schedule.wake(self._now(), cost)
        told = self._news.wake(self._now(), cost)
        for responder in self._responders.values():
            self._schedule.again(responder.announce(due), self._now())
            responder.tell(told)
        wakes = [when for each in (self._schedule, self._news) if (when := each.next_wake()) is not None]
        if wakes:
            self._timer = asyncio.get_running_loop().call_at(min(wakes), self._send_due)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _differs(old: Link, new: Link) -> bool:
    """Tell whether a socket opened for `old` is of no use for `new`: renamed, another MAC, was down."""
    facts = ("name", "mac", "up", "carrier")
    return any(getattr(old, fact) != getattr(new, fact) for fact in facts)
