"""From what is answered here to what responders, the LAN and the clients are told."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from roost.decide.connections.passing_on import PassingOn
from roost.decide.effects import Answer
from roost.decide.state import State
from roost.model.address import IPAddress
from roost.model.announcement import Announcement

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
        lost = before.keys() - after.keys()
        self._left = {each: when for each, when in self._left.items() if now - when < _OF_LATE}
        self._left.update(dict.fromkeys(lost, now))
        self._state.outbox.extend(self._state.clients.left(lost, now))
        self._state.announcing.drop(lost, self._state.clients.table.of(lost))
        self.announce([each for each, how in after.items() if before.get(each) != how], now)

    def announce(self, addresses: Collection[IPAddress], now: float) -> None:
        """Tell the LAN, and the known clients, that `addresses` are here."""
        self._state.announcing.take(addresses, self._state.clients.table.of(addresses), now)
        self._state.outbox.extend(self._state.announcing.wake(now, len(self._state.announcing_links)))
