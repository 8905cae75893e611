"""All links that announce: one responder each, told the same; what they hear goes up.

decider -> Announcer -> responder of each link        frames -> responder -> on_claim, on_client
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from roost.announce.responder import Responder, ResponderMaker, Tally
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.model.spreading import Spread, Station
from roost.protocols.words.sightings import Sighting

__all__ = ["Announcer"]

_log = logging.getLogger("roost.announce")

_SAME: Final = ("name", "mac", "up", "carrier")  # facts of a link with which its socket goes on working


class Announcer:
    """Keeps a responder on each link that announces. `make(link, heard)` makes one; it may raise OSError.

    The responders count in `counted`, too. `on_claim(address, mac, interface, direct)` hears of claims of
    other machines, `on_client` of who asks, and when.
    """

    def __init__(
        self,
        make: ResponderMaker,
        counted: Counter[str],
        *,
        on_claim: Callable[[IPAddress, bytes, str, bool], None],
        on_client: Callable[[Sighting, float], None],
    ) -> None:
        self._counted = counted
        self.failed: Mapping[int, str] = {}  # index of a link -> why it cannot be opened
        self._make = make
        self._on_claim = on_claim
        self._on_client = on_client
        self._announcements: Mapping[IPAddress, Announcement] = {}
        self._peers: frozenset[bytes] = frozenset()
        self._peers_wait = False
        self._noticed: frozenset[IPAddress] = frozenset()
        self._until = float("-inf")
        self._spreads: Mapping[IPAddress, Spread] = {}
        self._places: Mapping[tuple[int, int], Station] = {}
        self._responders: dict[int, Responder] = {}
        self._past: dict[IPAddress, Tally] = {}  # of links that are closed

    @property
    def tallies(self) -> Mapping[IPAddress, Tally]:
        """What was counted for each address that is noticed, over all links."""
        total = {address: Tally() for address in self._noticed}
        for counts in (self._past, *(each.counts() for each in self._responders.values())):
            for address in counts.keys() & total.keys():
                total[address].add(counts[address])
        return total

    @property
    def counters(self) -> Counter[str]:
        """What happened since the start, by name."""
        total = Counter(self._counted)
        for each in self._responders.values():
            total.update(each.events())
        return total

    @property
    def responders(self) -> Mapping[int, Responder]:
        """What answers on each link, by the link's index."""
        return self._responders

    @property
    def links(self) -> tuple[Link, ...]:
        """The links that are answered on."""
        return tuple(each.link for each in self._responders.values())

    def interfaces_for(self, address: IPAddress) -> tuple[str, ...]:
        """Return the names of the links on which `address` is answered."""
        how = self._announcements.get(address)
        names = (each.link.name for each in self._responders.values())
        return tuple(sorted(name for name in names if how is not None and how.allows(name)))

    def open(self, links: Sequence[Link]) -> None:
        """Answer on exactly these links. Raises CapabilityError when that is refused to this process."""
        wanted = {link.index: link for link in links}
        for index, responder in list(self._responders.items()):
            if index in wanted and not _differs(responder.link, wanted[index]):
                responder.follow(wanted.pop(index))
            else:
                self._close(index)
        failed: dict[int, str] = {}
        for index, link in wanted.items():
            try:
                self._open(link)
            except OSError as error:  # gone or down since netlink told us; it will tell that too
                failed[index] = f"cannot be opened: {error.strerror or error}"
                _log.debug("link %s %s", link.name, failed[index])
        self.failed = failed

    def meet(self, peers: frozenset[bytes]) -> None:
        """Take the hardware addresses (6 bytes) of peers, who ask whether this process runs."""
        if peers != self._peers:
            self._peers = peers
            for responder in self._responders.values():
                responder.meet(peers)

    def let_peers_wait(self, *, wait: bool) -> None:
        """Leave what peers send this node alone to `hear_peers`, or let it wake this process."""
        self._peers_wait = wait
        for responder in self._responders.values():
            responder.let_peers_wait(wait=wait)

    def hear_peers(self) -> None:
        """Take what has waited: their probes and their answers."""
        for responder in self._responders.values():
            responder.hear_peers()

    def notice(self, addresses: frozenset[IPAddress]) -> None:
        """Hear frames about exactly these addresses."""
        self._noticed = addresses
        self._past = {address: tally for address, tally in self._past.items() if address in addresses}
        for responder in self._responders.values():
            responder.notice(addresses)

    def answer(self, announcements: Mapping[IPAddress, Announcement]) -> None:
        """Answer for exactly these."""
        self._announcements = announcements
        for responder in self._responders.values():
            responder.answer(announcements)

    @property
    def why_not_spread(self) -> str:
        """Why connections cannot be spread over nodes on all links, or ""."""
        if not self._responders:
            return "no link answers"
        return next((why for each in self._responders.values() if (why := each.why_not_spread)), "")

    def spread_out(
        self, spreads: Mapping[IPAddress, Spread], places: Mapping[tuple[int, int], Station]
    ) -> None:
        """Spread connections of exactly these over the nodes, which are at `places` (`decide.effects`)."""
        self._spreads, self._places = spreads, places
        for responder in self._responders.values():
            responder.spread_out(spreads, places)

    def renew(self, until: float) -> None:
        """Answer until then, in the loop's time."""
        self._until = until
        for responder in self._responders.values():
            responder.renew(until)

    def announce(self, addresses: Collection[IPAddress], *, sparing: bool = False) -> set[IPAddress]:
        """Send gratuitous frames, one for each if `sparing`; return those that found a send queue full."""
        return {
            each
            for responder in self._responders.values()
            for each in responder.announce(addresses, sparing=sparing)
        }

    def tell(self, sightings: Collection[Sighting]) -> None:
        """Tell clients by unicast."""
        for responder in self._responders.values():
            responder.tell(sightings)

    def ask(self, addresses: Iterable[IPAddress]) -> None:
        """Ask the LAN who has each of `addresses`; the answers come as claims."""
        asked = tuple(addresses)
        for responder in self._responders.values():
            responder.ask(asked)

    def close(self) -> None:
        """Fall silent on every link."""
        for index in list(self._responders):
            self._close(index)

    def claimed(self, address: IPAddress, mac: bytes, interface: str, *, direct: bool) -> None:
        """Hear of a claim (`roost.announce.responder.Heard`)."""
        self._on_claim(address, mac, interface, direct)

    def asked(self, sighting: Sighting, at: float) -> None:
        """Hear of a question (`roost.announce.responder.Heard`)."""
        self._on_client(sighting, at)

    def _open(self, link: Link) -> None:
        responder = self._make(link, self)
        responder.meet(self._peers)
        responder.let_peers_wait(wait=self._peers_wait)
        responder.notice(self._noticed)
        responder.renew(self._until)
        responder.answer(self._announcements)
        responder.spread_out(self._spreads, self._places)
        self._responders[link.index] = responder

    def _close(self, index: int) -> None:
        responder = self._responders.pop(index)
        for address, tally in responder.counts().items():
            self._past.setdefault(address, Tally()).add(tally)
        responder.close()


def _differs(old: Link, new: Link) -> bool:
    """Tell whether a socket opened for `old` is of no use for `new`: renamed, another MAC, was down."""
    return any(getattr(old, fact) != getattr(new, fact) for fact in _SAME)
