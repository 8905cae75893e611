"""When this node tells others where its addresses are: everybody on taking over, and clients one by one.

answered from now on -> gratuitous rounds, unicast to the known clients      claim of another -> a defence
"""

from collections.abc import Collection, Iterable
from typing import Final

from roost.decide.claims import Alarm, ClaimBook
from roost.decide.effects import Announce, Correct
from roost.decide.gratuitous import ROUNDS, GratuitousSchedule
from roost.model.address import IPAddress
from roost.protocols.machine import Effect, soonest
from roost.protocols.witness.budget import UNLIMITED, Budget
from roost.protocols.words.sightings import Sighting

__all__ = ["Announcing"]

_CLIENT_ROUNDS: Final = (0.0, 0.05, 0.3, 1.0)  # seconds after taking over
# Where ARP packets are counted, the first frames have to do; a few follow for those that missed them,
# and never in the second that began with the first: that has the answers to clients and to standbys.
_SPARING_ROUNDS: Final = (0.0, 1.5, 3.5, 7.5)
_SPARING_CLIENT_ROUNDS: Final = (0.0, 4.0)
_SPARING_BURST: Final = 0.4  # of the ARP rate: these frames at once, for the first addresses of a dead node
_SPARING_RATE: Final = 0.2  # of it
_SPARING_CLIENTS: Final = 0.1  # of it


_FRAMES: Final = 2  # for an address, or a client, on one link


class Announcing:
    """`rate` gratuitous frames per second over everything, `refresh` seconds between repeats (None: none).

    What is sent is taken from `budget`, so that questions wait for it, and is little where that has a limit.
    """

    def __init__(self, rate: float, refresh: float | None, budget: Budget = UNLIMITED) -> None:
        self.defences = 0
        self._budget = budget
        self._claims = ClaimBook()
        sparing = self._budget.limited
        self._rounds = GratuitousSchedule[IPAddress](
            self._at_most(rate, _SPARING_RATE),
            refresh,
            _SPARING_ROUNDS if sparing else ROUNDS,
            burst=self._at_most(rate, _SPARING_BURST) if sparing else None,
        )
        self._news = GratuitousSchedule[Sighting](
            self._at_most(rate, _SPARING_CLIENTS),
            rounds=_SPARING_CLIENT_ROUNDS if sparing else _CLIENT_ROUNDS,
            burst=min(rate, _FRAMES) if sparing else None,
        )

    def configure(self, rate: float, refresh: float | None) -> None:
        """Change the rate and the repeats."""
        self._rounds.rate, self._rounds.refresh = self._at_most(rate, _SPARING_RATE), refresh
        self._news.rate = self._at_most(rate, _SPARING_CLIENTS)

    def _at_most(self, rate: float, part: float) -> float:
        most = self._budget.rate
        return rate if most is None else min(rate, most * part)

    def alarms(self, now: float) -> tuple[Alarm, ...]:
        """Claims of others for addresses that this node answered for."""
        return self._claims.alarms(now)

    def take(self, addresses: Collection[IPAddress], clients: Iterable[Sighting], now: float) -> None:
        """Tell everybody of addresses that are answered from now on, and their clients by themselves."""
        self._rounds.take(addresses, now)
        self._news.take(clients, now)

    def drop(self, addresses: Collection[IPAddress], clients: Iterable[Sighting]) -> None:
        """Tell nobody any more of addresses that are not answered now."""
        self.hush(addresses, clients)
        for address in addresses:
            self._claims.forget(address)

    def hush(self, addresses: Collection[IPAddress], clients: Iterable[Sighting]) -> None:
        """Tell nobody of addresses that are answered all the same."""
        self._rounds.drop(addresses)
        self._news.drop(clients)

    def correct(self, sightings: Iterable[Sighting], now: float) -> None:
        """Tell clients that still use another node."""
        self._news.take(sightings, now)

    def unsent(self, addresses: Iterable[IPAddress], now: float) -> None:
        """Try again those that found the send queue full."""
        self._rounds.again(addresses, now)

    def note(self, address: IPAddress, mac: bytes, interface: str, peer: str | None, now: float) -> Alarm:
        """Record a claim that somebody has to look at."""
        return self._claims.note(address, mac, interface, peer, now)

    def defend(self, address: IPAddress, now: float, *, against_peer: bool = False) -> None:
        """Announce an address again against a claim, if that was not done a moment ago (RFC 5227)."""
        if self.may_defend(address, now, against_peer=against_peer):
            self._rounds.again([address], now)

    def may_defend(self, address: IPAddress, now: float, *, against_peer: bool = False) -> bool:
        """Tell whether that was not done a moment ago, and count it as done."""
        may = self._claims.may_defend(address, now, against_peer=against_peer)
        self.defences += may
        return may

    def wake(self, now: float, links: int) -> list[Effect]:
        """Return what is to be sent now, on as many `links`."""
        cost = _FRAMES * max(1, links)
        effects: list[Effect] = []
        if due := self._rounds.wake(now, max(1, links) if self._budget.limited else cost):
            effects.append(Announce(tuple(due), sparing=self._budget.limited))
            self._budget.spend(now, len(due))
        if told := self._news.wake(now, cost):
            effects.append(Correct(tuple(told)))
            self._budget.spend(now, _FRAMES * len(told))
        return effects

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is scheduled."""
        return soonest((self._rounds.next_wake(), self._news.next_wake()))
