"""From what is answered here to what responders, the LAN and the clients are told."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from roost.decide.connections.passing_on import PassingOn
from roost.decide.effects import Answer, ForgetTracked, LoosenTracked
from roost.decide.state import State
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.protocols.words.sightings import Sighting

__all__ = ["Publishing"]

_OF_LATE: Final = 5.0  # seconds in which a proxy that passed traffic on has not forgotten how


class Publishing:
    """`now` is what the responders were told last."""

    def __init__(self, state: State, passing_on: PassingOn) -> None:
        self.now: Mapping[IPAddress, Announcement] = {}
        self._state = state
        self._passing_on = passing_on
        self._left: dict[IPAddress, float] = {}  # -> when it was answered here last

    def answered_of_late(self, address: IPAddress, now: float) -> bool:
        """Tell whether `address` was answered here a moment ago."""
        return address in self.now or now - self._left.get(address, -math.inf) < _OF_LATE

    def reconsider(self, addresses: Iterable[IPAddress] | None, now: float) -> None:
        """Look anew at whether `addresses` (None: all) are answered here, and say so where that changed."""
        if self._state.answers.consider(None if addresses is None else set(addresses)) or addresses is None:
            self._publish(now)

    def _publish(self, now: float) -> None:
        before, after = self.now, dict(self._state.answers.now)
        if before == after:
            return
        self.now = after
        self._state.tenures.look_again = True
        self._state.roles.doubt_addresses(before.keys() ^ after.keys())
        self._passing_on.answers(before, after, now)  # first of all: else this host would refuse them
        self._state.outbox.put(Answer(after))
        if came := self._unbound(after.keys() - before.keys()):
            self._state.outbox.put(ForgetTracked(came))
        lost = before.keys() - after.keys()
        self._left = {each: when for each, when in self._left.items() if now - when < _OF_LATE}
        self._left.update(dict.fromkeys(lost, now))
        self._state.announcing.drop(lost, self._state.clients.table.of(lost))
        changed = {each: how for each, how in after.items() if before.get(each) != how}
        self._announce(
            [each for each, how in changed.items() if how.share is None],
            self._inherited(before, changed),
            now,
        )
        # Last: clients wait for what tells them, and not for what the kernel is taught.
        self.place_clients(now, lost)

    def place_clients(self, now: float, lost: Iterable[IPAddress] = ()) -> None:
        """Follow who has the clients now: those of what this node has `lost` may still send here."""
        plan = self._state.plan
        self._state.outbox.extend(self._state.clients.left(lost, plan.leading, plan.passed_on, now))

    def doubt_connections(self, addresses: Iterable[IPAddress] | None = None) -> None:
        """Take that another node may have gone on with connections to `addresses` (None: all) meanwhile.

        They are not forgotten for that: where it has not, they are bound to backends that get nothing new.
        """
        if doubtful := self._unbound(self.now if addresses is None else addresses):
            self._state.outbox.put(LoosenTracked(doubtful))

    def _unbound(self, addresses: Iterable[IPAddress]) -> frozenset[IPAddress]:
        """Return those of `addresses` whose connections any node can go on with."""
        forwarded = self._state.plan.forwarded
        return frozenset(each for each in addresses if each in forwarded and forwarded[each].is_stateless)

    def announce(self, addresses: Collection[IPAddress], now: float) -> None:
        """Tell the LAN, and the known clients, that `addresses` are here; of shared ones, this node's own."""
        shares = {each: how.share for each in addresses if (how := self.now.get(each)) and how.share}
        own = [
            sighting
            for sighting in self._state.clients.table.of(shares)
            if shares[sighting.vip].answers(sighting.mac, sighting.vip)
        ]
        self._announce([each for each in addresses if each not in shares], own, now)

    def _inherited(
        self, before: Mapping[IPAddress, Announcement], changed: Mapping[IPAddress, Announcement]
    ) -> list[Sighting]:
        """Return the clients of shared addresses that were another's until now: one that went, or gave way.

        Who comes, or comes back, takes nobody away from the others: a client that asks anew finds it.
        """
        shares = {
            each: (old.share, how.share)
            for each, how in changed.items()
            if how.share is not None and (old := before.get(each)) is not None and old.share is not None
        }
        return [
            sighting
            for sighting in self._state.clients.table.of(shares)
            if shares[sighting.vip][1].is_new(sighting.mac, sighting.vip, shares[sighting.vip][0])
            and self._state.address_book.name_of(sighting.mac) is None
        ]

    def hush(self) -> None:
        """Claim nothing more of what is answered now: others may have it, or are about to."""
        claimed = self.now.keys() - self._state.plan.virtual
        self._state.announcing.hush(claimed, self._state.clients.table.of(claimed))

    def _announce(self, whole: Collection[IPAddress], clients: Iterable[Sighting], now: float) -> None:
        if self._state.isolation.cut_off:
            whole = [each for each in whole if each in self._state.plan.virtual]
            clients = ()
        told = [*self._state.clients.table.of(whole), *clients]
        self._state.announcing.take(whole, told, now)
        self._state.outbox.extend(self._state.announcing.wake(now, len(self._state.announcing_links)))
